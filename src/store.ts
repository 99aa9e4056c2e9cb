/**
 * The store contract: opaque bytes under an opaque key, with a version and an expiry.
 *
 * A store knows nothing of cookies, encryption, locks, or of what is in a session: the core does all of that, once.
 * Every instant is in milliseconds since 1970 by the caller's clock, as `Date.now()` gives it.
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
   * `touchUntil` allows the store to move the expiry to that instant in the same round trip, if that costs nothing.
   * A store that does so returns the new `expiresAt`; one that does not returns the old, and the core calls `touch`.
   */
  read(key: string, touchUntil?: number): Promise<StoredSession | undefined>;

  /**
   * Like `read`, but past any copy: there if the store keeps copies nearby, so that `read` may give a state of a moment
   * ago. The core then lets the browser carry the revision that it saw last, and asks again by this if `read` is older.
   */
  refresh?(key: string, touchUntil?: number): Promise<StoredSession | undefined>;

  /** Adds a session under a key that is free. Gives its version, or `"exists"` and changes nothing. */
  create(key: string, session: SessionWrite): Promise<Version | "exists">;

  /**
   * Compare-and-swap: replaces value, expiry and owner if the version is still `ifVersion`, and gives the new version.
   * `"conflict"`: somebody else wrote. `"gone"`: it was deleted or has expired. Neither changes anything.
   */
  update(key: string, session: SessionWrite, ifVersion: Version): Promise<Version | "conflict" | "gone">;

  /** Removes the session; with `ifVersion`, only if it still has that version. True for the one caller that removed it. */
  delete(key: string, ifVersion?: Version): Promise<boolean>;

  /** Moves the expiry, leaving value and version alone. False if the session is gone: a touch never brings it back. */
  touch(key: string, expiresAt: number): Promise<boolean>;

  /** Frees what the store opened. A client that was handed in stays open. */
  close(): Promise<void>;

  /**
   * True if the bytes never leave this process. The core then needs no secret, seals nothing,
   * and leaves out time limits and retries.
   */
  readonly inProcess?: true;

  /** True if the browser carries the session in its cookie, and each request's core keeps it while it runs. */
  readonly inCookie?: true;

  /**
   * What the store can do without promises, because sessions or copies of them are in this process, or a
   * file of this machine is read without waiting. A request is then
   * answered in the turn of the event loop in which it came. Not enumerable: who spreads the store into another one, and
   * replaces methods, must not be passed by.
   */
  readonly atOnce?: StoreAtOnce;

  /**
   * False if the store has no compare-and-swap of its own, so that between processes the last writer wins. The core then
   * reports each change that was written without it.
   */
  readonly atomic?: false;

  /** Live sessions, all or those of one owner, in no particular order. May miss sessions that begin while it runs. */
  list?(query: { owner?: string }): AsyncIterable<SessionEntry>;

  /**
   * Removes up to `limit` sessions that expired before `now` and hands each to exactly one caller. If it fails after it
   * has removed some, it gives those: nobody else will.
   */
  claimExpired?(now: number, limit: number): Promise<ClaimedSession[]>;

  /**
   * Reports changes made by anyone, this process included. It need not report that a session begins, as nobody can have
   * seen that one before. Resolves once it is listening; the result stops it.
   * `onListening` is told when the subscription is lost (false), after which changes may be missed, and when it is there
   * again (true).
   */
  watch?(
    listener: (change: SessionChange) => void,
    onListening?: (listening: boolean) => void,
  ): Promise<() => Promise<void>>;

  /**
   * There if this store is made of others: the same store with `wrap(part)` in place of each part. The core uses it to put
   * time limits, retries and a circuit breaker around each part instead of the whole. `wrap` gives the same for the same.
   */
  withParts?(wrap: (part: SessionStore) => SessionStore): SessionStore;
}

/** The same as the methods of these names. */
export interface StoreAtOnce {
  /** Undefined also if the answer has to be waited for. */
  read(key: string, touchUntil?: number): StoredSession | undefined;
  /** Not there where only copies are. */
  create?(key: string, session: SessionWrite): Version | "exists";
  update?(key: string, session: SessionWrite, ifVersion: Version): Version | "conflict" | "gone";
}

/**
 * What marks one state of one session. Equal versions of a key mean equal bytes; nothing else may be read out of it.
 * The words `"exists"`, `"conflict"` and `"gone"` are never versions.
 */
export type Version = number | string;

export interface SessionWrite {
  /** The sealed record. Any bytes, from none to the store's limit. */
  value: Uint8Array;
  /** When the session ends, in milliseconds since 1970. */
  expiresAt: number;
  /** An opaque name for the session's owner, for `list`. Left out: no owner, and an earlier one is removed. */
  owner?: string;
  /** What the value was sealed from, for a store that keeps copies: `SessionCopy.keep` takes it. Never stored. */
  opened?: OpenedSession;
}

export interface StoredSession extends SessionWrite {
  version: Version;
  /** Set on a copy that the store keeps nearby. */
  copy?: SessionCopy;
}

/**
 * A place beside a copy for what its value opens to, so that it is opened once and not for each request. It goes with
 * the copy: a newer value has another place.
 */
export interface SessionCopy {
  readonly opened: OpenedSession | undefined;
  /** Puts it there. Its bytes count for what copies may take. */
  keep(opened: OpenedSession): void;
}

/** A value as the core has it when it is open. Only the core looks into it. */
export interface OpenedSession {
  readonly bytes: Uint8Array;
  /** The same, to be kept: its bytes are no part of a larger buffer. */
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
