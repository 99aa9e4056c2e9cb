// What became of the parallel clicks: two rails side by side.
import { type Html, html } from "../html.ts";
import { wares } from "../wares.ts";
import type { Race } from "./race.ts";

/** @param connector the package by which express-session uses the farm's store. Undefined: its MemoryStore. */
export function raceResult({ own, rival, done }: Race, store: string, connector: string | undefined): Html {
  const count = Object.keys(wares).length;
  const place = connector ? `${connector}, in the same ${store}` : "its MemoryStore, on one server";
  const answered = done === 2 * count ? `All ${done}` : `${done} of ${2 * count}`;
  return html`
      <section class="race" aria-labelledby="race">
        <h2 id="race">${count} clicks at once, in two shops</h2>
        <div class="rivals">
          ${lane("coatcheck", `in ${store}`, own)}
          ${lane("express-session", place, rival)}
        </div>
        <p>${answered} clicks were answered as done. In both shops each request waited until all ${count} had read the session:
          the worst case, made certain. express-session then saves the whole session of each request, so the last one to save
          removes what the others hung up. coatcheck repeats a request's change on the newer session.</p>
      </section>`;
}

function lane(shop: string, place: string, kept: readonly string[]): Html {
  const all = Object.entries(wares);
  const lost = all.length - kept.length;
  return html`
          <div class="lane" data-shop="${shop}">
            <h3>${shop} <span class="small">${place}</span></h3>
            <p class="verdict ${lost > 0 && "lost"}"><strong>${kept.length} kept</strong>, ${lost} lost</p>
            <ol class="hangers">${all.map(([ware, { name, picture }]) => hanger(ware, name, kept.includes(ware) && picture))}</ol>
          </div>`;
}

/** @param picture false: the ware is lost. */
function hanger(ware: string, name: string, picture: Html | false): Html {
  return html`
              <li data-ware="${ware}" class="${picture ? "kept" : "gap"}">
                ${picture}<span class="unseen">${name}: ${picture ? "kept" : "lost"}</span>
              </li>`;
}
