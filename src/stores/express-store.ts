import { createHash } from "node:crypto";
import { EventEmitter } from "node:events";
import { createRequire } from "node:module";
import { type Duration, milliseconds } from "../duration.ts";
import { CoatcheckError, OptionError, StoreError } from "../errors.ts";
import type { SessionStore, SessionWrite, Version } from "../store.ts";
import { safeName } from "./safe-name.ts";
import { type LastWriterWins, onShelf } from "./shelf.ts";

/** What this file uses of a store that was written for express-session. */
export interface ForeignStore {
  get(sid: string, callback: (error?: unknown, session?: object | null) => void): unknown;
  set(sid: string, session: object, callback: (error?: unknown) => void): unknown;
  destroy(sid: string, callback: (error?: unknown) => void): unknown;
  all?(callback: (error?: unknown, sessions?: object[] | Record<string, object> | null) => void): unknown;
}

export interface FromExpressStoreOptions {
  /** The most time for one call of the store. Default: 5 seconds. */
  timeout?: Duration;
}

/**
 * Lets a store that was written for express-session keep coatcheck's sessions.
 *
 * Such stores can't compare and swap. In this process, calls for one session queue up, so nothing is lost; between
 * processes the last writer wins, and a write can bring back a session that another process has just ended. The store
 * says so with `atomic: false`. It has `list` if the other store has `all`, which reads every session for it, and no
 * `claimExpired`: the other store removes what ended, by the cookie's expiry that each session carries.
 *
 * @param store is used and never closed.
 * @throws OptionError if it is no such store.
 */
export function fromExpressStore(
  store: ForeignStore,
  { timeout = "5s" }: FromExpressStoreOptions = {},
): LastWriterWins {
  for (const method of ["get", "set", "destroy"] as const) {
    if (typeof store?.[method] !== "function") {
      throw new OptionError("store", store, `give a store for express-session; this one has no ${method}().`);
    }
  }
  return onShelf(
    {
      name: store.constructor?.name ?? "the store",

      async get(key) {
        const session = await called((done) => store.get(safeName(key), done)).catch(missing);
        if (session === undefined || session === null) return undefined;
        return (session as Envelope).coatcheck ?? session;
      },

      async set(key, record) {
        const envelope: Envelope = { cookie: cookieUntil(record.expiresAt), coatcheck: record };
        await called((done) => store.set(safeName(key), envelope, done));
      },

      async remove(key) {
        await called((done) => store.destroy(safeName(key), done));
      },

      ...(store.all && {
        async *all() {
          const sessions = await called<object[] | Record<string, object> | null>((done) => store.all!(done));
          yield Object.values(sessions ?? {}).map((session) => (session as Partial<Envelope>).coatcheck);
        },
      }),

      async close() {},
    },
    store,
    milliseconds("timeout", timeout),
  );
}

/** What the other store is given: a session whose cookie tells it when to forget, and our record. */
interface Envelope {
  cookie: object;
  coatcheck: unknown;
}

function cookieUntil(expiresAt: number): object {
  const expires = new Date(Math.min(expiresAt, 8.64e15));
  const cookie = { originalMaxAge: expires.getTime() - Date.now(), expires, httpOnly: true, path: "/" };
  // Some stores ask for this one. express-session's cookies compute it, and do not keep it.
  return Object.defineProperty(cookie, "maxAge", { get: () => expires.getTime() - Date.now(), enumerable: false });
}

/** The result of a call that may answer by callback, or reject a promise without ever calling back. */
function called<T>(call: (done: (error?: unknown, result?: T) => void) => unknown): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const returned = call((error, result) => (error ? reject(error) : resolve(result)));
    if (returned instanceof Promise) returned.catch(reject);
  });
}

/** express-session takes this error for "no such session", and some file stores give it. */
function missing(error: { code?: unknown } | undefined): undefined {
  if (error?.code !== "ENOENT") throw error;
}

export interface ToExpressStoreOptions {
  /** How long a session lives whose cookie has no end of its own. Default: 1 day. */
  ttl?: Duration;
  /** The package express-session, where it can't be found from here. Default: it is loaded when it is needed. */
  expressSession?: object;
}

interface ExpressClasses {
  Session: new (request: object, data: object) => object;
  Cookie: new (data: object) => ExpressData["cookie"];
}

type Done = (error?: unknown) => void;

/** A session as express-session gives it to its store. */
interface ExpressData {
  cookie: { expires?: Date | string | null; originalMaxAge?: number | null };
}

/** What express-session expects of its `store`. */
export interface ExpressStore extends EventEmitter {
  get(sid: string, callback: (error: unknown, session?: never) => void): void;
  set(sid: string, session: object, callback?: Done): void;
  destroy(sid: string, callback?: Done): void;
  touch(sid: string, session: object, callback?: Done): void;
  regenerate(request: object, callback: Done): void;
  load(sid: string, callback: (error: unknown, session?: never) => void): void;
  /** Gives the request's session. `never`, because its type is express-session's. */
  createSession(request: object, session: object): never;
  /** If the store has `list`. Reads every session. */
  all?(callback: (error: unknown, sessions?: never) => void): void;
  /** As `all`. */
  length?(callback: (error: unknown, length?: number) => void): void;
  /** As `all`. */
  clear?(callback?: Done): void;
}

/**
 * Lets a coatcheck store serve an application that stays on express-session: `session({ store: toExpressStore(…) })`.
 *
 * Sessions are stored as JSON, under the SHA-256 of their id, and are not encrypted: that is the core's work. As with
 * every express-session store, the last of two parallel requests wins. What is better: a request that still runs when its
 * session is destroyed does not bring it back.
 *
 * @param store for these sessions only. It is never closed.
 */
export function toExpressStore(store: SessionStore, options: ToExpressStoreOptions = {}): ExpressStore {
  return new StoreForExpress(store, options) as unknown as ExpressStore;
}

class StoreForExpress extends EventEmitter {
  readonly #store: SessionStore;
  readonly #ttl: number;
  #classes: ExpressClasses | undefined;
  /** The state that each session was loaded from or saved as. */
  readonly #versions = new WeakMap<object, Version>();
  readonly all: ((callback: (error: unknown, sessions?: object[]) => void) => void) | undefined;
  readonly length: ((callback: (error: unknown, length?: number) => void) => void) | undefined;
  readonly clear: ((callback?: Done) => void) | undefined;

  constructor(store: SessionStore, { ttl = "1d", expressSession }: ToExpressStoreOptions) {
    super();
    this.#store = store;
    this.#ttl = milliseconds("ttl", ttl);
    this.#classes = expressSession as ExpressClasses | undefined;
    if (store.list === undefined) return;
    this.all = (callback) => answer(this.#all(), callback);
    this.length = (callback) =>
      answer(
        this.#all().then((sessions) => sessions.length),
        callback,
      );
    this.clear = (callback) => answer(this.#clear(), callback);
  }

  get(sid: string, callback: (error: unknown, session?: object) => void): void {
    const load = async () => {
      const found = await this.#store.read(keyOf(sid));
      if (found === undefined) return undefined;
      const session = parsed(found.value);
      this.#versions.set(session, found.version);
      return session;
    };
    answer(load(), callback);
  }

  set(sid: string, session: ExpressData, callback?: Done): void {
    answer(this.#save(keyOf(sid), session), callback);
  }

  destroy(sid: string, callback?: Done): void {
    answer(
      this.#store.delete(keyOf(sid)).then(() => undefined),
      callback,
    );
  }

  touch(sid: string, session: ExpressData, callback?: Done): void {
    answer(
      this.#store.touch(keyOf(sid), this.#end(session)).then(() => undefined),
      callback,
    );
  }

  regenerate(request: { sessionID: string }, callback: Done): void {
    this.destroy(request.sessionID, (error) => {
      // express-session gives this method to its store.
      (this as unknown as { generate(request: object): void }).generate(request);
      callback(error);
    });
  }

  load(sid: string, callback: (error: unknown, session?: object) => void): void {
    this.get(sid, (error, session) => {
      if (error || session === undefined) return callback(error);
      callback(null, this.createSession({ sessionID: sid, sessionStore: this }, session as ExpressData));
    });
  }

  createSession(request: object, data: ExpressData): object {
    this.#classes ??= loadExpressSession();
    const { Session, Cookie } = this.#classes;
    const { expires, originalMaxAge } = data.cookie;
    const cookie = new Cookie(data.cookie);
    if (typeof expires === "string") cookie.expires = new Date(expires);
    // Setting the expiry has changed it.
    cookie.originalMaxAge = originalMaxAge ?? null;
    data.cookie = cookie;
    const session = new Session(request, data);
    const version = this.#versions.get(data);
    if (version !== undefined) this.#versions.set(session, version);
    (request as { session?: object }).session = session;
    return session;
  }

  async #save(key: string, session: ExpressData): Promise<void> {
    const content: SessionWrite = { value: Buffer.from(JSON.stringify(session)), expiresAt: this.#end(session) };
    let version = this.#versions.get(session);
    for (let round = 0; round < 20; round++) {
      const saved =
        version === undefined
          ? await this.#store.create(key, content)
          : await this.#store.update(key, content, version);
      // It ended while the request ran, and stays ended.
      if (saved === "gone") return;
      if (saved !== "exists" && saved !== "conflict") {
        this.#versions.set(session, saved);
        return;
      }
      // The last writer wins, as express-session has it.
      const found = await this.#store.read(key);
      if (found === undefined && saved === "conflict") return;
      version = found?.version;
    }
    throw new StoreError("coatcheck: the session kept changing; gave up after 20 attempts");
  }

  async #all(): Promise<object[]> {
    const sessions: object[] = [];
    for await (const { key } of this.#store.list!({})) {
      const found = await this.#store.read(key);
      if (found) sessions.push(parsed(found.value));
    }
    return sessions;
  }

  async #clear(): Promise<undefined> {
    for await (const { key } of this.#store.list!({})) await this.#store.delete(key);
  }

  #end({ cookie }: ExpressData): number {
    const expires = cookie?.expires ? new Date(cookie.expires).getTime() : Number.NaN;
    return Number.isNaN(expires) ? Date.now() + this.#ttl : expires;
  }
}

/** Who reads the database learns no session ids. */
function keyOf(sid: string): string {
  return createHash("sha256").update(sid).digest("base64url");
}

function parsed(value: Uint8Array): ExpressData {
  try {
    const session: unknown = JSON.parse(Buffer.from(value).toString());
    if (typeof session === "object" && session !== null && "cookie" in session) return session as ExpressData;
  } catch {
    // Said below.
  }
  throw new StoreError("coatcheck: what the store has is not a session of express-session");
}

/** Calls back outside the promise, so that what the callback throws is an exception as it is elsewhere in Express. */
function answer<T>(work: Promise<T>, callback: ((error: unknown, result?: NoInfer<T>) => void) | undefined): void {
  work.then(
    (result) => process.nextTick(() => callback?.(null, result)),
    (error) => process.nextTick(() => callback?.(error)),
  );
}

function loadExpressSession(): ExpressClasses {
  for (const from of [import.meta.url, `${process.cwd()}/`]) {
    try {
      return createRequire(from)("express-session");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw error;
    }
  }
  throw new CoatcheckError(
    "COATCHECK_PEER",
    'coatcheck: toExpressStore needs the package "express-session": npm install express-session, or give it as the option expressSession.',
  );
}
