// The panel: the servers with their buttons, and the last answers.
import type { Answer } from "./balancer.ts";
import { type Html, html } from "./html.ts";
import type { FarmState, ServerState } from "./state.ts";

/** Part of each page, and sent again whenever it changes. */
export function panel({ servers, answers }: FarmState): Html {
  const last = answers.findLast(({ failed }) => !failed)?.server;
  return html`
    <ul class="servers">${servers.map((server) => card(server, server.number === last))}</ul>
    <div class="answers">
      <h3 id="answers">Last answers</h3>
      <ol class="strip" aria-labelledby="answers">${answers.map(chip)}</ol>
    </div>`;
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

function chip({ server, method, failed }: Answer): Html {
  const story = failed ? `Server ${server} died before it answered` : `Server ${server} answered a ${method}`;
  return html`<li class="disc ${failed && "failed"}" data-colour="${colour(server)}" title="${story}">
    <span aria-hidden="true">${server}</span><span class="unseen">${story}</span>
  </li>`;
}
