// The page of the shop.
import type { ServerResponse } from "node:http";
import type { Session, SessionInfo } from "../src/index.ts";
import { deviceList, phoneFrame } from "./acts/phone-page.ts";
import { programme } from "./acts/programme.ts";
import type { Race } from "./acts/race.ts";
import { raceResult } from "./acts/race-page.ts";
import { type Html, html } from "./html.ts";
import { send, title } from "./layout.ts";
import { colour, panel } from "./panel.ts";
import type { FarmState, Guest, Hung } from "./state.ts";
import type { StoreDescription } from "./stores.ts";
import { type Ware, wares } from "./wares.ts";

/** The server and the store that the shop's pages name. */
export interface About {
  readonly server: number;
  readonly store: StoreDescription;
  /** The package by which express-session uses the same store. Undefined: it has none. */
  readonly rival: string | undefined;
}

export interface View {
  readonly about: About;
  readonly guest: Session<Guest>;
  /** The request's ticket opens no session here. */
  readonly isTicketUnknown: boolean;
  readonly note: string | undefined;
  /** What became of parallel clicks, if there were some just now. */
  readonly race: Race | undefined;
  /** A free hanger for each ware. */
  readonly hangers: readonly string[];
  /** The session of the guest's phone. Undefined: it has no ticket. */
  readonly phone: Session<Guest> | undefined;
  /** The sessions of the guest who is signed in. */
  readonly devices: readonly SessionInfo<Guest>[];
  readonly farm: FarmState | undefined;
}

export function shopPage(res: ServerResponse, view: View): void {
  const { about, farm, isTicketUnknown, note, phone, race } = view;
  const { server, store } = about;
  const answered = html`<span class="disc" aria-hidden="true">${server}</span> Server ${server} made this page`;
  const hasPhone = phone?.isNew === false;
  const body = html`
<body data-colour="${colour(server)}" data-answered-by="${server}">
  ${title(answered)}
  ${farm && panel(withAnswer(farm, server))}
  <main>
    ${store.warning && html`<p class="warning"><strong>On purpose:</strong> ${store.warning}</p>`}
    ${note && html`<p class="note" role="status">${note}</p>`}
    ${farm && !store.warning && !isTicketUnknown && programme({ store: farm.store, hasPhone })}
    ${race && raceResult(race, store.name, about.rival)}
    <div class="floor">
      ${rail(view)}
      ${goods(view.hangers)}
    </div>
    <div class="side">
      ${ticket(view)}
      ${view.guest.has("name") ? signedIn(view) : signIn}
      ${phone && phoneFrame(phone, view.hangers.at(-1)!)}
      <p class="small">The session's id is public. The ticket that opens the session is in a cookie that scripts cannot read.</p>
    </div>
  </main>
</body>`;
  send(res, 200, body);
}

/** Adds this page's answer: the farm's state is from before the request. */
function withAnswer(farm: FarmState, server: number): FarmState {
  return { ...farm, answers: [...farm.answers, { server, method: "GET" }] };
}

function rail({ about, guest, isTicketUnknown }: View): Html {
  const { rail = [] } = guest.data;
  const total = rail.reduce((sum, { ware }) => sum + wares[ware]!.price, 0);
  const count = rail.length === 1 ? "1 thing" : `${rail.length} things`;
  const empty = isTicketUnknown ? `Server ${about.server} has nothing of yours.` : "Hang something up.";
  return html`
      <section class="stand" aria-labelledby="rail">
        <header>
          <h2 id="rail">Your rail</h2>
          ${rail.length > 0 && html`<p class="count">${count}, <strong>€${total}</strong></p>`}
        </header>
        <ol class="rail">${rail.length === 0 ? html`<li class="empty">${empty}</li>` : rail.map(hung)}</ol>
      </section>`;
}

function hung({ hanger, ware }: Hung): Html {
  const { name, picture } = wares[ware]!;
  return html`
          <li data-hanger="${hanger}" data-ware="${ware}">
            ${picture}
            <form method="post" action="/rail/${hanger}/off">
              <button aria-label="Take off: ${name}" title="Take off">×</button>
            </form>
          </li>`;
}

function goods(hangers: readonly string[]): Html {
  return html`
      <section aria-labelledby="goods">
        <header>
          <h2 id="goods">For sale</h2>
        </header>
        <ul class="goods">${Object.entries(wares).map(([name, ware], i) => good(name, ware, hangers[i]!))}</ul>
      </section>`;
}

function good(name: string, { name: title, price, line, picture }: Ware, hanger: string): Html {
  return html`
          <li class="ware" data-ware="${name}">
            <div class="picture">${picture}</div>
            <h3>${title}</h3>
            <p class="small">${line}</p>
            <form method="post" action="/rail">
              <input type="hidden" name="ware" value="${name}">
              <input type="hidden" name="hanger" value="${hanger}">
              <strong>€${price}</strong>
              <button id="hang-${name}" aria-label="Hang up: ${title}">Hang up</button>
            </form>
          </li>`;
}

function ticket(view: View): Html {
  const { guest, isTicketUnknown, about } = view;
  return html`
      <section class="ticket ${isTicketUnknown && "unknown"}" aria-labelledby="ticket">
        <header>
          <h2 id="ticket">Cloakroom ticket</h2>
          <p class="number">${isTicketUnknown ? "?" : guest.id.slice(0, 6)}</p>
        </header>
        ${isTicketUnknown ? unknownTicket(about.server) : facts(guest)}
        <footer>
          <p>Stored in <strong id="store">${about.store.name}</strong></p>
          <p class="small">${about.store.where}</p>
        </footer>
      </section>`;
}

function facts(guest: Session<Guest>): Html {
  const { name = "not signed in", visits } = guest.data;
  const ends = new Date(guest.expiresAt);
  const minutes = Math.round((ends.getTime() - Date.now()) / 60_000);
  return html`
        <dl>
          <dt>Session</dt><dd><code id="session-id">${guest.id}</code></dd>
          <dt>Visits</dt><dd id="visits">${visits}</dd>
          <dt>Ends</dt><dd><time datetime="${ends.toISOString()}" data-counts-down>in ${minutes} minutes</time>, if you do nothing</dd>
          <dt>Guest</dt><dd id="guest">${name}</dd>
        </dl>`;
}

function unknownTicket(server: number): Html {
  return html`<p>Server ${server} does not know your ticket. The session has expired, or another server has it.</p>`;
}

const signIn = html`
      <form class="sign" method="post" action="/sign-in">
        <label for="name">Sign in as</label>
        <div>
          <input id="name" name="name" maxlength="40" autocomplete="off" placeholder="Ada">
          <button id="sign-in">Sign in</button>
        </div>
        <p class="small">You get a new ticket and keep your things. The old ticket stops working immediately.</p>
      </form>`;

function signedIn({ devices, guest }: View): Html {
  return html`
      <div class="sign">
        ${deviceList(devices, guest.id)}
        <form method="post" action="/sign-out">
          <button id="sign-out">Sign out</button>
          <p class="small">Ends this session and empties the rail, on every server immediately.</p>
        </form>
      </div>`;
}
