// The store contract: what every store does, and the helpers that all of them share.

/**
 * Opaque bytes under an opaque key, with a version and an expiry.
 *
 * A store knows nothing of cookies, encryption, locks, or of what is in a session: the core does all of that, once.
 * Every instant is in milliseconds since 1970 by the store's own clock: see `time`.
 *
 * Rules that hold for every method:
 * - A session whose `expiresAt` is in the past is not there, even if its bytes still are.
 * - A store that cannot be reached, or does not understand what it finds, throws. It never answers "not there" instead.
 * - Each method is atomic: concurrent callers, in any process, see it happen entirely or not at all.
 */
export interface SessionStore {
  /**
   * The session, or undefined when it is not there or has expired. Never undefined because the store is down.
   *
   * `touchUntil` allows the store to move the expiry on to that instant in the same round trip, if that costs nothing. It
   * never moves the expiry back.
   * A store that does so returns the new `expiresAt`. A store that does not returns the old one, and the core calls `touch`.
   */
  read(key: string, touchUntil?: number): Promise<StoredSession | undefined>;

  /**
   * Like `read`, but past any cache. A store that keeps a cache nearby has it, since its `read` may give the state of a
   * moment ago. The core then lets the browser carry the revision that it saw last, and calls `refresh` if `read` is older.
   */
  refresh?(key: string, touchUntil?: number): Promise<StoredSession | undefined>;

  /** Adds a session under a free key, and returns its version. `"exists"`: the key is taken, and nothing changes. */
  create(key: string, session: SessionWrite): Promise<Version | "exists">;

  /**
   * Compare-and-swap: replaces value, expiry and owner if the version is still `ifVersion`, and returns the new version.
   * `"conflict"`: another caller wrote. `"gone"`: it was deleted or has expired. Neither changes anything.
   */
  update(key: string, session: SessionWrite, ifVersion: Version): Promise<Version | "conflict" | "gone">;

  /** Removes the session; with `ifVersion`, only if it still has that version. True for exactly one caller. */
  delete(key: string, ifVersion?: Version): Promise<boolean>;

  /**
   * Moves the expiry to exactly this instant, later or earlier, and leaves value and version alone. False if the session is
   * gone: a touch never brings it back.
   */
  touch(key: string, expiresAt: number): Promise<boolean>;

  /** Frees what the store opened. A client that was handed in stays open. */
  close(): Promise<void>;

  /**
   * The present by the store's clock, in milliseconds since 1970. A store on another machine has it, so that expiries do not
   * depend on the clocks of servers. Without it, the store's clock is this process's, `Date.now()`.
   */
  time?(): Promise<number>;

  /** What people call the store, such as `"redis"`, for the console. Default: `"store"`. */
  readonly name?: string;

  /**
   * True if the bytes never leave this process. The core then needs no secret, seals nothing, and leaves out time limits
   * and retries.
   */
  readonly inProcess?: true;

  /** True if the browser carries the session in its cookie. The core then makes a store for each request. */
  readonly inCookie?: true;

  /**
   * The methods that the store can also do without promises, because sessions or cached entries are in this process, or in
   * a file of this machine. A request is then answered in the turn of the event loop in which it came. Not enumerable, so
   * that `{ ...store, update }` drops it and is not bypassed: see `withSync`.
   */
  readonly sync?: SyncStore;

  /**
   * False if the store has no compare-and-swap of its own, so that between processes the last writer wins. The core then
   * reports each change that was written without it.
   */
  readonly atomic?: false;

  /** Live sessions, all or those of one owner, in no particular order. May miss sessions that begin while it runs. */
  list?(query: { owner?: string }): AsyncIterable<SessionEntry>;

  /**
   * Removes at most `limit` sessions that expired before `now`, an instant of the store's clock, and returns each to exactly one caller. If it fails after it
   * has removed some, it returns those: no other call will.
   */
  claimExpired?(now: number, limit: number): Promise<ClaimedSession[]>;

  /**
   * Reports changes by every process, this one included. The start of a session need not be reported, as nobody can have
   * seen it before. Resolves when it is listening; the result stops it. `onListening` is called with false when the
   * subscription is lost, after which changes may be missed, and with true when it is there again.
   */
  watch?(
    listener: (change: SessionChange) => void,
    onListening?: (listening: boolean) => void,
  ): Promise<() => Promise<void>>;

  /**
   * The same store with `wrap(part)` in place of each part. A store that is made of others has it, so that the core can put
   * time limits, retries and a circuit breaker around each part. `wrap` returns the same result for the same part.
   */
  withParts?(wrap: (part: SessionStore) => SessionStore): SessionStore;
}

/** Synchronous methods: all three, or `read` alone where only cached entries are near. */
export type SyncStore = SyncReadWriteStore | SyncReadStore;

export interface SyncReadStore {
  /** As the method of the store. Undefined also if the answer has to be waited for. */
  read(key: string, touchUntil?: number): StoredSession | undefined;
  readonly create?: never;
  readonly update?: never;
}

export interface SyncReadWriteStore extends Pick<SyncReadStore, "read"> {
  /** As the method of the store. */
  create(key: string, session: SessionWrite): Version | "exists";
  /** As the method of the store. */
  update(key: string, session: SessionWrite, ifVersion: Version): Version | "conflict" | "gone";
}

/**
 * Identifies one state of one session. Equal versions of a key mean equal bytes; a version means nothing else.
 * The words `"exists"`, `"conflict"` and `"gone"` are never versions.
 */
export type Version = number | string;

export interface SessionWrite {
  /** The sealed record. Any bytes, from none to the store's limit. */
  value: Uint8Array;
  /** When the session ends, in milliseconds since 1970. */
  expiresAt: number;
  /** An opaque name for the session's owner, for `list`. Undefined: no owner, and an earlier one is removed. */
  owner?: string;
  /** What the value was sealed from, for a store that keeps a cache: `SessionCopy.keep` takes it. Never stored. */
  opened?: OpenedSession;
}

export interface StoredSession extends SessionWrite {
  version: Version;
  /** Set on a cached entry. */
  copy?: SessionCopy;
}

/**
 * Keeps the opened value with a cached entry, so that it is opened once and not for each request. It goes with the entry:
 * a newer value has another one.
 */
export interface SessionCopy {
  readonly opened: OpenedSession | undefined;
  /** Keeps it. Its bytes count for the size of the cache. */
  keep(opened: OpenedSession): void;
}

/** An opened value. Only the core looks into it. */
export interface OpenedSession {
  readonly bytes: Uint8Array;
  /** The same, to be kept in memory: its bytes are no part of a larger buffer. */
  detached(): OpenedSession;
}

/** A session that `claimExpired` removed. */
export interface ClaimedSession extends SessionWrite {
  key: string;
}

/** A live session, as `list` reports it. */
export interface SessionEntry {
  key: string;
  expiresAt: number;
  owner?: string;
}

/** A change that `watch` reports. `version` is there for a write, if the store knows it. */
export interface SessionChange {
  key: string;
  type: "write" | "delete";
  version?: Version;
}

/** The same with its owner. Undefined or null, as databases have it: no owner. */
export function withOwner<Content extends object>(
  content: Content,
  owner: string | null | undefined,
): Content & { owner?: string } {
  return owner === undefined || owner === null ? content : { ...content, owner };
}

/**
 * Gives the store its `sync`, if there is one. It is not enumerable, so that `{ ...store, update }` drops it and is not
 * bypassed.
 */
export function withSync<Store extends SessionStore>(store: Store, sync: SyncStore | undefined): Store {
  return sync === undefined ? store : Object.defineProperty(store, "sync", { value: sync, enumerable: false });
}

/** Reads past any cache. */
export function readFresh(store: SessionStore, key: string, touchUntil?: number): Promise<StoredSession | undefined> {
  return store.refresh ? store.refresh(key, touchUntil) : store.read(key, touchUntil);
}

/**
 * Returns the sessions that `claim` has added to the list, also if it then fails: a removed session has to be returned,
 * whatever becomes of the rest.
 */
export async function collectClaimed(claim: (claimed: ClaimedSession[]) => Promise<void>): Promise<ClaimedSession[]> {
  const claimed: ClaimedSession[] = [];
  try {
    await claim(claimed);
  } catch (error) {
    if (claimed.length === 0) throw error;
  }
  return claimed;
}
