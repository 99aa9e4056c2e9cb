// What became of the parallel clicks: two rails side by side.
import { type Html, html } from "../html.ts";
import { wares } from "../wares.ts";
import type { Race } from "./race.ts";

/** @param connector the package by which express-session uses the farm's store. Undefined: its MemoryStore. */
export function raceResult({ own, rival, done }: Race, store: string, connector: string | undefined): Html {
  const count = Object.keys(wares).length;
  const place = connector
    ? `${connector}, in the same ${store}`
    : `its MemoryStore, all on one server: it has no store for ${store}`;
  return html`
      <section class="race" aria-labelledby="race">
        <h2 id="race">${count} clicks at once, in two shops</h2>
        <div class="rivals">
          ${lane("coatcheck", `coatcheck, in ${store}`, own)}
          ${lane("express-session", `express-session, with ${place}`, rival)}
        </div>
        <p>${done === 2 * count ? html`All ${2 * count} clicks were answered as done.` : html`${done} of ${2 * count} clicks were answered as done.`}
          Each request had read the session before the first one saved it. express-session saves the whole session of each
          request, so the last one to save removes what the others hung up. coatcheck repeats a request's change on
          the newer session.</p>
      </section>`;
}

function lane(name: string, title: string, kept: readonly string[]): Html {
  const lost = Object.keys(wares).length - kept.length;
  return html`
          <div class="lane" data-shop="${name}">
            <h3>${title}</h3>
            <p class="verdict ${lost > 0 && "lost"}"><strong>${kept.length} kept</strong>, ${lost} lost</p>
            <ol class="hangers">${Object.entries(wares).map(([ware, { name, picture }]) => {
              const isKept = kept.includes(ware);
              return html`
              <li data-ware="${ware}" class="${isKept ? "kept" : "gap"}">
                ${isKept && picture}<span class="unseen">${name}: ${isKept ? "kept" : "lost"}</span>
              </li>`;
            })}</ol>
          </div>`;
}
