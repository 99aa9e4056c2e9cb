import { type Duration, milliseconds } from "../duration.ts";
import { OptionError } from "../errors.ts";
import type { SessionChange, SessionStore, StoredSession, Version } from "../store.ts";
import { Copies } from "../stores/copies.ts";
import { Announcements } from "./cached/announcements.ts";

export interface CachedOptions {
  /** The most bytes that copies may take in this process, with all that belongs to them. Default: 64 MiB (67108864). */
  maxBytes?: number;
  /**
   * How long a copy is good for. Must be given if the store announces no changes (`watch`): for so long, another server's
   * write or logout may not be seen here. Default with `watch`: until a change is announced.
   */
  maxAge?: Duration;
  /**
   * Called with false when the store's announcements don't come (any more): all copies go, and every read asks the store;
   * and with true when they come again. Default: a process warning says so.
   */
  onListening?: (listening: boolean) => void;
}

/** A call to the store whose answer may become the copy of its key. */
interface Pending {
  /** The version that it replaces, if it is an update: what is announced of that is no news. */
  readonly replaces: Version | undefined;
  /** The last change that was announced meanwhile. */
  announced: SessionChange | undefined;
}

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;
const REFUSALS: ReadonlySet<Version> = new Set(["conflict", "gone"]);

/**
 * Keeps copies of sessions in this process, in front of a store that several servers share: a read of a copy asks nobody.
 * Every write goes to the store, by compare-and-swap, so an old copy can cost a second try but never an update.
 *
 * Give it to every server of the farm: each lets the browser carry what it saw last, and asks the store if its copy is
 * older, so that a user's next request sees what the last one wrote, whichever server it reaches.
 *
 * @throws OptionError if `maxBytes` is not a positive number, or `maxAge` is missing.
 */
export function cached(store: SessionStore, options: CachedOptions = {}): SessionStore {
  const { maxBytes = DEFAULT_MAX_BYTES, onListening = warn } = options;
  if (typeof maxBytes !== "number" || !(maxBytes > 0)) {
    throw new OptionError("maxBytes", maxBytes, "give a number of bytes above 0.");
  }
  const maxAge = ageLimit(options.maxAge, store);

  const copies = new Copies(maxBytes);
  /** By key; of several calls for one key, the one that began last. */
  const pendings = new Map<string, Pending>();
  const announcements = store.watch && new Announcements(store, hear, turn);
  let told = true;

  function hear(change: SessionChange): void {
    const { key, version } = change;
    const pending = pendings.get(key);
    if (pending !== undefined && !isOneOf(version, pending.replaces)) pending.announced = change;
    const copy = copies.get(key);
    // This process's own writes are announced, too, and some only after the next.
    if (copy !== undefined && !isOneOf(version, copy.session.version, copy.replaces)) copies.delete(key);
  }

  function turn(listening: boolean): void {
    copies.clear();
    pendings.clear();
    if (listening === told) return;
    told = listening;
    onListening(listening);
  }

  function begin(key: string, replaces?: Version): Pending | undefined {
    if (announcements?.heard === false) return undefined;
    const pending: Pending = { replaces, announced: undefined };
    pendings.set(key, pending);
    return pending;
  }

  /** Ends it. True if what it brought may be kept: no newer call has begun, and nothing newer was announced. */
  function settle(key: string, pending: Pending | undefined, version: Version | undefined): boolean {
    if (pending === undefined || pendings.get(key) !== pending) return false;
    pendings.delete(key);
    return pending.announced === undefined || pending.announced.version === version;
  }

  function forget(key: string): void {
    copies.delete(key);
    pendings.delete(key);
  }

  function copyOf(key: string): StoredSession | undefined {
    const copy = copies.get(key);
    if (copy === undefined) return undefined;
    const now = Date.now();
    // A clock that was set back must not keep copies for longer.
    if (copy.session.expiresAt > now && Math.abs(now - copy.since) <= maxAge) return copy.session;
    copies.delete(key);
    return undefined;
  }

  /** Reads without a touch are walks through all sessions: their copies would drive out those that are in use. */
  async function refresh(key: string, touchUntil?: number): Promise<StoredSession | undefined> {
    forget(key);
    const since = Date.now();
    const pending = touchUntil === undefined ? undefined : begin(key);
    let found: StoredSession | undefined;
    let isNewest = false;
    try {
      found = await store.read(key, touchUntil);
    } finally {
      isNewest = settle(key, pending, found?.version);
    }
    return found !== undefined && isNewest ? copies.put(key, found, since) : found;
  }

  const cache: SessionStore = {
    ...(store.inProcess && { inProcess: true }),
    ...(store.withParts && { withParts: (wrap) => cached(store.withParts!(wrap), options) }),
    ...(store.atomic === false && { atomic: false }),
    // Time limits and the circuit breaker are for the store's answers; copies need neither.
    withParts: (wrap) => cached(wrap(store), options),
    read: async (key, touchUntil) => copyOf(key) ?? refresh(key, touchUntil),
    refresh,

    // Many are never used again. Those that are get their copy at the first read.
    create(key, session) {
      forget(key);
      return store.create(key, session);
    },

    /** Whatever becomes of it, the copy from before it goes. */
    async update(key, session, ifVersion) {
      const since = Date.now();
      const pending = begin(key, ifVersion);
      let version: Version | undefined;
      try {
        version = await store.update(key, session, ifVersion);
      } finally {
        const isNewest = settle(key, pending, version);
        if (version === undefined || !isNewest || REFUSALS.has(version)) forget(key);
        else copies.put(key, { ...session, version }, since, ifVersion);
      }
      return version;
    },

    async delete(key, ifVersion) {
      try {
        return await store.delete(key, ifVersion);
      } finally {
        forget(key);
      }
    },

    async touch(key, expiresAt) {
      const isThere = await store.touch(key, expiresAt);
      if (isThere) copies.get(key)?.extend(expiresAt);
      else forget(key);
      return isThere;
    },

    async close() {
      await announcements?.close();
      copies.clear();
      await store.close();
    },

    ...(store.list && { list: (query) => store.list!(query) }),
    ...(store.claimExpired && { claimExpired: (now, limit) => store.claimExpired!(now, limit) }),
    ...(store.watch && { watch: (listener, onListening) => store.watch!(listener, onListening) }),
  };
  return Object.defineProperty(cache, "atOnce", { value: { read: copyOf } });
}

/** False for an announcement without a version, which may be of any. */
function isOneOf(version: Version | undefined, ...known: (Version | undefined)[]): boolean {
  return version !== undefined && known.includes(version);
}

function ageLimit(maxAge: Duration | undefined, store: SessionStore): number {
  if (maxAge !== undefined) return milliseconds("maxAge", maxAge);
  if (store.watch) return Infinity;
  throw new OptionError(
    "maxAge",
    undefined,
    'this store does not announce changes, so say how old a copy may be, such as "5s"; or turn announcements on, where the store has such an option.',
  );
}

function warn(listening: boolean): void {
  process.emitWarning(
    listening
      ? "coatcheck: the store announces changes again: sessions are cached."
      : "coatcheck: the store's announcements don't come: no session is cached until they do.",
    { code: "COATCHECK_CACHED" },
  );
}
