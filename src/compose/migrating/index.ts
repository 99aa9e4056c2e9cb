// The migrating store: changes the store of a running farm.

import { setTimeout as sleep } from "node:timers/promises";
import { CapabilityError, OptionError, StoreError } from "../../errors.ts";
import { readFresh, type SessionChange, type SessionStore, type Version } from "../../store.ts";
import { callListener } from "../../util/listeners.ts";
import { checkNames, type OptionNames } from "../../util/option-names.ts";
import { isSessionKey } from "../../util/side-records.ts";
import { haveClock, PartClocks } from "../part-clocks.ts";
import type { PartitionedStore } from "../partitioned/index.ts";
import { allHave, claimFromAll, closeAll, traits, watchAll } from "../parts.ts";
import { isScopedTo, scopedVersions } from "../scoped-versions.ts";
import { type CopyOptions, type CopyProgress, copyAll } from "./bulk-copy.ts";
import { isCopyOrMarker, stateOf } from "./markers.ts";
import { find, type StorePair } from "./move.ts";

export type { CopyOptions, CopyProgress };

export interface MigratingOptions {
  /** The store that the farm uses now. */
  from: SessionStore;
  /** The store that the farm is to use. */
  to: SessionStore;
  /**
   * - `"prepare"`: sessions stay where they are, and new ones are created in `from`. May run beside servers that use `from`
   *   alone, as long as no session has moved, and beside servers in phase `"move"`.
   * - `"move"`: a session moves to `to` when it is used, and new ones are created there. May run beside servers in phase
   *   `"prepare"`. Once `copy()` has given `left: 0` and no server prepares, it may run beside servers that use `to` alone.
   *
   * Default: `"move"`.
   */
  phase?: "prepare" | "move";
}

const NAMES: OptionNames<MigratingOptions> = { from: true, to: true, phase: true };

export interface MigratingStore extends SessionStore {
  /**
   * Moves every session that is still in `from`, used or not. It may be interrupted and started again at any moment, and may
   * run on several servers concurrently. When it gives `left: 0`, and no server uses `from` alone or is in phase `"prepare"`,
   * the servers may be restarted with `to` alone.
   *
   * @throws CapabilityError if `from` has no `list`.
   * @throws OptionError if the phase is `"prepare"`, or `perSecond` is not above 0.
   */
  copy(options?: CopyOptions): Promise<CopyProgress>;
}

/**
 * Changes the store of a running farm. No user is logged out, no write is lost, and no ended session comes back.
 *
 * Restart every server three times: with `phase: "prepare"`, then with `"move"`, then with `to` alone. Begin each round when
 * all servers have finished the one before. The way back is the same with `from` and `to` swapped.
 *
 * If both stores are `partitioned`, only the sessions whose partition changes are moved. The others cost no extra call.
 *
 * @throws OptionError if a store is missing, both are the same, or the phase is unknown.
 */
export function migrating(options: MigratingOptions): MigratingStore {
  checkNames("migrating()", options, NAMES);
  const { from, to, phase = "move" } = options;
  for (const [name, store] of Object.entries({ from, to })) {
    if (typeof store?.read !== "function") throw new OptionError(name, store, "give a store.");
  }
  if (from === to) throw new OptionError("to", to, "it is the same store as from: give the store to change to.");
  if (phase !== "prepare" && phase !== "move") throw new OptionError("phase", phase, 'use "prepare" or "move".');

  const move = phase === "move";
  const [source, target] = [scopedVersions(from, "from"), scopedVersions(to, "to")];
  const isShared = (key: string) => partOf(from, key) === partOf(to, key);
  const pair: StorePair = move ? { home: target, other: source, isShared } : { home: source, other: target, isShared };
  const { home, other } = pair;
  const both = [source, target];

  const storeOf = (version: Version) => (isScopedTo(version, "from") ? source : target);
  const isAlive = async (key: string) => (await find(pair, key)) !== undefined;

  async function remove(key: string): Promise<boolean> {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const located = await find(pair, key);
      if (located === undefined) return false;
      if (await located.store.delete(key, located.session.version)) {
        // An interrupted move may have left a copy or a marker. It is not a session, but touch() would find it.
        await (located.store === home ? other : home).delete(key).catch(() => {});
        return true;
      }
      if (attempt > 2) await sleep(Math.random() * attempt);
    }
    throw new StoreError(
      `coatcheck: session ${key} was not deleted: other callers changed it during each of ${MAX_ATTEMPTS} attempts. Try again.`,
    );
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
        // No two servers create one session, whose key is random. What is kept beside sessions may begin in both stores at once.
        if (answer !== "exists" && !isSessionKey(key) && (await isSessionIn(other, key))) {
          await home.delete(key, answer);
          return "exists";
        }
        if (answer !== "exists" || (await isAlive(key))) return answer;
        // An interrupted move may have left a copy or a marker there.
        const leftover = await home.read(key);
        if (leftover !== undefined && isCopyOrMarker(leftover.value)) await home.delete(key, leftover.version);
      }
      return "exists";
    },

    async update(key, session, ifVersion) {
      const answer = await storeOf(ifVersion).update(key, session, ifVersion);
      if (answer !== "conflict" && answer !== "gone") return answer;
      // The session may have moved to the other store.
      return (await isAlive(key)) ? "conflict" : "gone";
    },

    async delete(key, ifVersion) {
      if (ifVersion !== undefined) return storeOf(ifVersion).delete(key, ifVersion);
      return isShared(key) ? home.delete(key) : remove(key);
    },

    async touch(key, expiresAt) {
      if (isShared(key)) return home.touch(key, expiresAt);
      // In both stores, since the session may be moving from one to the other.
      const answers = await Promise.allSettled(both.map((store) => store.touch(key, expiresAt)));
      if (answers.some((answer) => answer.status === "fulfilled" && answer.value)) return true;
      for (const answer of answers) if (answer.status === "rejected") throw answer.reason;
      return false;
    },

    close: () => closeAll([from, to]),

    async copy(options) {
      if (!move) throw new OptionError("phase", phase, 'copy() needs the phase "move".');
      if (source.list === undefined) throw new CapabilityError("copy()", "list");
      return copyAll(pair, options);
    },
  };
  if (haveClock(both)) {
    const clocks = new PartClocks("migrating", [home, other]);
    result.time = () => clocks.time();
  }
  if (allHave(both, "list")) {
    result.list = async function* (query) {
      // The source comes first, so that a session that moves meanwhile is not missed.
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
      return claimed.filter(({ value }) => !isCopyOrMarker(value));
    };
  }
  if (allHave(both, "watch")) {
    result.watch = async (listener, onListening) => {
      let isStopped = false;
      /** Reports a delete as a write if the session has moved to the other store. */
      async function reportDelete(change: SessionChange): Promise<void> {
        const hasMoved = await isAlive(change.key).catch(() => true);
        if (!isStopped) callListener(listener, hasMoved ? { key: change.key, type: "write" } : change);
      }
      const stop = await watchAll(
        both,
        (change, store) => {
          if (!isShared(change.key)) {
            if (change.type === "delete") void reportDelete(change);
            else listener(change);
          } else if (store === home) listener(change);
        },
        onListening,
      );
      return async () => {
        isStopped = true;
        await stop();
      };
    };
  }
  return result;
}

async function isSessionIn(store: SessionStore, key: string): Promise<boolean> {
  return stateOf(await readFresh(store, key)).kind === "session";
}

/** In each attempt, another caller has changed the session. */
const MAX_ATTEMPTS = 100;

/** The partition that the session is in, or the store itself if it is not partitioned. */
function partOf(store: SessionStore & Partial<PartitionedStore>, key: string): SessionStore {
  return store.partOf ? partOf(store.partOf(key), key) : store;
}
