import type { Answer } from "./balancer.ts";
import type { ServerState } from "./fleet.ts";
import { type Html, html } from "./html.ts";

/** What goes on behind the counter. */
export interface FarmState {
  readonly servers: readonly ServerState[];
  /** The last ones, oldest first. */
  readonly answers: readonly Answer[];
}

/** The servers with their buttons, and who answered last. Part of each page, and sent anew whenever it changes. */
export function panel({ servers, answers }: FarmState): Html {
  const last = answers.findLast(({ failed }) => !failed)?.server;
  return html`
    <ul class="servers">${servers.map((server) => card(server, server.number === last))}</ul>
    <div class="answers">
      <h3 id="answers">Who answered</h3>
      <ol class="strip" aria-labelledby="answers">${answers.map(chip)}</ol>
    </div>`;
}

/** There are six colours; a seventh server gets the first one's. */
export function colour(server: number): number {
  return ((server - 1) % 6) + 1;
}

function card(server: ServerState, answeredLast: boolean): Html {
  const { number, state } = server;
  const [verb, action] = state === "down" ? ["Restart", "start"] : ["Kill", "kill"];
  const words = { up: "up", starting: "starting", down: "dead" }[state];
  return html`
    <li class="server ${state} ${answeredLast && "last"}" data-colour="${colour(number)}" data-server="${number}">
      <span class="disc" aria-hidden="true">${number}</span>
      <div>
        <h3>Server ${number}</h3>
        <p class="state">${words}${server.state === "up" && `, process ${server.pid}`}</p>
      </div>
      <form method="post" action="/farm/servers/${number}/${action}">
        <button id="${action}-${number}" class="${action}">${verb}<span class="unseen"> server ${number}</span></button>
      </form>
    </li>`;
}

function chip({ server, method, failed }: Answer): Html {
  const story = failed ? `Server ${server} died before it answered` : `Server ${server} answered a ${method}`;
  return html`<li class="disc ${failed && "failed"}" data-colour="${colour(server)}" title="${story}">
    <span aria-hidden="true">${server}</span><span class="unseen">${story}</span>
  </li>`;
}
