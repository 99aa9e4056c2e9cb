// The types of the session that an application sees, and of the modes in which a request opens it.

import type { Duration } from "./util/duration.ts";

/**
 * How a request uses its session.
 * - `merge`: in parallel with other requests. What they change at the same time is merged, key by key.
 * - `exclusive`: alone. Other exclusive requests wait until it has committed, first come, first served. So do the commits
 *   of requests that merge. For code that reads several keys and writes what follows from all of them.
 * - `readonly`: without changing it. It never waits for other requests.
 */
export type Mode = (typeof MODES)[number];

export const MODES = ["merge", "exclusive", "readonly"] as const;

/** A callback as those of express-session: it gets the error, if there is one. */
export type SessionCallback = (error?: unknown) => void;

/** A cookie to set, by its parts, with the names that `cookies().set` of Next.js and the package `cookie` use. */
export interface CookieParts {
  name: string;
  value: string;
  path: string;
  httpOnly: boolean;
  secure: boolean;
  sameSite: "lax" | "strict" | "none";
  domain?: string;
  /** In seconds. 0 removes the cookie. */
  maxAge?: number;
  partitioned?: boolean;
}

/** A header to set, by which a client without cookies gets its ticket. */
export interface TicketHeader {
  readonly name: string;
  /** The new ticket, or an empty text: the session has ended. Undefined: the client's ticket stays as it is. */
  readonly value: string | undefined;
}

/** The lifetime of one session. */
export interface PersistOptions {
  /** The session ends when no request uses it for this long. */
  idleTimeout: Duration;
  /** The session ends this long after its owner was last authenticated, or after it began. Default: as `idleTimeout`. */
  absoluteTimeout?: Duration;
}

/** An owner with a security stamp: a text that changes with the password, such as a version or a hash of the user's row. */
export interface OwnerWithStamp {
  readonly id: string;
  readonly stamp: string;
}

/** What a session knows of its client: what the application decides to keep. */
export interface SessionClient {
  /** A name that a user recognizes. */
  readonly label?: string;
  readonly address?: string;
  readonly userAgent?: string;
}

/** What a request may bring along against cross-site request forgery. */
export interface CsrfOptions {
  /** The request's form or JSON as the framework has parsed it, with the token as `_csrf`. The header `X-CSRF-Token` goes over it. */
  body?: unknown;
  /** The query as the framework has parsed it, for forms whose body is parsed later. */
  query?: unknown;
  /** Origins of other pages that may send requests: `["https://www.example.com"]`. Default: only pages of this host. */
  origins?: readonly string[];
}

/** How a key is set. */
export interface SetOptions {
  /**
   * The key is removed after this time, and before the session ends: a code, a token. To change the value in place, or by
   * `update`, keeps its end; to set it again without `ttl` gives it none. Default: as long as the session.
   */
  ttl?: Duration;
}

/** Until when a value that `once` has made is good: exactly one of the two. */
export type OnceOptions<Value = unknown> =
  | {
      /** For this long after it was made. A value that was set in another way is not fresh. */
      ttl: Duration;
      isFresh?: never;
    }
  | {
      /** As long as this is true, however the value was set. For a value that knows its own end, such as a token. */
      isFresh: (value: Value) => boolean;
      ttl?: never;
    };

/** How `regenerate` moves a session to its new ticket. */
export interface RegenerateOptions<Data extends object = Record<string, unknown>> {
  /**
   * Of the keys that the session had before this request, only these stay: `["cart"]`. What the request itself has set stays,
   * too. It also brings back what the change of `owner` from one user to another has cleared. Default: all of them.
   */
  keep?: readonly (keyof Data & string)[];
}

/** One of the accounts that a browser is signed in to. */
export interface BrowserAccount<Data extends object = Record<string, unknown>> {
  /** The public id of its session. */
  readonly id: string;
  readonly owner: string | undefined;
  /** True for the one that the request belongs to. */
  readonly isActive: boolean;
  /** When its session ends if no request comes, in milliseconds since 1970. */
  readonly expiresAt: number;
  readonly client: SessionClient | undefined;
  /** The session's keys, as they are in the store. */
  readonly data: Readonly<Partial<Data>>;
}

/**
 * The accounts of one browser: each has a session of its own, and one of them is active. What is changed here is so from
 * the next request on; this one keeps its session.
 */
export interface BrowserAccounts<Data extends object = Record<string, unknown>> {
  /** All of them, the active one first. Reading does not extend their lives. @throws StoreError */
  list(): Promise<BrowserAccount<Data>[]>;
  /**
   * Sets this session aside: the next request has none, for another login.
   * @throws CoatcheckError, status 409, if the browser holds ten accounts.
   */
  add(): void;
  /** Makes another account active, and sets this session aside. False: this browser has no such account, or not any more. */
  switchTo(id: string): Promise<boolean>;
  /**
   * Ends the session of one account. If it is the active one, nobody is active then: `switchTo` makes another so. False: this
   * browser has no such account, or not any more.
   */
  end(id: string): Promise<boolean>;
  /** Ends the sessions of all accounts. */
  endAll(): Promise<void>;
}

/** One request's view of its user's session. */
export interface Session<Data extends object = Record<string, unknown>> {
  /** The session's keys as properties. A value that is changed in place is noticed and saved. */
  readonly data: Data;
  /** The value of a key, or its initial value, or undefined. */
  get<Key extends keyof Data & string>(key: Key): Data[Key] | undefined;
  /**
   * Sets a key. A value that can't be stored (functions, class instances) is refused on commit.
   * @throws OptionError if `ttl` is given and is no span.
   */
  set<Key extends keyof Data & string>(key: Key, value: Data[Key], options?: SetOptions): void;
  /** True if the key is in the session. */
  has(key: keyof Data & string): boolean;
  /** Removes a key. */
  delete(key: keyof Data & string): void;
  /** The keys in the session. */
  keys(): (keyof Data & string)[];
  /** Removes every key; owner and ticket stay. */
  clear(): void;
  /**
   * Sets a key to what `update` makes of its value, and returns that. If another request changes the key meanwhile,
   * `update` runs again on the newer value: no increment is lost. It may run several times, so it must do nothing else.
   */
  update<Key extends keyof Data & string>(key: Key, update: (value: Data[Key] | undefined) => Data[Key]): Data[Key];
  /**
   * The key's value if it is fresh. Else one of all parallel requests on all servers runs `make`, with the former value, and
   * the others wait for its result, at most `exclusive.maxWait`. What it makes is stored before this resolves, whatever
   * becomes of the request. If `make` throws, its caller gets the error, and the next request tries again.
   *
   * A lease in the session holds the others off (`exclusive.lease`, renewed until `exclusive.maxHold`). If its server is
   * killed, another one takes over: `make` then runs a second time with the same former value.
   * @param make must not wait for this session's `regenerate`, which waits for it.
   * @throws LockTimeoutError, StoreError, OptionError, CapabilityError with `sealedCookie()`; what `make` throws; a
   * ValueNotStoredError, which has the value, if it was made and can't be kept; a CoatcheckError if the session has ended.
   */
  once<Key extends keyof Data & string>(
    key: Key,
    make: (former: Data[Key] | undefined) => Exclude<Data[Key], undefined> | Promise<Exclude<Data[Key], undefined>>,
    options: OnceOptions<Exclude<Data[Key], undefined>>,
  ): Promise<Exclude<Data[Key], undefined>>;
  /** Leaves a message for the next request that reads it. */
  flash(key: string, value: unknown): void;
  /** Reads and removes the message: the next call returns undefined. */
  flash(key: string): unknown;

  /**
   * The user's id, for `sessions.list` and `sessions.revokeAll`. It is sealed like the data, and the store sees a hash.
   * Setting it keeps the data of a session that had no owner, such as a cart. Where it was another user's, the data is
   * cleared: set the owner first, and then what belongs to the new one.
   * With a security stamp, `{ id, stamp }`: the session lives as long as the owner has this stamp. See `sessions.stamp`.
   * `save`, `regenerate` or `commit` then throw a StaleStampError if the stamp has changed, and with `maxPerOwner` a
   * TooManySessionsError if the login is refused.
   * @throws UnstorableValueError unless each of them is a text of 1 to 1,024 bytes.
   * @throws CapabilityError with a stamp, if the browser carries the session.
   */
  get owner(): string | undefined;
  set owner(owner: string | OwnerWithStamp | undefined);
  /** When the owner was last authenticated, in milliseconds since 1970: when `owner` was set, or by `reauthenticated`. */
  readonly authenticatedAt: number | undefined;
  /**
   * Call it when the owner has just proven again who they are: `authenticatedAt` is now, and both timeouts begin again. To set
   * `owner` to the id that it has already does not count.
   * @throws CoatcheckError if the session has no owner.
   */
  reauthenticated(): void;
  /** True if the owner was authenticated within this time. For what needs more than a session: a payment, a new password. */
  isFresh(maxAge: Duration): boolean;
  /** The same as a check. @throws ReauthenticationError, answered 401, unless the owner was authenticated within this time. */
  requireFresh(maxAge: Duration): void;
  /**
   * A token for forms and scripts of this session's pages, for browsers that do not say where a request comes from. Each call
   * gives another text, all of them are good until the session gets a new ticket. A new session is stored for it.
   */
  csrfToken(): string;
  /**
   * Checks that the request comes from a page of this application. GET, HEAD and OPTIONS pass: they must not have effects. So
   * does a client that sends its ticket in a header. `Sec-Fetch-Site` decides, or `Origin`; where a browser sends neither, the
   * token does.
   * @throws CsrfError, answered 403.
   */
  checkCsrf(options?: CsrfOptions): void;
  /**
   * "Remember me": gives this session a lifetime of its own, and a cookie that stays when the browser closes. A single span
   * is its idle and its absolute timeout. Whatever the application's timeouts become, this session keeps its own. `false`:
   * the application's timeouts and cookie again.
   * @throws OptionError unless the spans are at least the application's `idleTimeout`.
   */
  persist(lifetime: Duration | PersistOptions | false): void;
  /**
   * What the application keeps of the client, for a list of devices: `{ label: "Firefox on Linux", address, userAgent }`. It is
   * sealed like the data, and stays when that is cleared. `undefined` removes it.
   * @throws UnstorableValueError unless each of them is a text of up to 1,024 bytes.
   */
  client: SessionClient | undefined;
  /**
   * The accounts of this browser, for applications in which a user switches between several.
   * @throws CapabilityError with `sealedCookie()`; CoatcheckError if the client has no cookies.
   */
  readonly accounts: BrowserAccounts<Data>;
  /** The public id, safe to log: the ticket can't be computed from it. `regenerate` changes it. */
  readonly id: string;
  /** True until the session is in the store. */
  readonly isNew: boolean;
  /** When the session began, in milliseconds since 1970. */
  readonly createdAt: number;
  /** When it ends if no request comes, in milliseconds since 1970. */
  readonly expiresAt: number;
  /**
   * True once this request has read or changed the session: its answer then depends on the user, and no shared cache may
   * keep it. The adapters send `Vary: Cookie` and `Cache-Control: private`.
   */
  readonly isUsed: boolean;

  /**
   * Writes the changes now, before the commit. False if the session has ended meanwhile: the changes are dropped.
   * @param callback for code written for express-session: called with the error, also if the session has ended.
   * @throws ConflictError, StoreError, SessionTooLargeError, UnstorableValueError
   */
  save(callback?: SessionCallback): Promise<boolean>;
  /** Drops this request's unsaved changes and reads the session again. False if it has ended. */
  reload(callback?: SessionCallback): Promise<boolean>;
  /**
   * Saves the session under a new ticket and ends the old one immediately. Call it when a user logs in or gains rights.
   * Of parallel calls one wins; the others get false, and their changes are dropped as for any ended session. A sealed cookie
   * can't end the old one: a copy of it opens the state that it has.
   * @param how which of the former keys stay; see `RegenerateOptions`. A callback is for code written for express-session,
   * such as Passport: with it the new session is empty and has no owner, as there.
   * @throws OptionError unless `keep` is a list of keys.
   */
  regenerate(how?: RegenerateOptions<Data> | SessionCallback): Promise<boolean>;
  /**
   * Ends the session immediately, for every request that still has it. A later write begins a new one. A sealed cookie is
   * cleared in this browser, and a copy of it stays valid until it expires.
   */
  destroy(callback?: SessionCallback): Promise<void>;
  /** Drops the changes that are not saved yet. */
  discard(): void;
  /**
   * Writes the changes and closes the session for writing. Returns the `Set-Cookie` values to send before the response
   * starts: synchronously if there is nothing to wait for, else as a promise. Either way `await` it.
   * @throws ConflictError, StoreError, SessionTooLargeError, UnstorableValueError
   */
  commit(): string[] | Promise<string[]>;
  /** The same, with the cookies by their parts, for frameworks that set them so. */
  commit(form: "parts"): CookieParts[] | Promise<CookieParts[]>;
  /**
   * After `commit`, the header to set on the response for a client that keeps no cookies. Undefined unless the option
   * `transport` is set.
   */
  readonly ticketHeader: TicketHeader | undefined;
}

/** A session as an adapter sees it. */
export interface AdapterSession<Data extends object = Record<string, unknown>> extends Session<Data> {
  /**
   * Gives what is left of the request another mode, as a route asks for. An exclusive session is read again under its
   * lock. Undefined: nothing has to be waited for.
   * @throws CoatcheckError if the request has written already; what taking the lock throws.
   */
  changeMode(mode: Mode): Promise<void> | undefined;
  /** As `checkCsrf`, before the body is parsed: true if a token has to decide. @throws CsrfError if the headers have decided against the request. */
  csrfTokenDecides(options?: Pick<CsrfOptions, "origins">): boolean;
  /** Commits leave the session open, for a connection that outlives its response. Later changes need `save`. */
  keepOpen(): void;
  /** True if a change in place after the commit has to be looked for. */
  readonly watchesLateChanges: boolean;
  /** Reports what was changed in place after the commit. Call it when the response has finished. */
  reportLateChanges(): void;
}

/**
 * Why a session has ended, as its connections know it. `ended`: it was destroyed or revoked. `replaced`: `regenerate` gave
 * it a new ticket; the browser has it, so it may connect again.
 */
export type LiveEnd = "ended" | "expired" | "replaced";

/** How a connection follows its session. */
export interface FollowOptions extends UseOptions {
  /**
   * True, or a function that gives true: the session's life is extended as long as the connection lasts. The function is
   * called before each extension. Default: false, so that an open page keeps nobody logged in.
   */
  keepAlive?: boolean | (() => boolean);
}

/** How a message uses its session. */
export interface UseOptions {
  /** Default: as the request that opened the connection. */
  mode?: Mode;
  /** False: the message does not extend the session's life, unless it changes the session. Default: true. */
  extend?: boolean;
  /** Saves the changes of a handler that throws. Default: false. */
  saveFailed?: boolean;
}

/** The session of a connection that outlives its request: a socket, or a stream of events. */
export interface LiveSession<Data extends object = Record<string, unknown>> {
  /** The public id. Undefined: there is no session. */
  readonly id: string | undefined;
  readonly owner: string | undefined;
  /** The session's keys as they are now, to be read. A change by any server is here within a second. */
  readonly data: Readonly<Data>;
  /** When it ends if no request comes, in milliseconds since 1970. */
  readonly expiresAt: number;
  /** Undefined while the session lives. */
  readonly ended: LiveEnd | undefined;
  /** Aborted when the session has ended, with a SessionEndedError. */
  readonly signal: AbortSignal;
  /**
   * Handles one message, as a request would be: opens the session, runs the handler, commits. If the handler throws, its
   * changes are dropped. A connection without a session has an empty one, which can't be changed: nothing could give the
   * browser its cookie. For the same reason `regenerate` throws. A promise that fails because the session has ended, or the
   * store is down, need not be handled: it does not end the process.
   * @throws SessionEndedError if the session has ended: the handler does not run. Also what opening and committing throw.
   */
  use<Result>(handler: (session: Session<Data>) => Result | Promise<Result>, options?: UseOptions): Promise<Result>;
  /** Reads the session now. False if it has ended. @throws StoreError */
  reload(): Promise<boolean>;
  /** Listens to the end. A session that has ended already calls it immediately. Returns a function that stops it. */
  on(name: "end", listener: (reason: LiveEnd) => void): () => void;
  /** Listens to changes of data and owner, by this server and others. Returns a function that stops it. */
  on(name: "change", listener: () => void): () => void;
  /** Follows the session no longer. Call it when the connection closes. `use` goes on working. */
  stop(): void;
}
