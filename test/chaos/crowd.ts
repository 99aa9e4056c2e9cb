import { setTimeout as sleep } from "node:timers/promises";
import { Browser } from "./browser.ts";
import { type Ask, type Kind, now, type Operation, REGISTERS } from "./history.ts";
import { type Random, randomFrom } from "./random.ts";

/** How requests use their sessions. */
export type Discipline = keyof typeof WEIGHTS;

export interface CrowdOptions {
  seed: number;
  discipline: Discipline;
  /** Where the servers listen. Each request goes to any of them. */
  ports: number[];
  /** Browsers are called after their crowd, which is a number. */
  crowd: number;
  browsers: number;
  /** When to stop, by the monotonic clock. */
  until: number;
}

/** How often each kind of request is made. */
const WEIGHTS = {
  merge: {
    ...{ read: 30, set: 20, delete: 4, increment: 10, count: 8, append: 8, tag: 7, untag: 3 },
    ...{ login: 2, logout: 1.5, revoke: 0.3 },
  },
} satisfies Record<string, { readonly [kind in Kind]?: number }>;

export const disciplines = Object.keys(WEIGHTS) as Discipline[];

/** Browsers that do what comes to their minds, several things at once. Resolves to everything that they did. */
export async function crowd(options: CrowdOptions): Promise<Operation[]> {
  const operations: Operation[] = [];
  await Promise.all(
    Array.from({ length: options.browsers }, (_, i) => user(options, i, (operation) => operations.push(operation))),
  );
  return operations;
}

async function user(options: CrowdOptions, number: number, note: (operation: Operation) => void): Promise<void> {
  const { seed, discipline, ports, crowd, until } = options;
  const random = randomFrom(seed, crowd * 1000 + number);
  const browser = new Browser(`${crowd}-${number}`, ports, random, note);
  // Two browsers of one person, who can be logged out everywhere.
  const owner = `owner ${crowd}-${number >> 1}`;
  const tags: string[] = [];

  async function act(): Promise<void> {
    const kind = random.weighted<Kind>(WEIGHTS[discipline]);
    const ask: Omit<Ask, "name"> = {
      kind,
      mode: modeOf(kind, random),
      think: random() < 0.5 ? 0 : random.between(1, kind === "serial" ? 4 : 12),
      save: random() < 0.3,
      ...((kind === "set" || kind === "delete") && { key: random.pick(REGISTERS) }),
      ...((kind === "login" || kind === "revoke") && { owner }),
    };
    if (kind === "tag") {
      ask.item = `tag ${browser.name} ${tags.length}`;
      tags.push(ask.item);
    }
    if (kind === "untag") ask.item = tags.length > 0 ? random.pick(tags.slice(-8)) : "none";
    const leaveAfter = random() < 0.004 ? random.between(0, 15) : undefined;
    const { outcome } = await browser.ask(ask, leaveAfter);
    // Who meets an error looks at it for a moment.
    if (outcome === "unknown") await sleep(random.between(20, 120));
  }

  while (now() < until) {
    await Promise.all(Array.from({ length: burst(random) }, act));
    if (random() < 0.004) browser.restart();
    if (random() < 0.3) await sleep(random.between(0, 20));
  }
}

function modeOf(kind: Kind, random: Random): Ask["mode"] {
  if (kind === "serial") return "exclusive" as Ask["mode"];
  if (kind === "revoke") return "none";
  return kind === "read" && random() < 0.7 ? "readonly" : "merge";
}

function burst(random: Random): number {
  const luck = random();
  if (luck < 0.01) return 20;
  return luck < 0.4 ? random.between(2, 6) : 1;
}
