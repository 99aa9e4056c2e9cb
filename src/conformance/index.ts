import { inspect } from "node:util";
import type { SessionStore } from "../store.ts";
import { basics } from "./basics.ts";
import { claims } from "./claims.ts";
import { expiry } from "./expiry.ts";
import { type Case, type Kit, type Need, type Outage, same, that } from "./kit.ts";
import { outages } from "./outages.ts";
import { owners } from "./owners.ts";
import { processes } from "./processes.ts";
import { races } from "./races.ts";
import { values } from "./values.ts";
import { watching } from "./watching.ts";

export type { Need, Outage };

/** What the store promises, and what the suite may do to it. */
export interface Capabilities {
  /** Whether all handles see the same data. False for a store that keeps its data in the handle. Default: true. */
  shared?: boolean;
  /** Whether the store has `list`. True: it must; false: its cases are left out. Default: its cases run if it has. */
  list?: boolean;
  /** Whether the store has `claimExpired`; as `list`. */
  claimExpired?: boolean;
  /** Whether the store has `watch`; as `list`. */
  watch?: boolean;
  /** The size in bytes of the largest value to try. Default: 1 MiB. */
  maxValue?: number;
  /**
   * The URL of a module whose default export is `makeStore`: enables the cases with several processes.
   * Each process imports it, so it must find the same data there. Default: those cases are left out.
   */
  processes?: string | URL;
  /** Stops and starts the store's server: enables the cases with a server that is down. Default: they are left out. */
  outage?: Outage;
}

/** A named test. `run` rejects with the rule that the store broke. It needs no `this`. */
export interface ConformanceCase {
  name: string;
  /** What the case needs, besides the methods that every store has. */
  needs: readonly Need[];
  /**
   * Runs the case. `context.skip` is called when the store has not the ability that the case is about;
   * node:test and Vitest pass a context that has it.
   */
  run(context?: { skip?(reason?: string): void }): Promise<void>;
}

const ABILITIES = ["list", "claimExpired", "watch"] as const;
const ALL: Case[] = [
  ...basics,
  ...expiry,
  ...values,
  ...races,
  ...owners,
  ...claims,
  ...watching,
  ...processes,
  ...outages,
];

/**
 * The cases that a session store must pass, for any test runner:
 * `for (const { name, run } of conformance(makeStore)) test(name, run)`.
 *
 * The cases use random keys, so the data needs no cleaning, and wait for real expiries, so they take some seconds.
 * Run them one after the other.
 *
 * @param makeStore makes another handle onto the same data at each call, as another server of the farm has it.
 *   The suite closes it.
 */
export function conformance(
  makeStore: () => SessionStore | Promise<SessionStore>,
  capabilities: Capabilities = {},
): ConformanceCase[] {
  const promised: Case[] = ABILITIES.filter((ability) => capabilities[ability]).map((ability) => ({
    name: `shape: has ${ability}(), as promised`,
    async run(kit) {
      const store = await kit.open();
      same(
        typeof store[ability],
        "function",
        `capabilities.${ability} promises a method that the store does not have.`,
      );
    },
  }));
  return [...promised, ...ALL]
    .filter(({ needs = [] }) => needs.every((need) => wanted(need, capabilities)))
    .map(({ name, needs = [], run }) => ({
      name,
      needs,
      // No formal parameter: some runners take one for a callback that they must wait for.
      async run(...[context]) {
        const opened: SessionStore[] = [];
        const kit = kitFor(makeStore, capabilities, needs, opened);
        try {
          const lacking = await missing(needs, kit);
          if (lacking === undefined) await run(kit);
          else if (capabilities[lacking])
            that(false, `capabilities.${lacking} promises a method that the store lacks.`);
          else context?.skip?.(`the store has no ${lacking}()`);
        } finally {
          await Promise.all(opened.map((store) => store.close()));
        }
      },
    }));
}

function wanted(need: Need, { shared = true, ...capabilities }: Capabilities): boolean {
  if (need === "shared") return shared;
  if (need === "processes" || need === "outage") return capabilities[need] !== undefined;
  return capabilities[need] !== false;
}

async function missing(needs: Need[], kit: Kit): Promise<(typeof ABILITIES)[number] | undefined> {
  const abilities = ABILITIES.filter((ability) => needs.includes(ability));
  if (abilities.length === 0) return undefined;
  const store = await kit.open();
  return abilities.find((ability) => store[ability] === undefined);
}

function kitFor(
  makeStore: () => SessionStore | Promise<SessionStore>,
  { shared = true, maxValue = 1_048_576, processes = "", outage }: Capabilities,
  needs: readonly Need[],
  opened: SessionStore[],
): Kit {
  let only: Promise<SessionStore> | undefined;
  async function make(): Promise<SessionStore> {
    const store = await makeStore();
    that(typeof store?.close === "function", `makeStore must give a store, not ${inspect(store)}.`);
    opened.push(store);
    return pastCopies(store, () => opened.length > 1 || needs.includes("processes"));
  }
  return {
    maxValue,
    processes: String(processes),
    outage: { stop: () => Promise.resolve(), start: () => Promise.resolve(), within: 15_000, ...outage },
    open() {
      if (shared) return make();
      only ??= make();
      return only;
    },
  };
}

/**
 * A store that keeps copies may give a state of a moment ago once others write, too: it is then asked past them.
 * Alone, it has to keep every rule with its copies.
 */
function pastCopies(store: SessionStore, othersWrite: () => boolean): SessionStore {
  const { read, refresh } = store;
  if (refresh === undefined) return store;
  return Object.assign(store, {
    read: (key: string, touchUntil?: number) => (othersWrite() ? refresh : read).call(store, key, touchUntil),
  });
}
