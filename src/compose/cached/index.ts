// The cached store: keeps sessions of a shared store in this process's memory.

import { channel } from "node:diagnostics_channel";
import { OptionError } from "../../errors.ts";
import { type SessionChange, type SessionStore, type StoredSession, type Version, withSync } from "../../store.ts";
import { SessionCache } from "../../stores/shared/session-cache.ts";
import { type Duration, milliseconds } from "../../util/duration.ts";
import { checkNames, type OptionNames } from "../../util/option-names.ts";
import { RemoteClock } from "../../util/remote-clock.ts";
import { ChangeFeed } from "./change-feed.ts";

export interface CachedOptions {
  /**
   * The most bytes that cached sessions may take in this process, with the overhead of each entry. Default: 64 MiB
   * (67108864).
   */
  maxBytes?: number;
  /**
   * How long a cached session may be served before the store is asked again. Required if the store does not announce changes
   * (`watch`): a write or logout on another server may then stay unseen here for this long. Default with `watch`: `"1m"`,
   * since a store that loses sessions, as by FLUSHALL, announces nothing.
   */
  maxAge?: Duration;
  /**
   * Called with false when the store's announcements stop or can't be had: the cache is emptied, and every read asks the
   * store. Called with true when they resume. Default: a process warning (`COATCHECK_CACHED`).
   */
  onListening?: (listening: boolean) => void;
}

const NAMES: OptionNames<CachedOptions> = { maxBytes: true, maxAge: true, onListening: true };

/** A pending call to the store whose result may become the cached entry of its key. */
interface PendingCall {
  /** The version that an update replaces. The announcement of that version may arrive late, and is not a newer change. */
  readonly replaces: Version | undefined;
  /** The last change that was announced during the call. */
  announced: SessionChange | undefined;
}

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;
const DEFAULT_MAX_AGE_MS = 60_000;
/** After all entries were dropped as doubtful, milliseconds until they may be dropped again for that reason. */
const MIN_DOUBT_INTERVAL_MS = 10_000;
/** Reports each read to telemetry: answered from this memory, or by the store. */
const cacheReads = channel("coatcheck:cacheRead");
/** A session with less time left may have expired in the store, whose clock is known to some milliseconds only. */
const MIN_TIME_LEFT_MS = 1_000;

/**
 * Caches sessions in this process, in front of a store that several servers share. A cached read makes no round trip.
 * Every write goes to the store by compare-and-swap, so a stale entry can cost a second attempt but never loses an update.
 *
 * Use it on every server of the farm. The browser carries the last revision that it saw, and a server whose entry is older
 * asks the store. A user's next request therefore sees what the last one wrote, on every server.
 *
 * @throws OptionError if `maxBytes` is not a positive number, or `maxAge` is required and missing.
 */
export function cached(store: SessionStore, options: CachedOptions = {}): SessionStore {
  if (typeof store?.read !== "function") throw new OptionError("store", store, "give a store.");
  checkNames("cached()", options, NAMES);
  const { maxBytes = DEFAULT_MAX_BYTES, onListening = warn } = options;
  if (typeof maxBytes !== "number" || !(maxBytes > 0)) {
    throw new OptionError("maxBytes", maxBytes, "give a number of bytes above 0.");
  }
  const maxAge = ageLimit(options.maxAge, store);

  const clock = store.time && new RemoteClock(() => store.time!());
  const cache = new SessionCache(maxBytes);
  /** By key. Of several calls for one key, only the one that began last is here. */
  const pendingCalls = new Map<string, PendingCall>();
  const changeFeed = store.watch && new ChangeFeed(store, applyChange, setListening);
  let isListening = true;
  let mayDoubtAt = 0;

  function applyChange(change: SessionChange): void {
    const { key, version } = change;
    const pending = pendingCalls.get(key);
    if (pending !== undefined && !isOneOf(version, pending.replaces)) pending.announced = change;
    const entry = cache.get(key);
    // This process's own writes are announced too, some of them only after the next write.
    if (entry !== undefined && !isOneOf(version, entry.session.version, entry.replaces)) cache.delete(key);
  }

  function setListening(listening: boolean): void {
    cache.clear();
    pendingCalls.clear();
    if (listening === isListening) return;
    isListening = listening;
    onListening(listening);
  }

  function beginCall(key: string, replaces?: Version): PendingCall | undefined {
    if (changeFeed?.isListening === false) return undefined;
    const pending: PendingCall = { replaces, announced: undefined };
    pendingCalls.set(key, pending);
    return pending;
  }

  /** True if the result may be cached: no later call has begun, and no other version was announced. */
  function endCall(key: string, pending: PendingCall | undefined, version: Version | undefined): boolean {
    if (pending === undefined || pendingCalls.get(key) !== pending) return false;
    pendingCalls.delete(key);
    return pending.announced === undefined || pending.announced.version === version;
  }

  function forget(key: string): void {
    cache.delete(key);
    pendingCalls.delete(key);
  }

  function timeLeft({ expiresAt }: StoredSession): number {
    return expiresAt - (clock === undefined ? Date.now() : clock.now());
  }

  /**
   * The store has no session where this server believed one to be, and none of its announcements said so: it has lost
   * sessions. So every entry is doubtful, and the store is asked for each.
   */
  function doubtAll(lost: StoredSession | undefined): void {
    if (changeFeed === undefined || lost === undefined || timeLeft(lost) < MIN_TIME_LEFT_MS) return;
    const now = performance.now();
    if (now < mayDoubtAt) return;
    mayDoubtAt = now + MIN_DOUBT_INTERVAL_MS;
    cache.clear();
    pendingCalls.clear();
  }

  /** The store says that the session is gone. */
  function markGone(key: string): void {
    const lost = cache.get(key)?.session; // an announced end has removed the entry
    forget(key);
    doubtAll(lost);
  }

  function readCached(key: string): StoredSession | undefined {
    const entry = cache.get(key);
    if (entry === undefined) return undefined;
    if (clock !== undefined) {
      if (!clock.isReady) return undefined;
      clock.ready(); // compares the clocks again when that is due
    }
    // The absolute difference, so that a clock that was set back does not prolong an entry's life.
    if (timeLeft(entry.session) <= 0 || Math.abs(Date.now() - entry.since) > maxAge) return undefined;
    if (cacheReads.hasSubscribers) cacheReads.publish({ hit: true });
    return entry.session;
  }

  /** A read without `touchUntil` walks through all sessions. Caching those would evict the sessions in use. */
  async function refresh(key: string, touchUntil?: number): Promise<StoredSession | undefined> {
    if (cacheReads.hasSubscribers) cacheReads.publish({ hit: false });
    const former = cache.get(key)?.session;
    forget(key);
    const since = Date.now();
    const pending = touchUntil === undefined ? undefined : beginCall(key);
    const comparing = clock?.ready()?.catch(() => {}); // until the clocks are compared, no entry is served
    let found: StoredSession | undefined;
    let isNewest = false;
    try {
      found = await store.read(key, touchUntil);
    } finally {
      isNewest = endCall(key, pending, found?.version);
    }
    if (found !== undefined && isNewest) found = cache.put(key, found, since);
    else if (found === undefined && isNewest && pending?.announced === undefined) doubtAll(former);
    if (comparing !== undefined) await comparing;
    return found;
  }

  const result: SessionStore = {
    ...(store.name !== undefined && { name: store.name }),
    ...(store.inProcess && { inProcess: true }),
    ...(store.atomic === false && { atomic: false }),
    // Time limits and the circuit breaker belong around the store's calls: a cached read needs neither.
    withParts: (wrap) => cached(wrap(store), options),
    read: async (key, touchUntil) => readCached(key) ?? refresh(key, touchUntil),
    refresh,

    // Not cached yet, since many sessions are never used again. The first read caches the others.
    create(key, session) {
      forget(key);
      return store.create(key, session);
    },

    /** Replaces the entry if the update succeeds, and drops it in every other case. */
    async update(key, session, ifVersion) {
      const since = Date.now();
      const pending = beginCall(key, ifVersion);
      let version: Version | undefined;
      try {
        version = await store.update(key, session, ifVersion);
      } finally {
        const isNewest = endCall(key, pending, version);
        if (version === "gone") markGone(key);
        else if (version === undefined || !isNewest || version === "conflict") forget(key);
        else cache.put(key, { ...session, version }, since, ifVersion);
      }
      return version;
    },

    async delete(key, ifVersion) {
      let wasThere = true;
      try {
        wasThere = await store.delete(key, ifVersion);
      } finally {
        if (wasThere || ifVersion !== undefined) forget(key);
        else markGone(key);
      }
      return wasThere;
    },

    async touch(key, expiresAt) {
      const isThere = await store.touch(key, expiresAt);
      if (isThere) cache.get(key)?.extend(expiresAt);
      else markGone(key);
      return isThere;
    },

    async close() {
      await changeFeed?.close();
      cache.clear();
      await store.close();
    },

    ...(store.time && { time: () => store.time!() }),
    ...(store.list && { list: (query) => store.list!(query) }),
    ...(store.claimExpired && { claimExpired: (now, limit) => store.claimExpired!(now, limit) }),
    ...(store.watch && { watch: (listener, onListening) => store.watch!(listener, onListening) }),
  };
  return withSync(result, { read: readCached });
}

/** False for an announcement without a version: it may be of any change. */
function isOneOf(version: Version | undefined, ...known: (Version | undefined)[]): boolean {
  return version !== undefined && known.includes(version);
}

function ageLimit(maxAge: Duration | undefined, store: SessionStore): number {
  if (maxAge !== undefined) return milliseconds("maxAge", maxAge);
  if (store.watch) return DEFAULT_MAX_AGE_MS;
  throw new OptionError(
    "maxAge",
    undefined,
    'this store does not announce changes. Give the longest time that a cached session may be served, such as "5s", or turn on the store\'s announcements if it has that option.',
  );
}

function warn(listening: boolean): void {
  process.emitWarning(
    listening
      ? "coatcheck: the store announces changes again, and sessions are cached again."
      : "coatcheck: the store's announcements of changes do not arrive, so no session is cached until they do. Check the store's connection.",
    { code: "COATCHECK_CACHED" },
  );
}
