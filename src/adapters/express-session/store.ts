// The base of session stores: an event emitter that makes sessions of what it has stored.

import { EventEmitter } from "node:events";
import { Cookie, type CookieData } from "./cookie.ts";
import { type Callback, Session, type SessionData, type SessionRequest, type StoredData } from "./session.ts";

/** What the base has, and what a store adds. A request that has no session yet gets one by `generate`. */
declare abstract class BaseStore extends EventEmitter {
  constructor(options?: unknown);
  abstract get(sid: string, callback: Callback<StoredData>): void;
  abstract set(sid: string, session: StoredData, callback?: Callback): void;
  abstract destroy(sid: string, callback?: Callback): void;
  /** Extends a session's life. Without it, a session that is only read ends as if nobody had used it. */
  touch?(sid: string, session: StoredData, callback?: Callback): void;
  all?(callback: Callback<StoredData[] | Record<string, StoredData>>): void;
  length?(callback: Callback<number>): void;
  clear?(callback?: Callback): void;
  /** Gives the request a new session. Set by the middleware. */
  generate(req: SessionRequest): void | Promise<void>;
  /** Destroys the request's session, and gives it a new one. */
  regenerate(req: SessionRequest, callback: Callback): void;
  /** The session of an id, for code without a request. */
  load(sid: string, callback: Callback<Session>): void;
  /** Makes the request's session of what was stored. */
  createSession(req: SessionRequest, data: StoredData): Session & Partial<SessionData>;
}

export type Store = BaseStore;

/** A function and no class, since many stores call it: `Store.call(this, options)`. */
export const Store = function Store(this: EventEmitter) {
  EventEmitter.call(this as never);
} as unknown as typeof BaseStore;

Object.setPrototypeOf(Store, EventEmitter);
Store.prototype = Object.create(EventEmitter.prototype, {
  constructor: { value: Store, writable: true, configurable: true },
});

Store.prototype.regenerate = function regenerate(req, callback) {
  this.destroy(req.sessionID, (error) => {
    const made = this.generate(req);
    if (made === undefined) callback(error);
    else made.then(() => callback(error), callback);
  });
};

Store.prototype.load = function load(sid, callback) {
  this.get(sid, (error, data) => {
    if (error || !data) {
      callback(error);
      return;
    }
    const req = { sessionID: sid, sessionStore: this } as unknown as SessionRequest;
    callback(null, this.createSession(req, data));
  });
};

Store.prototype.createSession = createSession;

/** The same for stores that have another base: their own would make sessions of another package. */
export function createSession(req: SessionRequest, data: StoredData): Session & Partial<SessionData> {
  if (typeof data.cookie !== "object" || data.cookie === null) {
    throw new TypeError(
      "coatcheck: Cannot read property cookie of a stored session, since it has none. Give session() a store of its own.",
    );
  }
  const { expires, originalMaxAge } = data.cookie;
  const cookie = new Cookie(data.cookie as CookieData);
  if (typeof expires === "string") cookie.expires = new Date(expires);
  // Setting `expires` has overwritten it.
  cookie.originalMaxAge = originalMaxAge;
  data.cookie = cookie;
  req.session = new Session(req, data) as Session & Partial<SessionData>;
  return req.session;
}
