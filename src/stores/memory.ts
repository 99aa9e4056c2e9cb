import { setImmediate } from "node:timers/promises";
import { OptionError } from "../errors.ts";
import type {
  ClaimedSession,
  SessionChange,
  SessionStore,
  SessionWrite,
  StoreAtOnce,
  StoredSession,
  Version,
} from "../store.ts";
import type { Ref } from "./memory/arena.ts";
import { Entries } from "./memory/entries.ts";

export interface MemoryOptions {
  /** The most sessions to keep; past it, the least recently used goes. Default: no limit. */
  maxSessions?: number;
  /** The most bytes of session values to keep; past it, the least recently used goes. Default: no limit. */
  maxBytes?: number;
}

/**
 * Keeps sessions in this process: the fastest, and gone with the process. ASP.NET calls it InProc.
 *
 * @throws OptionError if a limit is not a positive number.
 */
export function memory(options: MemoryOptions = {}): SessionStore {
  const maxSessions = limit("maxSessions", options.maxSessions);
  const maxBytes = limit("maxBytes", options.maxBytes);
  const bounded = maxSessions < Infinity || maxBytes < Infinity;

  let entries = new Entries(bounded);
  const listeners = new Set<(change: SessionChange) => void>();
  let lastVersion = 0;

  function live(key: string, now: number): Ref {
    const ref = entries.find(key);
    return ref !== 0 && entries.expiresAt(ref) > now ? ref : 0;
  }

  function remove(ref: Ref): void {
    const key = listeners.size > 0 ? entries.key(ref) : "";
    entries.remove(ref);
    tell(key, "delete");
  }

  /** Removes from the front of the order of use what is over the limits, but never the last. */
  function keepLimits(): void {
    while (entries.count > maxSessions || entries.bytes > maxBytes) {
      if (entries.oldest === entries.newest) return;
      remove(entries.oldest);
    }
  }

  function tell(key: string, type: SessionChange["type"], version?: Version): void {
    for (const listener of listeners) listener(version === undefined ? { key, type } : { key, type, version });
  }

  const atOnce: Required<StoreAtOnce> = {
    read(key, touchUntil) {
      const now = Date.now();
      const ref = live(key, now);
      if (ref === 0) return undefined;
      if (touchUntil !== undefined) entries.expireAt(ref, touchUntil, now);
      if (bounded) entries.use(ref);
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
      keepLimits();
      tell(key, "write", version);
      return version;
    },

    update(key, session, ifVersion) {
      const now = Date.now();
      const ref = live(key, now);
      if (ref === 0) return "gone";
      if (entries.version(ref) !== ifVersion) return "conflict";
      const version = ++lastVersion;
      if (bounded) entries.use(ref);
      entries.replace(ref, key, session, version, now);
      keepLimits();
      tell(key, "write", version);
      return version;
    },
  };

  const store: SessionStore = {
    inProcess: true,
    read: async (key, touchUntil) => atOnce.read(key, touchUntil),
    create: async (key, session) => atOnce.create(key, session),
    update: async (key, session, ifVersion) => atOnce.update(key, session, ifVersion),

    async delete(key, ifVersion) {
      const ref = live(key, Date.now());
      if (ref === 0 || (ifVersion !== undefined && entries.version(ref) !== ifVersion)) return false;
      remove(ref);
      return true;
    },

    async touch(key, expiresAt) {
      const now = Date.now();
      const ref = live(key, now);
      if (ref === 0) return false;
      entries.expireAt(ref, expiresAt, now);
      return true;
    },

    async close() {
      entries = new Entries(bounded);
      listeners.clear();
    },

    async *list({ owner }) {
      for (const keys of owner === undefined ? entries.keys() : [entries.keysOf(owner)]) {
        for (const key of keys) {
          const ref = live(key, Date.now());
          if (ref === 0) continue;
          const { value: _, ...rest } = written(entries, ref);
          yield { key, ...rest };
        }
      }
    },

    async claimExpired(now, limit) {
      const claimed: ClaimedSession[] = [];
      let refiled = 0;
      for (const second of entries.due(now)) {
        for (let ref = entries.firstDue(second); ref !== 0; ref = entries.firstDue(second)) {
          if (claimed.length === limit) return claimed;
          if (entries.expiresAt(ref) > now) {
            entries.refile(ref, now);
            if (++refiled % REFILED_AT_ONCE === 0) await setImmediate();
          } else {
            claimed.push({ key: entries.key(ref), ...written(entries, ref) });
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
  return Object.defineProperty(store, "atOnce", { value: atOnce });
}

/** Sessions that were extended are filed anew by the sweep, half a millisecond's worth at a time. */
const REFILED_AT_ONCE = 1_000;

function written(entries: Entries, ref: Ref): SessionWrite {
  const value = entries.value(ref);
  const expiresAt = entries.expiresAt(ref);
  const owner = entries.owner(ref);
  return owner === undefined ? { value, expiresAt } : { value, expiresAt, owner };
}

function limit(option: string, value = Infinity): number {
  if (typeof value !== "number" || !(value > 0)) throw new OptionError(option, value, "give a number above 0.");
  return value;
}
