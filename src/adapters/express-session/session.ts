// The session of a request: the application's data, its cookie, and its methods.

import type { IncomingMessage } from "node:http";
import type { Cookie, CookieData } from "./cookie.ts";

/**
 * The keys of a session: `declare module "coatcheck/express-session" { interface SessionData { cart: string[] } }`.
 */
export interface SessionData {
  cookie: Cookie;
}

/** A session as a store keeps it. */
export type StoredData = Partial<Omit<SessionData, "cookie">> & { cookie: CookieData | Cookie };

export type Callback<Result = undefined> = (error?: unknown, result?: Result | null) => void;

/** What sessions and requests need of a store. */
export interface SessionStore {
  get(sid: string, callback: Callback<StoredData>): void;
  set(sid: string, session: StoredData, callback?: Callback): void;
  destroy(sid: string, callback?: Callback): void;
  touch?(sid: string, session: StoredData, callback?: Callback): void;
  regenerate(req: SessionRequest, callback: Callback): void;
  createSession(req: SessionRequest, data: StoredData): Session & Partial<SessionData>;
}

/** A request that has a session. */
export interface SessionRequest extends IncomingMessage {
  session: Session & Partial<SessionData>;
  sessionID: string;
  sessionStore: SessionStore;
}

/** Where a request has what watches its session's saves. */
export const WATCH = Symbol("coatcheck.express-session");

/** Is notified what of a session is in the store. */
export interface SaveWatch {
  saving(session: Session): void;
  /** Gives the request the session that its store has. */
  reload(data: StoredData): void;
  destroying(session: Session): void;
  /** Resolves when a new session has its id. Undefined: it has. */
  readonly generating: Promise<void> | undefined;
  /** Resolves when the session is saved for the response, or that has failed. Undefined: nothing is under way. */
  readonly settling: Promise<void> | undefined;
}

type Done = (error?: unknown) => void;

/**
 * Its data are its own properties. Every method takes a callback, or gives a promise: `save` and `destroy` are in the
 * store when it is done.
 */
export class Session {
  declare cookie: Cookie;
  readonly #req: SessionRequest;
  readonly #id: string;

  constructor(req: SessionRequest, data?: StoredData | null) {
    this.#req = req;
    this.#id = req.sessionID;
    if (typeof data !== "object" || data === null) return;
    // What is called like a method stays out, whatever the store says.
    for (const [name, value] of Object.entries(data))
      if (!(name in this)) (this as Record<string, unknown>)[name] = value;
  }

  /** The request. */
  get req(): SessionRequest {
    return this.#req;
  }

  /** The same as `req.sessionID`. It gives access to the session: never log it. */
  get id(): string {
    return this.#id;
  }

  /** Begins the cookie's life again. The middleware does it at the end of a request. */
  touch(): this {
    return this.resetMaxAge();
  }

  resetMaxAge(): this {
    this.cookie.maxAge = this.cookie.originalMaxAge;
    return this;
  }

  /** Puts the session into the store. Without it, the end of the request does. */
  save(): Promise<void>;
  save(callback: Done | undefined): this;
  save(callback?: Done): this | Promise<void> {
    return called(this, callback, (done) => {
      inTurn(this.#req, () => {
        watchOf(this.#req)?.saving(this);
        this.#req.sessionStore.set(this.#id, this as unknown as StoredData, done);
      });
    });
  }

  /** Reads the session again. The request then has another object: `req.session`. */
  reload(): Promise<void>;
  reload(callback: Done): this;
  reload(callback?: Done): this | Promise<void> {
    return called(this, callback, (done) => {
      const req = this.#req;
      const store = req.sessionStore;
      const got: Callback<StoredData> = (error, data) => {
        if (error) return done(error);
        if (!data) return done(new Error("failed to load session"));
        const watch = watchOf(req);
        if (watch === undefined) store.createSession(req, data);
        else watch.reload(data);
        done();
      };
      inTurn(req, () => store.get(this.#id, got));
    });
  }

  /** Ends the session, and takes it off the request. */
  destroy(): Promise<void>;
  destroy(callback: Done | undefined): this;
  destroy(callback?: Done): this | Promise<void> {
    return called(this, callback, (done) => {
      watchOf(this.#req)?.destroying(this);
      delete (this.#req as Partial<SessionRequest>).session;
      inTurn(this.#req, () => this.#req.sessionStore.destroy(this.#id, done));
    });
  }

  /** Ends the session and begins a new one under a new id. The request then has another object: `req.session`. */
  regenerate(): Promise<void>;
  regenerate(callback: Done): this;
  regenerate(callback?: Done): this | Promise<void> {
    return called(this, callback, (done) => {
      const ended: Done = (error) => {
        // A store with another base does not wait for an id that comes late.
        const generating = watchOf(this.#req)?.generating;
        if (generating === undefined) done(error);
        else generating.then(() => done(error), done);
      };
      inTurn(this.#req, () => this.#req.sessionStore.regenerate(this.#req, ended));
    });
  }
}

function watchOf(req: SessionRequest): SaveWatch | undefined {
  return (req as SessionRequest & { [WATCH]?: SaveWatch })[WATCH];
}

/**
 * A call to the store waits while the session is saved for the response: on another connection it could overtake that, and a
 * session that was destroyed would come back.
 */
function inTurn(req: SessionRequest, call: () => void): void {
  const settling = watchOf(req)?.settling;
  if (settling === undefined) call();
  else settling.then(() => setImmediate(call)); // outside of the promise, so that what a callback throws is uncaught
}

/**
 * Makes a call that ends by callback. Without a callback of the application's the result is a promise, and its rejection
 * never goes unhandled, since code that neither awaits nor gives a callback does not ask for the error.
 */
function called<This>(session: This, callback: Done | undefined, call: (done: Done) => void): This | Promise<void> {
  if (typeof callback === "function") {
    call(callback);
    return session;
  }
  const promise = new Promise<void>((resolve, reject) => call((error) => (error ? reject(error) : resolve())));
  promise.catch(() => {});
  return promise;
}
