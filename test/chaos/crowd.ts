import { setTimeout as sleep } from "node:timers/promises";
import { Browser } from "./browser.ts";
import { type Ask, type Kind, type Operation, REGISTERS } from "./history.ts";
import { type Random, randomFrom } from "./random.ts";

/** How requests use their sessions, and how servers keep them. */
export type Discipline = keyof typeof WEIGHTS;

export interface CrowdOptions {
  seed: number;
  discipline: Discipline;
  /** Where the servers listen. Each request goes to any of them. */
  ports: number[];
  /** Browsers are called after their crowd, which is a number. */
  crowd: number;
  browsers: number;
}

const MERGING = {
  ...{ read: 30, set: 20, delete: 4, increment: 10, count: 8, append: 8, tag: 7, untag: 3 },
  ...{ login: 2, logout: 1.5, revoke: 0.3 },
};

/** How often each kind of request is made. */
const WEIGHTS = {
  merge: MERGING,
  exclusive: { serial: 45, read: 25, set: 6, increment: 5, append: 4, login: 1.5, logout: 1, revoke: 0.2 },
  /** Servers keep copies. */
  cached: { ...MERGING, read: 60 },
} satisfies Record<string, { readonly [kind in Kind]?: number }>;

export const disciplines = Object.keys(WEIGHTS) as Discipline[];

/**
 * Browsers that do what comes to their minds, several things at once, for as long as `goesOn` says, which hears how much
 * they have done. Resolves to all of that.
 */
export async function crowd(options: CrowdOptions, goesOn: (operations: number) => boolean): Promise<Operation[]> {
  const operations: Operation[] = [];
  const users = Array.from({ length: options.browsers }, (_, number) => user(options, number, operations, goesOn));
  await Promise.all(users);
  return operations;
}

async function user(
  { seed, discipline, ports, crowd }: CrowdOptions,
  number: number,
  operations: Operation[],
  goesOn: (operations: number) => boolean,
): Promise<void> {
  const random = randomFrom(seed, crowd * 1000 + number);
  const browser = new Browser(`${crowd}-${number}`, ports, random, (operation) => operations.push(operation));
  // Two browsers of one person, who can be logged out everywhere.
  const owner = `owner ${crowd}-${number >> 1}`;
  const tags: string[] = [];

  async function act(): Promise<void> {
    const kind = random.weighted<Kind>(WEIGHTS[discipline]);
    const ask: Omit<Ask, "name"> = {
      kind,
      mode: modeOf(kind, discipline, random),
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

  while (goesOn(operations.length)) {
    await Promise.all(Array.from({ length: burst(random) }, act));
    if (random() < 0.004) browser.restart();
    if (random() < 0.3) await sleep(random.between(0, 20));
  }
}

function modeOf(kind: Kind, discipline: Discipline, random: Random): Ask["mode"] {
  if (kind === "serial") return "exclusive";
  if (kind === "revoke") return "none";
  if (kind === "read") return random() < 0.7 ? "readonly" : "merge";
  // Those that merge wait for those that don't.
  return discipline === "exclusive" && random() < 0.3 ? "exclusive" : "merge";
}

function burst(random: Random): number {
  const luck = random();
  if (luck < 0.01) return 20;
  return luck < 0.4 ? random.between(2, 6) : 1;
}
