// The pages of a shop that is closed: no server is up, or the store is down.
import type { ServerResponse } from "node:http";
import { type Html, html } from "./html.ts";
import { send, title } from "./layout.ts";
import { colour, panel } from "./panel.ts";
import type { FarmState } from "./state.ts";

/** The browser asks again after this many seconds. */
const RETRY_SECONDS = "1";

/** The page of the load balancer when no server is up. */
export function noServerPage(res: ServerResponse, farm: FarmState): void {
  const isMemory = farm.store.name === "memory";
  closed(res, {
    farm,
    why: "No server is up",
    heading: "All counters are closed",
    story: html`
        <p>Every server of the farm is down. ${
          isMemory
            ? html`Your things were in the memory of one of them, and are lost.`
            : html`Your things are in the store, <strong>${farm.store.name}</strong>, and your ticket is in your browser. Nothing is lost.`
        }</p>
        <form method="post" action="/farm/servers/start"><button id="start-all" class="start">Restart all servers</button></form>`,
  });
}

/** The page of a server that can't reach the store. */
export function storeDownPage(
  res: ServerResponse,
  { farm, server, isRead }: { farm: FarmState; server: number; isRead: boolean },
): void {
  const { name, state } = farm.store;
  const again = html`<form method="post" action="/farm/store/start"><button class="start">Start ${name} again</button></form>`;
  closed(res, {
    farm: { ...farm, answers: [...farm.answers, { server, method: isRead ? "GET" : "POST", refused: true }] },
    why: `Server ${server} can't reach ${name}`,
    server,
    heading: "The store does not answer",
    story: html`
        <p>Server ${server} could not ${isRead ? "read" : "change"} your session. It answers <strong>503</strong> and gives
          you no empty session instead: your browser keeps its ticket, and your things are there when ${name} is back.</p>
        ${!isRead && html`<p>This click was not saved. Make it again then.</p>`}
        ${state === "stopped" ? again : html`<p class="small">This page asks again each second.</p>`}`,
  });
}

interface Closed {
  farm: FarmState;
  /** In one line, beside the shop's name. */
  why: string;
  server?: number;
  heading: string;
  story: Html;
}

function closed(res: ServerResponse, { farm, why, server, heading, story }: Closed): void {
  const body = html`
<body class="shut" data-shut ${server !== undefined && html`data-colour="${colour(server)}"`}>
  ${title(html`${why}`)}
  ${panel(farm)}
  <main>
    <section class="shutter" aria-labelledby="shut">
      ${shutter}
      <div>
        <h2 id="shut">${heading}</h2>
        ${story}
      </div>
    </section>
  </main>
</body>`;
  send(res, 503, body, { "Retry-After": RETRY_SECONDS, Refresh: RETRY_SECONDS });
}

const shutter = html`
      <svg viewBox="0 0 240 190" aria-hidden="true">
        <path class="wall" d="M8 182V24a10 10 0 0 1 10-10h204a10 10 0 0 1 10 10v158Z" />
        <path class="slats" d="M24 30h192v112H24Z" />
        <path class="lines" d="M24 46h192M24 62h192M24 78h192M24 94h192M24 110h192M24 126h192" />
        <path class="desk" d="M0 142h240v16H0Z" />
        <path class="front" d="M12 158h216v28H12Z" />
        <path class="wire" d="M120 66V58a8 8 0 1 1 8-8M120 66 158 94H82Z" />
        <rect class="sign" x="80" y="94" width="80" height="28" rx="5" />
        <text x="120" y="113" text-anchor="middle">CLOSED</text>
      </svg>`;
