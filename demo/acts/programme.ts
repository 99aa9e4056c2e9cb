// The programme: what can be tried, one button each.
import { type Html, html } from "../html.ts";
import type { StoreState } from "../state.ts";

export interface ProgrammeView {
  /** The farm's store. */
  readonly store: StoreState;
  /** The guest is signed in on the phone, too. */
  readonly hasPhone: boolean;
}

export function programme({ store, hasPhone }: ProgrammeView): Html {
  return html`
      <section class="programme" aria-labelledby="programme">
        <h2 id="programme">Try to lose a coat</h2>
        <ol class="acts">
          ${raceAct}
          ${hasPhone ? everywhereAct : phoneAct}
          ${storeActs(store)}
          ${consoleAct}
        </ol>
      </section>`;
}

/** The acts that depend on the state of the farm. Sent again whenever it changes. */
export function storeActs(store: StoreState): Html[] {
  return [outageAct(store), moveAct(store)];
}

const raceAct = act(
  "race",
  "Eight clicks at once",
  html`The same parallel clicks go to this shop and to one with express-session. What is lost?`,
  html`<form method="post" action="/race"><button id="start-race">Click eight times</button></form>`,
);

const phoneAct = act(
  "phone",
  "A second device",
  html`A phone signs in as the same guest. It has a ticket and a session of its own.`,
  html`<form method="post" action="/phone/sign-in"><button id="sign-in-phone">Sign in on a phone</button></form>`,
);

const everywhereAct = act(
  "phone",
  "Log out everywhere",
  html`Ends every session of this guest, on each server and device, immediately.`,
  html`<form method="post" action="/sign-out-everywhere"><button id="sign-out-everywhere">Log out everywhere</button></form>`,
);

const consoleAct = act(
  "console",
  "The console",
  html`What all servers do, live, and the sessions of each guest. Kill a server and look.`,
  html`<a id="open-console" class="button" href="/console/" target="_blank">Open the console</a>`,
);

function outageAct({ name, state, canStop, move }: StoreState): Html {
  if (!canStop) {
    const other = name === "redis" ? "postgres" : "redis";
    const reason = html`The farm runs no server for ${name}, so none can stop. Try it with <code>--store ${other}</code>.`;
    return act("outage", "The store stops", reason);
  }
  return act(
    "outage",
    "The store stops",
    html`The shop then says so. Nobody gets an empty session, and nothing is lost when it is back.`,
    state === "up" && move === undefined
      ? html`<form method="post" action="/farm/store/stop"><button id="stop-store">Stop ${name}</button></form>`
      : html`<p class="now">${move ? "When the move is over." : `${name} is ${state}.`}</p>`,
  );
}

function moveAct({ name, state, next, move }: StoreState): Html {
  const title = "Another store";
  if (move)
    return act(
      "move",
      title,
      html`Each server is replaced three times, and looks in both stores meanwhile. Go on shopping.`,
      html`<p class="now">${move.step}</p>`,
    );
  if (next === undefined)
    return act("move", title, html`Sessions move while the shop is open. Try it with <code>--store file</code>.`);
  return act(
    "move",
    title,
    html`All sessions move from ${name} to ${next} while the shop is open. Nobody is logged out.`,
    state === "up"
      ? html`<form method="post" action="/farm/store/move"><button id="move-store">Move to ${next}</button></form>`
      : html`<p class="now">When ${name} is up.</p>`,
  );
}

function act(name: string, title: string, story: Html, action?: Html): Html {
  return html`
          <li class="act" id="act-${name}">
            <h3>${title}</h3>
            <p class="small">${story}</p>
            ${action}
          </li>`;
}
