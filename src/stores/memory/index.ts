// The memory store.

import { setImmediate } from "node:timers/promises";
import { OptionError } from "../../errors.ts";
import {
  type ClaimedSession,
  type SessionChange,
  type SessionStore,
  type SessionWrite,
  type StoredSession,
  type SyncStore,
  type Version,
  withOwner,
  withSync,
} from "../../store.ts";
import { callListener } from "../../util/listeners.ts";
import { checkNames, type OptionNames } from "../../util/option-names.ts";
import type { Ref } from "./arena.ts";
import { Entries } from "./entries.ts";

export interface MemoryOptions {
  /** The most sessions to keep. Beyond it, the least recently used one is removed. Default: no limit. */
  maxSessions?: number;
  /**
   * The most bytes of session values to keep. Beyond it, the least recently used session is removed, but never the only one.
   * Default: no limit.
   */
  maxBytes?: number;
}

const NAMES: OptionNames<MemoryOptions> = { maxSessions: true, maxBytes: true };

/**
 * Keeps sessions in this process. It is the fastest store, and its sessions end with the process. ASP.NET calls it InProc.
 *
 * @throws OptionError if a limit is not a positive number.
 */
export function memory(options: MemoryOptions = {}): SessionStore {
  checkNames("memory()", options, NAMES);
  const maxSessions = limit("maxSessions", options.maxSessions);
  const maxBytes = limit("maxBytes", options.maxBytes);
  const isLimited = maxSessions < Infinity || maxBytes < Infinity;

  let entries = new Entries(isLimited);
  const listeners = new Set<(change: SessionChange) => void>();
  let lastVersion = 0;

  /** The entry, if its session has not expired. 0: there is none. */
  function findLive(key: string, now: number): Ref {
    const ref = entries.find(key);
    return ref !== 0 && entries.expiresAt(ref) > now ? ref : 0;
  }

  function remove(ref: Ref): void {
    const key = listeners.size > 0 ? entries.key(ref) : "";
    entries.remove(ref);
    notify(key, "delete");
  }

  /** Removes the least recently used sessions beyond the limits, but never the one that was used last. */
  function enforceLimits(): void {
    while (entries.count > maxSessions || entries.bytes > maxBytes) {
      if (entries.oldest === entries.newest) return;
      remove(entries.oldest);
    }
  }

  function notify(key: string, type: SessionChange["type"], version?: Version): void {
    if (listeners.size === 0) return;
    const change = version === undefined ? { key, type } : { key, type, version };
    for (const listener of listeners) callListener(listener, change);
  }

  const sync: Required<SyncStore> = {
    read(key, touchUntil) {
      const now = Date.now();
      const ref = findLive(key, now);
      if (ref === 0) return undefined;
      if (touchUntil !== undefined && touchUntil > entries.expiresAt(ref)) entries.expireAt(ref, touchUntil, now);
      if (isLimited) entries.use(ref);
      const session: StoredSession = {
        value: entries.value(ref),
        expiresAt: entries.expiresAt(ref),
        version: entries.version(ref),
      };
      const owner = entries.owner(ref);
      if (owner !== undefined) session.owner = owner;
      return session;
    },

    create(key, session) {
      const now = Date.now();
      const old = entries.find(key);
      if (old !== 0) {
        if (entries.expiresAt(old) > now) return "exists";
        remove(old);
      }
      const version = ++lastVersion;
      entries.add(key, session, version, now);
      enforceLimits();
      notify(key, "write", version);
      return version;
    },

    update(key, session, ifVersion) {
      const now = Date.now();
      const ref = findLive(key, now);
      if (ref === 0) return "gone";
      if (entries.version(ref) !== ifVersion) return "conflict";
      const version = ++lastVersion;
      if (isLimited) entries.use(ref);
      entries.replace(ref, key, session, version, now);
      enforceLimits();
      notify(key, "write", version);
      return version;
    },
  };

  const store: SessionStore = {
    name: "memory",
    inProcess: true,
    read: async (key, touchUntil) => sync.read(key, touchUntil),
    create: async (key, session) => sync.create(key, session),
    update: async (key, session, ifVersion) => sync.update(key, session, ifVersion),

    async delete(key, ifVersion) {
      const ref = findLive(key, Date.now());
      if (ref === 0 || (ifVersion !== undefined && entries.version(ref) !== ifVersion)) return false;
      remove(ref);
      return true;
    },

    async touch(key, expiresAt) {
      const now = Date.now();
      const ref = findLive(key, now);
      if (ref === 0) return false;
      entries.expireAt(ref, expiresAt, now);
      return true;
    },

    async close() {
      entries = new Entries(isLimited);
      listeners.clear();
    },

    async *list({ owner }) {
      for (const keys of owner === undefined ? entries.keys() : [entries.keysOf(owner)]) {
        for (const key of keys) {
          const ref = findLive(key, Date.now());
          if (ref === 0) continue;
          yield withOwner({ key, expiresAt: entries.expiresAt(ref) }, entries.owner(ref));
        }
      }
    },

    async claimExpired(now, limit) {
      const claimed: ClaimedSession[] = [];
      let rescheduled = 0;
      for (const second of entries.dueSeconds(now)) {
        for (let ref = entries.firstDue(second); ref !== 0; ref = entries.firstDue(second)) {
          if (claimed.length === limit) return claimed;
          if (entries.expiresAt(ref) > now) {
            entries.reschedule(ref, now);
            if (++rescheduled % RESCHEDULED_PER_TURN === 0) await setImmediate();
          } else {
            claimed.push({ key: entries.key(ref), ...contentOf(entries, ref) });
            remove(ref);
          }
        }
      }
      return claimed;
    },

    async watch(listener) {
      listeners.add(listener);
      return async () => void listeners.delete(listener);
    },
  };
  return withSync(store, sync);
}

/** A sweep reschedules this many extended sessions, which takes half a millisecond, and then lets requests run. */
const RESCHEDULED_PER_TURN = 1_000;

function contentOf(entries: Entries, ref: Ref): SessionWrite {
  return withOwner({ value: entries.value(ref), expiresAt: entries.expiresAt(ref) }, entries.owner(ref));
}

/** @throws OptionError if the limit is not a positive number. */
function limit(option: string, value = Infinity): number {
  if (typeof value !== "number" || !(value > 0)) throw new OptionError(option, value, "give a number above 0.");
  return value;
}
