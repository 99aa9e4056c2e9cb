// The wares of the shop, with their pictures.
import { type Html, html } from "./html.ts";

export interface Ware {
  readonly name: string;
  /** In whole euros. */
  readonly price: number;
  readonly line: string;
  readonly picture: Html;
}

/** All wares, by their names in forms and sessions. */
export const wares: Readonly<Record<string, Ware>> = {
  coat: {
    name: "Trench coat",
    price: 240,
    line: "Knows how to wait under a lamp.",
    picture: picture(html`
      <path fill="#c99a5b" d="M45 22 60 29 75 22 93 33 103 80 89 84 84 62 88 110H32L36 62 31 84 17 80 27 33Z" />
      <path fill="#b4854a" d="M60 29 75 22 93 33 103 80 89 84 84 62 88 110H60Z" />
      <path fill="#dfb97f" d="M45 22 40 40 49 43 60 58 60 29ZM75 22 80 40 71 43 60 58 60 29Z" />
      <path fill="#8a5f30" d="M35 66h50l1 8H34Z" />
      <rect x="53" y="64" width="14" height="12" rx="2.5" fill="none" stroke="#f1d9a8" stroke-width="2.5" />
      <path stroke="#8a5f30" stroke-width="1.8" d="M60 78V110" />
      <path stroke="#8a5f30" stroke-width="2.5" stroke-linecap="round" d="M41 86 48 83M79 86 72 83" />
      <g fill="#6d4920">
        <circle cx="53" cy="84" r="2" /><circle cx="67" cy="84" r="2" />
        <circle cx="53" cy="96" r="2" /><circle cx="67" cy="96" r="2" />
      </g>`),
  },
  cape: {
    name: "Opera cape",
    price: 310,
    line: "For exits rather than entrances.",
    picture: picture(html`
      <path fill="#8d2c49" d="M47 22h26l7 9C95 44 103 76 106 108c-15 5-31 3-46 3s-31 2-46-3C17 76 25 44 40 31Z" />
      <path fill="#6f1f3a" d="M73 22l7 9C95 44 103 76 106 108c-10 3.5-20 3.6-30 3.3C80 80 76 52 62 34Z" />
      <path fill="#d7a543" d="M60 34 76 111.3c-11 .2-21-.2-32 0Z" />
      <path fill="#b98a2f" d="M60 34 76 111.3 60 111Z" />
      <path fill="#a83c5c" d="M43 27 47 19h26l4 8-17 11Z" />
      <path fill="none" stroke="#f1d9a8" stroke-width="2.2" d="M50 33q10 9 20 0" />
      <circle cx="49.5" cy="32.5" r="3" fill="#f1d9a8" /><circle cx="70.5" cy="32.5" r="3" fill="#f1d9a8" />`),
  },
  hat: {
    name: "Top hat",
    price: 95,
    line: "Rabbit not included.",
    picture: picture(html`
      <ellipse cx="60" cy="91" rx="46" ry="10" fill="#3b3459" />
      <path fill="#4d4575" d="M37 90 32 32h56l-5 58c-8 5-38 5-46 0Z" />
      <path fill="#3b3459" d="M66 94c8-.5 14-2 17-4l5-58H70Z" />
      <ellipse cx="60" cy="32" rx="28" ry="7.5" fill="#6d6398" />
      <path fill="#b23a54" d="M35.4 71 36.8 87c8 5 38.4 5 46.4 0L84.6 71c-10 5-39 5-49.2 0Z" />
      <path fill="none" stroke="#9a90c4" stroke-width="2" stroke-linecap="round" d="M41 44 43 66" />
      <path fill="none" stroke="#6d6398" stroke-width="2.5" d="M15 93c6 10 84 10 90 0" />`),
  },
  beanie: {
    name: "Wool beanie",
    price: 28,
    line: "Warm, and proud of it.",
    picture: picture(html`
      <path fill="#2f8a8a" d="M26 82C24 40 44 32 60 32s36 8 34 50Z" />
      <path fill="#257272" d="M60 32c16 0 36 8 34 50H74C76 56 70 38 60 32Z" />
      <path fill="none" stroke="#f0e4cc" stroke-width="4" stroke-linejoin="round" d="M28 66l8-7 8 7 8-7 8 7 8-7 8 7 8-7 8 7" />
      <rect x="21" y="76" width="78" height="21" rx="9" fill="#f0e4cc" />
      <path stroke="#d4c4a2" stroke-width="2.5" stroke-linecap="round" d="M33 81v11M44 81v11M55 81v11M66 81v11M77 81v11M88 81v11" />
      <circle cx="60" cy="27" r="13" fill="#f0e4cc" />
      <path fill="none" stroke="#d4c4a2" stroke-width="2.2" stroke-linecap="round" d="M53 21l3 4M60 17v5M67 21l-3 4M51 29h5M69 29h-5M56 36l2-4M64 36l-2-4" />`),
  },
  umbrella: {
    name: "Umbrella",
    price: 45,
    line: "Never left on a train. So far.",
    picture: picture(html`
      <path fill="none" stroke="#94663c" stroke-width="4" stroke-linecap="round" d="M60 20v78c0 13-18 13-18 1" />
      <path stroke="#94663c" stroke-width="3" stroke-linecap="round" d="M60 13v8" />
      <path fill="#c8413f" d="M12 66C14 34 36 20 60 20s46 14 48 46q-12-9-24 0-12-9-24 0-12-9-24 0-12-9-24 0Z" />
      <path fill="#f3e3c8" d="M36 66C37 40 48 26 60 20c12 6 23 20 24 46q-12-9-24 0-12-9-24 0Z" />
      <path fill="#c8413f" d="M60 20c4 8 7 24 0 46-7-22-4-38 0-46Z" />
      <path fill="none" stroke="#9c2e30" stroke-width="1.5" d="M36 66C37 40 48 26 60 20M84 66C83 40 72 26 60 20" />`),
  },
  scarf: {
    name: "Long scarf",
    price: 38,
    line: "Goes round twice, and then some.",
    picture: picture(html`
      <path fill="#2f6b4c" d="M66 40 86 34 97 88 77 92Z" />
      <path stroke="#d9a441" stroke-width="4" d="M72 62 91 58M75 78 94 74" />
      <path stroke="#2f6b4c" stroke-width="2.5" stroke-linecap="round" d="M79 92l1 7M84 91l1 7M89 90l1 7M94 89l1 7" />
      <path fill="#3f8a62" d="M44 42 66 42 64 102 40 100Z" />
      <path stroke="#f0e4cc" stroke-width="4" d="M43 62 65 63.5M42 78 65 79.5" />
      <path stroke="#d9a441" stroke-width="2.5" d="M42.5 70 65 71.5M41 86 64.5 88" />
      <path stroke="#3f8a62" stroke-width="2.5" stroke-linecap="round" d="M42 100l-1 8M48 101l-1 8M54 101v8M60 102v8" />
      <path fill="#3f8a62" d="M28 34c0-22 64-22 64 0 0 24-64 24-64 0Z" />
      <path fill="#235239" d="M38 30c0-12 44-12 44 0 0 9-44 9-44 0Z" />
      <path fill="none" stroke="#f0e4cc" stroke-width="3.5" d="M40 47l5-9M80 47l-5-9" />
      <path fill="none" stroke="#d9a441" stroke-width="2.5" d="M60 51V41" />`),
  },
  mittens: {
    name: "Mittens",
    price: 22,
    line: "Tied together, so neither gets lonely.",
    picture: picture(html`
      <path fill="none" stroke="#8c6a45" stroke-width="2.5" d="M35 52C38 30 53 20 60 20s22 10 25 32" />
      <path fill="#d9892b" d="M22 62h26v8c9 2 11 12 6 17-3 3-6 1-6-2v6c0 19-26 19-26 0Z" />
      <path fill="#c4761d" d="M98 62H72v8c-9 2-11 12-6 17 3 3 6 1 6-2v6c0 19 26 19 26 0Z" />
      <path fill="none" stroke="#f7e6c6" stroke-width="3" stroke-linejoin="round" d="M23 82l4-5 4 5 4-5 4 5 4-5 4 5M73 82l4-5 4 5 4-5 4 5 4-5 4 5" />
      <rect x="19" y="50" width="32" height="14" rx="6" fill="#f0e4cc" />
      <rect x="69" y="50" width="32" height="14" rx="6" fill="#f0e4cc" />
      <path stroke="#d4c4a2" stroke-width="2" stroke-linecap="round" d="M27 54v6M35 54v6M43 54v6M77 54v6M85 54v6M93 54v6" />`),
  },
  case: {
    name: "Suitcase",
    price: 130,
    line: "Has seen more of the world than you.",
    picture: picture(html`
      <path fill="none" stroke="#5d3a22" stroke-width="5" stroke-linecap="round" d="M46 42V31c0-5 3-8 8-8h12c5 0 8 3 8 8v11" />
      <rect x="14" y="40" width="92" height="62" rx="9" fill="#9a6238" />
      <path fill="#84512c" d="M14 72h92v21a9 9 0 0 1-9 9H23a9 9 0 0 1-9-9Z" />
      <path fill="#5d3a22" d="M30 40h10v62H30ZM80 40h10v62H80Z" />
      <rect x="28" y="64" width="14" height="11" rx="2" fill="#e2b65c" /><rect x="78" y="64" width="14" height="11" rx="2" fill="#e2b65c" />
      <circle cx="60" cy="58" r="9" fill="#f0e4cc" /><path fill="#2f8a8a" d="M60 49a9 9 0 0 1 0 18Z" />
      <rect x="48" y="80" width="25" height="13" rx="2" fill="#c8413f" transform="rotate(-6 60 86)" />
      <path stroke="#f0e4cc" stroke-width="2" stroke-linecap="round" d="M52 87.5l17-1.8" />`),
  },
};

function picture(shapes: Html): Html {
  return html`<svg viewBox="0 0 120 120" aria-hidden="true">${shapes}</svg>`;
}
