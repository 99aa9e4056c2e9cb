import { setTimeout as sleep } from "node:timers/promises";
import type { SessionStore, StoredSession } from "../../src/index.ts";
import { memory } from "../../src/stores/memory.ts";
import { randomFrom } from "./random.ts";

/** How a store breaks its contract, now and then. */
export type Plant =
  /** Compare-and-swap does not compare. */
  | "no comparison"
  /** A read gives what was there before the last write. */
  | "stale cache"
  /** A write to a session that is gone brings it back. */
  | "revival by update"
  /** What was deleted comes back. */
  | "revival after delete"
  /** A write is acknowledged, and not done. */
  | "forgotten write"
  /** A read says that nothing is there. */
  | "false absence"
  /** A write is done twice, the second time over what came after it. */
  | "repeated write";

/** A store in memory with one fault, or with none. Like a database, it is used by several servers, which seal what it gets. */
export function planted(plant: Plant | undefined): SessionStore {
  const { inProcess: _, ...store } = memory();
  const random = randomFrom(1);
  const strikes = (what: Plant, share: number) => plant === what && random() < share;
  const previous = new Map<string, StoredSession>();

  return {
    ...store,

    async read(key, touchUntil) {
      if (strikes("false absence", 0.01)) return undefined;
      const old = previous.get(key);
      if (old !== undefined && strikes("stale cache", 0.1)) return old;
      const found = await store.read(key, touchUntil);
      // Others get in between.
      if (plant === "no comparison") await sleep(2);
      return found;
    },

    async update(key, session, ifVersion) {
      const before = await store.read(key);
      if (before === undefined && strikes("revival by update", 0.5)) return store.create(key, session);
      if (before !== undefined && strikes("no comparison", 0.7)) return store.update(key, session, before.version);
      if (before?.version === ifVersion && strikes("forgotten write", 0.05)) return ifVersion;
      const version = await store.update(key, session, ifVersion);
      if (before !== undefined) previous.set(key, before);
      if (strikes("repeated write", 0.1)) {
        setTimeout(async () => {
          const newer = await store.read(key);
          if (newer !== undefined) await store.update(key, session, newer.version);
        }, 20);
      }
      return version;
    },

    async delete(key, ifVersion) {
      const before = await store.read(key);
      const removed = await store.delete(key, ifVersion);
      if (removed && before !== undefined && strikes("revival after delete", 0.3)) {
        setTimeout(() => store.create(key, before), 5);
      }
      return removed;
    },
  };
}
