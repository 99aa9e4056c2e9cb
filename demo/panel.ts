// The panel: the servers and the store with their buttons, and the last answers. It stays in sight.
import type { Answer } from "./balancer.ts";
import { type Html, html } from "./html.ts";
import type { FarmState, ServerState, StoreState } from "./state.ts";

/** Part of each page, and sent again whenever it changes. */
export function panel({ servers, store, answers }: FarmState): Html {
  const last = answers.findLast(({ failed }) => !failed)?.server;
  return html`
  <section id="panel" class="panel" aria-labelledby="farm">
    <h2 id="farm" class="unseen">Behind the counter</h2>
    <ul class="servers">
      ${servers.map((server) => card(server, server.number === last))}
      ${storeCard(store)}
    </ul>
    <div class="answers">
      <h3 id="answers">Last answers</h3>
      <ol class="strip" aria-labelledby="answers">${answers.map(chip)}</ol>
    </div>
  </section>`;
}

/** There are six colours. The seventh server gets the first one again. */
export function colour(server: number): number {
  return ((server - 1) % 6) + 1;
}

function card(server: ServerState, answeredLast: boolean): Html {
  const { number, state } = server;
  const [label, action] = state === "down" ? ["Restart", "start"] : ["Kill", "kill"];
  return html`
      <li class="server ${state} ${answeredLast && "last"}" data-colour="${colour(number)}" data-server="${number}">
        <span class="disc" aria-hidden="true">${number}</span>
        <div>
          <h3>Server ${number}</h3>
          <p class="state">${state}${server.state === "up" && `, process ${server.pid}`}</p>
        </div>
        <form method="post" action="/farm/servers/${number}/${action}">
          <button id="${action}-${number}" class="${action}">${label}<span class="unseen"> server ${number}</span></button>
        </form>
      </li>`;
}

function storeCard({ name, state, move }: StoreState): Html {
  return html`
      <li class="server store ${state} ${move && "moving"}" data-store="${state}">
        ${cabinet}
        <div>
          <h3>${name}${move && html`<span class="unseen"> to </span><span aria-hidden="true"> → </span>${move.to}`}</h3>
          ${move ? progress(move) : html`<p class="state">the store, ${state}</p>`}
        </div>
        ${
          state === "stopped" &&
          html`
        <form method="post" action="/farm/store/start">
          <button id="start-store" class="start">Start<span class="unseen"> ${name}</span></button>
        </form>`
        }
      </li>`;
}

function progress({ step, moved, left }: NonNullable<StoreState["move"]>): Html {
  const bar =
    moved + left > 0 && html`<progress max="${moved + left}" value="${moved}">${moved} of ${moved + left}</progress>`;
  return html`<p class="state">${step}</p>${bar}`;
}

function chip({ server, method, failed, refused }: Answer): Html {
  const story = failed
    ? `Server ${server} died before it answered`
    : refused
      ? `Server ${server} answered 503 to a ${method}`
      : `Server ${server} answered a ${method}`;
  return html`<li class="disc ${failed && "failed"} ${refused && "refused"}" data-colour="${colour(server)}" title="${story}">
    <span aria-hidden="true">${server}</span><span class="unseen">${story}</span>
  </li>`;
}

const cabinet = html`
        <svg class="cabinet" viewBox="0 0 40 40" aria-hidden="true">
          <ellipse cx="20" cy="9" rx="13" ry="5" />
          <path d="M7 9v22c0 2.8 5.8 5 13 5s13-2.2 13-5V9M7 20c0 2.8 5.8 5 13 5s13-2.2 13-5" />
        </svg>`;
