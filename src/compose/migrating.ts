import { setTimeout as sleep } from "node:timers/promises";
import { CapabilityError, OptionError, StoreError } from "../errors.ts";
import type { SessionChange, SessionStore, Version } from "../store.ts";
import { type CopyOptions, type CopyProgress, copyAll } from "./migrating/copier.ts";
import { find, type Pair } from "./migrating/pair.ts";
import { isMarked } from "./migrating/record.ts";
import type { PartitionedStore } from "./partitioned.ts";
import { allHave, claimFromAll, closeAll, traits, watchAll } from "./parts.ts";
import { isTagged, tagged } from "./tagged.ts";

export type { CopyOptions, CopyProgress };

export interface MigratingOptions {
  /** The store that the farm has now. */
  from: SessionStore;
  /** The store that it is to have. */
  to: SessionStore;
  /**
   * `"prepare"`: sessions stay where they are, new ones go to `from`. It gets on with servers that have plain `from`, and
   * with those that move. `"move"`: sessions move to `to` when they are used, new ones go there. It gets on with servers
   * that prepare, and, once nothing is left in `from`, with those that have plain `to`. Default: `"move"`.
   */
  phase?: "prepare" | "move";
}

export interface MigratingStore extends SessionStore {
  /**
   * Moves what nobody uses, too: all that is in `from`. It may be ended at any moment and begun again, and run on several
   * servers at once. When it gives `left: 0`, and no server has plain `from` or prepares any more, the farm may go
   * over to plain `to`.
   *
   * @throws CapabilityError if `from` has no `list`.
   * @throws OptionError if the phase is `"prepare"`.
   */
  copy(options?: CopyOptions): Promise<CopyProgress>;
}

/**
 * Changes the store of a running farm: nobody is logged out, no write is lost, and what has ended stays ended.
 *
 * Each server goes through three restarts: `phase: "prepare"`, then `"move"`, then plain `to`; each when all servers have
 * taken the one before. The way back is the same with `from` and `to` swapped.
 *
 * Where both are `partitioned`, only sessions whose part is another one move; the others cost nothing more.
 *
 * @throws OptionError if a store is missing, both are the same, or the phase is unknown.
 */
export function migrating(options: MigratingOptions): MigratingStore {
  const { from, to, phase = "move" } = options ?? {};
  for (const [name, store] of Object.entries({ from, to })) {
    if (typeof store?.read !== "function") throw new OptionError(name, store, "give a store.");
  }
  if (from === to) throw new OptionError("to", to, "it is the same as from: give the store to change to.");
  if (phase !== "prepare" && phase !== "move") throw new OptionError("phase", phase, 'use "prepare", "move".');

  const move = phase === "move";
  const [source, target] = [tagged(from, "from"), tagged(to, "to")];
  const isShared = (key: string) => partOf(from, key) === partOf(to, key);
  const pair: Pair = move ? { home: target, other: source, isShared } : { home: source, other: target, isShared };
  const { home, other } = pair;
  const both = [source, target];

  const storeOf = (version: Version) => (isTagged(version, "from") ? source : target);
  const isAlive = async (key: string) => (await find(pair, key)) !== undefined;

  async function remove(key: string): Promise<boolean> {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const place = await find(pair, key);
      if (place === undefined) return false;
      if (await place.store.delete(key, place.session.version)) {
        // What a move that was under way has left. It counts for nothing, but a touch would find it.
        await (place.store === home ? other : home).delete(key).catch(() => {});
        return true;
      }
      if (attempt > 2) await sleep(Math.random() * attempt);
    }
    throw new StoreError(`coatcheck: session ${key} was changed ${MAX_ATTEMPTS} times while it was to be deleted`);
  }

  const result: MigratingStore = {
    ...traits(both),
    withParts: (wrap) => migrating({ from: wrap(from), to: wrap(to), phase }),

    async read(key, touchUntil) {
      return (await find(pair, key, { move, touchUntil }))?.session;
    },

    async create(key, session) {
      if (isShared(key)) return home.create(key, session);
      for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
        if ((await other.read(key)) && (await isAlive(key))) return "exists";
        const answer = await home.create(key, session);
        if (answer !== "exists" || (await isAlive(key))) return answer;
        // What is there was left behind by a move that was cut off.
        const left = await home.read(key);
        if (left !== undefined && isMarked(left.value)) await home.delete(key, left.version);
      }
      return "exists";
    },

    async update(key, session, ifVersion) {
      const answer = await storeOf(ifVersion).update(key, session, ifVersion);
      if (answer !== "conflict" && answer !== "gone") return answer;
      // It may have moved.
      return (await isAlive(key)) ? "conflict" : "gone";
    },

    async delete(key, ifVersion) {
      if (ifVersion !== undefined) return storeOf(ifVersion).delete(key, ifVersion);
      return isShared(key) ? home.delete(key) : remove(key);
    },

    async touch(key, expiresAt) {
      if (isShared(key)) return home.touch(key, expiresAt);
      // Both, since what is in one of them may be on its way from the other.
      const answers = await Promise.allSettled(both.map((store) => store.touch(key, expiresAt)));
      if (answers.some((answer) => answer.status === "fulfilled" && answer.value)) return true;
      for (const answer of answers) if (answer.status === "rejected") throw answer.reason;
      return false;
    },

    close: () => closeAll([from, to]),

    async copy(options) {
      if (!move) throw new OptionError("phase", phase, 'sessions are copied in phase "move".');
      if (source.list === undefined) throw new CapabilityError("copy()", "list");
      return copyAll(pair, options);
    },
  };
  if (allHave(both, "list")) {
    result.list = async function* (query) {
      // The store that sessions leave comes first: none passes by unseen.
      const seen = new Set<string>();
      for await (const entry of source.list!(query)) {
        if (isShared(entry.key)) continue;
        seen.add(entry.key);
        yield entry;
      }
      for await (const entry of target.list!(query)) if (!seen.has(entry.key)) yield entry;
    };
  }
  if (allHave(both, "claimExpired")) {
    result.claimExpired = async (now, limit) => {
      const claimed = await claimFromAll([target, source], now, limit);
      return claimed.filter(({ value }) => !isMarked(value));
    };
  }
  if (allHave(both, "watch")) {
    result.watch = async (listener, onListening) => {
      let stopped = false;
      /** What one store deletes may have gone to the other one. */
      async function tellOfDelete(change: SessionChange): Promise<void> {
        const moved = await isAlive(change.key).catch(() => true);
        if (!stopped) listener(moved ? { key: change.key, type: "write" } : change);
      }
      const stop = await watchAll(
        both,
        (change, store) => {
          if (!isShared(change.key)) {
            if (change.type === "delete") void tellOfDelete(change);
            else listener(change);
          } else if (store === home) listener(change);
        },
        onListening,
      );
      return async () => {
        stopped = true;
        await stop();
      };
    };
  }
  return result;
}

// Each is a change by somebody else.
const MAX_ATTEMPTS = 100;

/** The part of a partitioned store that the session lies in, or the store itself. */
function partOf(store: SessionStore & Partial<PartitionedStore>, key: string): SessionStore {
  return store.partOf ? partOf(store.partOf(key), key) : store;
}
