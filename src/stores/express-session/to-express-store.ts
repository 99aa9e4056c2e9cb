// Makes a coatcheck store into a store for express-session.

import { createHash } from "node:crypto";
import { EventEmitter } from "node:events";
import { createRequire } from "node:module";
import { CoatcheckError, StoreError } from "../../errors.ts";
import type { SessionStore, SessionWrite, Version } from "../../store.ts";
import { type Duration, milliseconds } from "../../util/duration.ts";
import { checkNames, type OptionNames } from "../../util/option-names.ts";
import { RemoteClock } from "../../util/remote-clock.ts";
import { checkVersion } from "../shared/peer-dependency.ts";

export interface ToExpressStoreOptions {
  /** How long a session lives whose cookie has no expiry. Default: 1 day. */
  ttl?: Duration;
  /** The package express-session, if it can't be resolved from coatcheck or the working directory. Default: it is loaded. */
  expressSession?: object;
}

const NAMES: OptionNames<ToExpressStoreOptions> = { ttl: true, expressSession: true };

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
  /** Gives the request's session. The type is `never` because express-session has its own. */
  createSession(request: object, session: object): never;
  /** Reads every session. There if the store has `list`. */
  all?(callback: (error: unknown, sessions?: never) => void): void;
  /** Counts the sessions, by reading every one. There if the store has `list`. */
  length?(callback: (error: unknown, length?: number) => void): void;
  /** Deletes every session. There if the store has `list`. */
  clear?(callback?: Done): void;
}

/**
 * Makes a coatcheck store into a store for an application that stays on express-session:
 * `session({ store: toExpressStore(…) })`.
 *
 * Sessions are stored as JSON under the SHA-256 of their id. They are not encrypted, as only coatcheck's core does that. As
 * with every express-session store, the last of two parallel requests wins. Unlike with others, a request that is still
 * running when its session is destroyed does not bring the session back.
 *
 * @param store holds these sessions only. It is never closed.
 * @throws OptionError if `ttl` is not a duration.
 */
export function toExpressStore(store: SessionStore, options: ToExpressStoreOptions = {}): ExpressStore {
  return new ExpressStoreAdapter(store, options) as unknown as ExpressStore;
}

/** How often a save is tried again after another request has written the session. */
const MAX_ATTEMPTS = 20;

class ExpressStoreAdapter extends EventEmitter {
  readonly #store: SessionStore;
  readonly #ttl: number;
  /** The store's clock. Undefined: it is this process's. */
  readonly #clock: RemoteClock | undefined;
  #classes: ExpressClasses | undefined;
  /** The version that each session was loaded with or saved as. */
  readonly #versions = new WeakMap<object, Version>();
  readonly all: ((callback: (error: unknown, sessions?: object[]) => void) => void) | undefined;
  readonly length: ((callback: (error: unknown, length?: number) => void) => void) | undefined;
  readonly clear: ((callback?: Done) => void) | undefined;

  constructor(store: SessionStore, options: ToExpressStoreOptions) {
    super();
    checkNames("toExpressStore()", options, NAMES);
    const { ttl = "1d", expressSession } = options;
    this.#store = store;
    this.#ttl = milliseconds("ttl", ttl);
    this.#clock = store.time && new RemoteClock(() => store.time!());
    this.#classes = expressSession as ExpressClasses | undefined;
    if (store.list === undefined) return;
    this.all = (callback) => callBack(this.#all(), callback);
    this.length = (callback) =>
      callBack(
        this.#all().then((sessions) => sessions.length),
        callback,
      );
    this.clear = (callback) => callBack(this.#clear(), callback);
  }

  get(sid: string, callback: (error: unknown, session?: object) => void): void {
    const load = async () => {
      const found = await this.#store.read(keyOf(sid));
      if (found === undefined) return undefined;
      const session = parse(found.value);
      this.#versions.set(session, found.version);
      return session;
    };
    callBack(load(), callback);
  }

  set(sid: string, session: ExpressData, callback?: Done): void {
    callBack(this.#save(keyOf(sid), session), callback);
  }

  destroy(sid: string, callback?: Done): void {
    callBack(
      this.#store.delete(keyOf(sid)).then(() => undefined),
      callback,
    );
  }

  touch(sid: string, session: ExpressData, callback?: Done): void {
    callBack(
      this.#expiryOf(session)
        .then((expiresAt) => this.#store.touch(keyOf(sid), expiresAt))
        .then(() => undefined),
      callback,
    );
  }

  regenerate(request: { sessionID: string }, callback: Done): void {
    this.destroy(request.sessionID, (error) => {
      // express-session adds `generate` to its store.
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
    // Setting `expires` has overwritten it.
    cookie.originalMaxAge = originalMaxAge ?? null;
    data.cookie = cookie;
    const session = new Session(request, data);
    const version = this.#versions.get(data);
    if (version !== undefined) this.#versions.set(session, version);
    (request as { session?: object }).session = session;
    return session;
  }

  async #save(key: string, session: ExpressData): Promise<void> {
    const content: SessionWrite = {
      value: Buffer.from(JSON.stringify(session)),
      expiresAt: await this.#expiryOf(session),
    };
    let version = this.#versions.get(session);
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const saved =
        version === undefined
          ? await this.#store.create(key, content)
          : await this.#store.update(key, content, version);
      // The session ended while the request ran, and stays ended.
      if (saved === "gone") return;
      if (saved !== "exists" && saved !== "conflict") {
        this.#versions.set(session, saved);
        return;
      }
      // The last writer wins, as with every express-session store.
      const found = await this.#store.read(key);
      if (found === undefined && saved === "conflict") return;
      version = found?.version;
    }
    throw new StoreError(
      `coatcheck: the session was not saved, because other requests changed it ${MAX_ATTEMPTS} times meanwhile. Try again.`,
    );
  }

  async #all(): Promise<object[]> {
    const sessions: object[] = [];
    for await (const { key } of this.#store.list!({})) {
      const found = await this.#store.read(key);
      if (found) sessions.push(parse(found.value));
    }
    return sessions;
  }

  async #clear(): Promise<undefined> {
    for await (const { key } of this.#store.list!({})) await this.#store.delete(key);
  }

  /** When the session ends, by the store's clock. The cookie's expiry is an instant of this process's. */
  async #expiryOf({ cookie }: ExpressData): Promise<number> {
    await this.#clock?.ready();
    const expires = cookie?.expires ? new Date(cookie.expires).getTime() : Number.NaN;
    const life = Number.isNaN(expires) ? this.#ttl : expires - Date.now();
    return (this.#clock?.now() ?? Date.now()) + life;
  }
}

/** A hash, so that the database does not reveal session ids. */
function keyOf(sid: string): string {
  return createHash("sha256").update(sid).digest("base64url");
}

/** @throws StoreError if the value is not a session of express-session. */
function parse(value: Uint8Array): ExpressData {
  try {
    const session: unknown = JSON.parse(Buffer.from(value).toString());
    if (typeof session === "object" && session !== null && "cookie" in session) return session as ExpressData;
  } catch {
    // The parser's own error quotes the text, which may be secret.
  }
  throw new StoreError(
    "coatcheck: a value in the store is not a session of express-session. Give toExpressStore a store of its own.",
  );
}

/** Calls back outside the promise, so that an exception in the callback is uncaught, as elsewhere in Express. */
function callBack<T>(work: Promise<T>, callback: ((error: unknown, result?: NoInfer<T>) => void) | undefined): void {
  work.then(
    (result) => process.nextTick(() => callback?.(null, result)),
    (error) => process.nextTick(() => callback?.(error)),
  );
}

function loadExpressSession(): ExpressClasses {
  for (const from of [import.meta.url, `${process.cwd()}/`]) {
    const require = createRequire(from);
    let path: string;
    try {
      path = require.resolve("express-session");
    } catch {
      continue;
    }
    checkVersion("express-session", path, "toExpressStore()");
    return require(path);
  }
  throw new CoatcheckError(
    "COATCHECK_PEER",
    'coatcheck: toExpressStore() needs the package "express-session": npm install express-session, or give it as the option expressSession.',
  );
}
