// The guest's phone, beside the shop, and the list of the guest's devices.
import type { Session, SessionInfo } from "../../src/index.ts";
import { type Html, html } from "../html.ts";
import type { Guest, Hung } from "../state.ts";
import { wares } from "../wares.ts";

/** @param hanger a free hanger. */
export function phoneFrame(phone: Session<Guest>, hanger: string): Html {
  return html`
      <section class="phone" aria-labelledby="phone" data-phone="${phone.isNew ? "signed-out" : "signed-in"}">
        <div class="screen">
          <h2 id="phone">${phone.isNew ? "The phone" : `${phone.data.name}'s phone`}</h2>
          ${phone.isNew ? signedOut : signedIn(phone, hanger)}
        </div>
      </section>`;
}

const signedOut = html`
          <p class="gone">Signed out.</p>
          <p class="small">This phone still has its ticket. The session behind it has ended, so the ticket opens nothing.</p>`;

function signedIn(phone: Session<Guest>, hanger: string): Html {
  const { rail = [] } = phone.data;
  return html`
          <p class="small">Ticket <strong class="number" id="phone-ticket">${phone.id.slice(0, 6)}</strong></p>
          <ol class="pocket-rail">${rail.length === 0 ? html`<li class="empty">Nothing here.</li>` : rail.map(hung)}</ol>
          <form method="post" action="/phone/rail">
            <input type="hidden" name="ware" value="mittens">
            <input type="hidden" name="hanger" value="${hanger}">
            <button id="phone-hang">Hang up mittens</button>
          </form>`;
}

function hung({ ware }: Hung): Html {
  const { name, picture } = wares[ware]!;
  return html`<li data-ware="${ware}">${picture}<span class="unseen">${name}</span></li>`;
}

/** @param own the public id of the session that the page belongs to. */
export function deviceList(devices: readonly SessionInfo<Guest>[], own: string): Html {
  return html`
      <section class="devices" aria-labelledby="devices">
        <h3 id="devices">Signed in on</h3>
        <ul>${devices.map(({ id, client, lastSeenAt }) => {
          const seen = new Date(lastSeenAt!);
          return html`
          <li data-device="${id}">
            <strong>${client?.label}</strong>${id === own && " (this one)"}
            <span class="small">ticket ${id.slice(0, 6)}, seen at
              <time datetime="${seen.toISOString()}">${seen.toLocaleTimeString("en-GB", { timeStyle: "short" })}</time></span>
          </li>`;
        })}</ul>
      </section>`;
}
