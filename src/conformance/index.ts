// The entry point `coatcheck/conformance`: the test cases that every store must pass.

import { inspect } from "node:util";
import { createSessions } from "../index.ts";
import type { SessionStore } from "../store.ts";
import { checkNames, type OptionNames } from "../util/option-names.ts";
import { basics } from "./basics.ts";
import { claims } from "./claims.ts";
import { byLocalClock, clockOffset } from "./clock.ts";
import { core } from "./core.ts";
import { expiry } from "./expiry.ts";
import { type Case, type Data, type Kit, type Need, type Outage, same, that } from "./kit.ts";
import { outages } from "./outages.ts";
import { owners } from "./owners.ts";
import { processes } from "./processes.ts";
import { races } from "./races.ts";
import { values } from "./values.ts";
import { watching } from "./watching.ts";

export type { Need, Outage };

/** What the store can do, and what the suite may do to it. */
export interface Capabilities {
  /** True if all handles see the same data. False for a store whose data is in the handle. Default: true. */
  shared?: boolean;
  /** True: the store must have `list`. False: the cases for it are left out. Default: they run if the store has it. */
  list?: boolean;
  /** The same for `claimExpired`. */
  claimExpired?: boolean;
  /** The same for `watch`. */
  watch?: boolean;
  /** The same for `time`. A store on another machine should have it. */
  time?: boolean;
  /** The size of the largest value that the suite writes, in bytes. Default: 1 MiB (1048576). */
  maxValue?: number;
  /**
   * The URL of a module whose default export is `makeStore`. Enables the cases with several processes, each of which imports
   * the module. Its store must have the same data in every process. Default: these cases are left out.
   */
  processes?: string | URL;
  /** Stops and starts the store's server. Enables the cases with a server that is down. Default: they are left out. */
  outage?: Outage;
}

const NAMES: OptionNames<Capabilities> = {
  shared: "boolean",
  list: "boolean",
  claimExpired: "boolean",
  watch: "boolean",
  time: "boolean",
  maxValue: true,
  processes: true,
  outage: true,
};

/** A test with a name. `run` rejects with the rule that the store broke. It needs no `this`. */
export interface ConformanceCase {
  name: string;
  /** What the case needs besides the methods that every store has. */
  needs: readonly Need[];
  /**
   * Runs the case. If the store lacks the method that the case is about, `context.skip` is called. node:test and Vitest pass
   * such a context.
   */
  run(context?: { skip?(reason?: string): void }): Promise<void>;
}

const ABILITIES = ["list", "claimExpired", "watch", "time"] as const;
const ALL: Case[] = [
  ...basics,
  ...expiry,
  ...values,
  ...races,
  ...owners,
  ...claims,
  ...watching,
  ...core,
  ...processes,
  ...outages,
];

/**
 * The test cases that a session store must pass, for any test runner:
 * `for (const { name, run } of conformance(makeStore)) test(name, run)`.
 *
 * The cases use random keys, so existing data does not matter. They wait for real expiries, which takes some seconds. Run
 * them one after the other.
 *
 * @param makeStore makes another handle to the same data at each call, as another server of the farm would. The suite
 *   closes it.
 */
export function conformance(
  makeStore: () => SessionStore | Promise<SessionStore>,
  capabilities: Capabilities = {},
): ConformanceCase[] {
  checkNames("conformance()", capabilities, NAMES);
  let offset: Promise<number> | undefined;
  /** Measured once, by the first handle. */
  function offsetOf(store: SessionStore): Promise<number> {
    offset ??= clockOffset(store).catch((error) => {
      offset = undefined;
      throw error;
    });
    return offset;
  }
  const promised: Case[] = ABILITIES.filter((ability) => capabilities[ability]).map((ability) => ({
    name: `shape: has ${ability}(), as promised`,
    async run(kit) {
      const store = await kit.open();
      same(typeof store[ability], "function", `capabilities.${ability} is true, but the store has no such method.`);
    },
  }));
  return [...promised, ...ALL]
    .filter(({ needs = [] }) => needs.every((need) => wanted(need, capabilities)))
    .map(({ name, needs = [], run }) => ({
      name,
      needs,
      // No formal parameter: some runners would take it for a callback, and wait for its call.
      async run(...[context]) {
        const opened: { close(): Promise<void> }[] = [];
        const kit = kitFor(makeStore, offsetOf, capabilities, needs, opened);
        try {
          const absent = await missing(needs, kit);
          if (absent === undefined) await run(kit);
          else if (capabilities[absent])
            that(false, `capabilities.${absent} is true, but the store has no such method.`);
          else context?.skip?.(`the store has no ${absent}()`);
        } finally {
          await Promise.all(opened.map((one) => one.close()));
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
  offsetOf: (store: SessionStore) => Promise<number>,
  { shared = true, maxValue = 1_048_576, processes = "", outage }: Capabilities,
  needs: readonly Need[],
  opened: { close(): Promise<void> }[],
): Kit {
  let only: Promise<SessionStore> | undefined;
  async function make(): Promise<SessionStore> {
    const store = await makeStore();
    that(typeof store?.close === "function", `makeStore must give a store, not ${inspect(store)}.`);
    return store;
  }
  async function open(): Promise<SessionStore> {
    const store = await make();
    opened.push(store);
    const offset = store.time === undefined ? 0 : await offsetOf(store);
    return withFreshReads(byLocalClock(store, offset), () => opened.length > 1 || needs.includes("processes"));
  }
  return {
    maxValue,
    processes: String(processes),
    outage: { stop: () => Promise.resolve(), start: () => Promise.resolve(), within: 15_000, ...outage },
    open() {
      if (shared) return open();
      only ??= open();
      return only;
    },
    async serve(options) {
      const sessions = createSessions<Data>({ store: await make(), secret: SECRET, sweepInterval: false, ...options });
      opened.push(sessions);
      return sessions;
    },
  };
}

const SECRET = "a secret of the conformance suite, which protects nothing";

/**
 * A store with a cache may give an older state while other handles write, so it is then read by `refresh`. With one handle,
 * cached reads must keep every rule.
 */
function withFreshReads(store: SessionStore, othersWrite: () => boolean): SessionStore {
  const { read, refresh } = store;
  if (refresh === undefined) return store;
  return Object.assign(store, {
    read: (key: string, touchUntil?: number) => (othersWrite() ? refresh : read).call(store, key, touchUntil),
  });
}
