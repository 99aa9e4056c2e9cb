// One request and its response: which session it has, what of it is to be saved, and whether the cookie is sent.

import type { KeyObject } from "node:crypto";
import type { ServerResponse } from "node:http";
import type { TLSSocket } from "node:tls";
import { sign } from "../../cookies/signature.ts";
import type { HeldSession } from "../hold.ts";
import { CoatcheckStore } from "./coatcheck-store.ts";
import { Cookie, setCookie } from "./cookie.ts";
import { type SaveWatch, Session, type SessionRequest, type StoredData, WATCH } from "./session.ts";
import type { Settings } from "./settings.ts";
import { createSession, Store } from "./store.ts";

const NO_COOKIES: string[] = [];
// A second touch, at the end of a response that takes long, costs a call to the store.
const TOUCH_SHARE = 1 / 20;

/** A request whose session may be missing: an application may remove it, or set another id. */
type OpenRequest = Omit<SessionRequest, "session" | "sessionID"> & {
  session: SessionRequest["session"] | null | undefined;
  sessionID: unknown;
  [WATCH]?: Exchange;
  secure?: boolean;
};

export class Exchange implements HeldSession, SaveWatch {
  readonly isUsed = false;
  readonly ticketHeader = undefined;
  readonly watchesLateChanges = false;
  /** The application's own headers for caches stay as they are. */
  readonly cookiesOnly = true;
  generating: Promise<void> | undefined;
  settling: Promise<void> | undefined;
  /** True once the headers are on their way. */
  isCommitted = false;
  readonly #req: OpenRequest;
  readonly #settings: Settings;
  readonly #key: KeyObject;
  readonly #next: (error: unknown) => void;
  /** The id that came in the cookie. */
  readonly #cookieId: string | undefined;
  /** What the session was when the request got it. */
  #originalId: unknown;
  #originalText = "";
  /** What of it is in the store. */
  #savedText: string | undefined;
  /** What the session holds, while it is committed: it is asked for several times. */
  #text: string | undefined;
  #hasFailed = false;
  #isTouched = false;
  #touchedAt = 0;
  #hasSentCookie = false;
  #isDestroyed = false;
  /** How the session's cookie was when the store got it for the response, and which call takes a later one there. */
  #stored: { by: "save" | "touch"; cookie: string } | undefined;
  /** The cookie of a session that the request has ended. */
  #endedCookie: Cookie | undefined;
  #cookies: string[] | Promise<string[]> | undefined;

  constructor(
    req: SessionRequest,
    settings: Settings,
    key: KeyObject,
    cookieId: string | undefined,
    next: (error: unknown) => void,
  ) {
    this.#req = req as OpenRequest;
    this.#settings = settings;
    this.#key = key;
    this.#cookieId = cookieId;
    this.#next = next;
    this.#req[WATCH] = this;
  }

  /** Gives the request the session that its store has. */
  load(data: StoredData): void {
    this.#inflate(data);
    this.#originalId = this.#req.sessionID;
    this.#originalText = textOf(data);
    if (!this.#settings.resave) this.#savedText = this.#originalText;
  }

  /** Gives the request a new session. With a promise only if the id comes late. */
  generate(): Promise<void> | undefined {
    const id = this.#settings.generateId(this.#req as SessionRequest);
    if (typeof (id as Partial<Promise<string>>)?.then !== "function") {
      this.#begin(id as string);
      return undefined;
    }
    const generating = (id as Promise<string>).then((id) => {
      this.#begin(id);
      this.generating = undefined;
    });
    this.generating = generating;
    generating.catch(() => {});
    return generating;
  }

  saving(session: Session): void {
    this.#savedText = this.#textOf(session);
    // After a save of the application's own, another cookie of a session that the browser had before is worth a touch.
    if (this.#stored !== undefined) this.#stored = { by: "touch", cookie: this.#stored.cookie };
  }

  reload(data: StoredData): void {
    const text = textOf(this.#inflate(data));
    if (!this.#settings.resave) this.#savedText = text;
  }

  /** A store that has the base of another package would make that package's sessions. */
  #inflate(data: StoredData): Session {
    const { store } = this.#settings;
    const req = this.#req as SessionRequest;
    return store instanceof Store ? store.createSession(req, data) : createSession(req, data);
  }

  destroying(session: Session): void {
    this.#endedCookie = session.cookie;
  }

  #begin(id: string): void {
    const req = this.#req as SessionRequest;
    req.sessionID = id;
    const { cookie: options } = this.#settings;
    const cookie = new Cookie(typeof options === "function" ? options(req) : options);
    if (cookie.secure === "auto") cookie.secure = this.#isSecure();
    if (cookie.sameSite === "auto") cookie.sameSite = this.#isSecure() ? "none" : "lax";
    req.session = new Session(req) as SessionRequest["session"];
    req.session.cookie = cookie;
    // One that takes the place of another differs from it, and has to be saved.
    if (this.#originalId !== undefined) return;
    this.#originalId = id;
    this.#originalText = textOf(req.session);
  }

  /** Before the headers are sent: saves the session, and gives its cookie. */
  commit(): string[] | Promise<string[]> {
    if (this.#cookies !== undefined) return this.#cookies;
    try {
      this.#cookies = this.#commit();
      if (!Array.isArray(this.#cookies)) this.#cookies.catch(() => this.#fail());
      return this.#cookies;
    } catch (error) {
      this.#fail(); // as for a value that is no JSON
      return Promise.reject(error);
    }
  }

  /** The response to the error is sent without another try. */
  #fail(): void {
    this.#cookies = NO_COOKIES;
    this.#hasFailed = true;
  }

  #commit(): string[] | Promise<string[]> {
    const { session } = this.#req;
    this.#text = session ? textOf(session) : undefined;
    this.isCommitted = true;
    try {
      const cookies = this.setCookie();
      const settled = this.settle();
      if (settled === undefined) return cookies;
      const end = () => {
        this.settling = undefined;
      };
      this.settling = settled.then(end, end);
      return settled.then(() => cookies);
    } finally {
      this.#text = undefined;
    }
  }

  #textOf(session: Session): string {
    return this.#text ?? textOf(session);
  }

  discard(): void {}

  reportLateChanges(): void {}

  /** The cookie that the response has to set, if any. */
  setCookie(): string[] {
    const { session } = this.#req;
    if (!session) return this.#expireCookie();
    if (!this.#sendsCookie(session)) return NO_COOKIES;
    if (session.cookie.secure && !this.#isSecure()) return NO_COOKIES;
    this.#touch(session);
    this.#hasSentCookie = true;
    try {
      const { name } = this.#settings;
      const value = `s:${sign(this.#req.sessionID as string, this.#key)}`;
      // A mere object that the application has put there has no data: then the cookie has no attributes.
      const { data = {} } = session.cookie as Partial<Cookie>;
      return [setCookie(name, value, data)];
    } catch (error) {
      setImmediate(this.#next, error);
      return NO_COOKIES;
    }
  }

  #expireCookie(): string[] {
    const { expiresCookie, unsetDestroys, name, cookie: options } = this.#settings;
    if (!expiresCookie || this.#cookieId === undefined) return NO_COOKIES;
    const given = typeof options === "function" ? options(this.#req as SessionRequest) : options;
    const ended = this.#endedCookie ?? (unsetDestroys ? new Cookie(given) : undefined);
    if (ended === undefined) return NO_COOKIES;
    const { sameSite, secure } = ended;
    const isSecure = this.#isSecure();
    const cookie = Object.assign(new Cookie(), ended.data, { expires: new Date(0) });
    cookie.secure = secure === "auto" ? isSecure : secure;
    cookie.sameSite = sameSite === "auto" ? (isSecure ? "none" : "lax") : sameSite;
    return [cookie.serialize(name, "")];
  }

  #sendsCookie(session: Session): boolean {
    const { sessionID } = this.#req;
    if (typeof sessionID !== "string") return false;
    if (this.#cookieId !== sessionID) return this.#settings.saveUninitialized || this.#isModified(session);
    if (this.#settings.rolling && this.#extends) return true;
    return session.cookie.expires != null && this.#isModified(session);
  }

  /** Whether saving is due since the headers were sent: what is written to a session while its body is streamed counts. */
  get isSettled(): boolean {
    if (this.#hasFailed) return true;
    const { session } = this.#req;
    if (!session) return !this.#needsDestroy;
    return !this.#needsSave(session) && !this.#hasNewCookie(session) && !this.#isTouchedLongAgo(session);
  }

  /** Saves, touches or destroys the session, as is due. Undefined: there is nothing to wait for. */
  settle(): Promise<void> | undefined {
    const { session, sessionID } = this.#req;
    const { store } = this.#settings;
    if (!session) {
      if (!this.#needsDestroy) return undefined;
      this.#isDestroyed = true;
      return this.#wait((done) => store.destroy(sessionID as string, done));
    }
    if (this.#isTouchedLongAgo(session)) this.#isTouched = false;
    this.#touch(session);
    const data = session as unknown as StoredData;
    const isSavedBefore = this.#stored?.by === "save" && this.#hasNewCookie(session);
    if (isSavedBefore || this.#needsSave(session)) {
      const stored = { by: "save" as const, cookie: JSON.stringify(session.cookie) };
      const save = saveOf(session);
      if (store instanceof CoatcheckStore && save === Session.prototype.save && store.setNow(session.id, data)) {
        this.saving(session);
        this.#stored = stored;
        return undefined;
      }
      const saving = this.#wait((done) => save.call(session, done));
      this.#stored = stored;
      return saving;
    }
    if (!store.touch || this.#cookieId !== sessionID || typeof sessionID !== "string" || !this.#extends)
      return undefined;
    this.#stored = { by: "touch", cookie: JSON.stringify(session.cookie) };
    if (store instanceof CoatcheckStore && !store.isTouchDue(data)) return undefined;
    return this.#wait((done) => store.touch!(sessionID, data, done));
  }

  get #needsDestroy(): boolean {
    return this.#settings.unsetDestroys && !this.#isDestroyed && Boolean(this.#req.sessionID);
  }

  #needsSave(session: Session): boolean {
    const { sessionID } = this.#req;
    if (typeof sessionID !== "string") return false;
    if (this.#isSaved(session)) return false;
    // A new session that save() has put into the store is kept there as it is now, also if it is empty again.
    const isKept = this.#cookieId === sessionID || this.#settings.saveUninitialized || this.#savedText !== undefined;
    return isKept || this.#isModified(session);
  }

  /** The store has the session, with its cookie as it was before. */
  #hasNewCookie(session: Session): boolean {
    return this.#stored !== undefined && this.#stored.cookie !== JSON.stringify(session.cookie);
  }

  /** For a response that takes long, and sets no cookie: the session's life begins again at its end. */
  #isTouchedLongAgo({ cookie }: Session): boolean {
    const life = cookie?.originalMaxAge;
    if (!this.#isTouched || this.#hasSentCookie || typeof life !== "number" || life <= 0) return false;
    return Date.now() - this.#touchedAt >= life * TOUCH_SHARE;
  }

  #isModified(session: Session): boolean {
    return this.#originalId !== session.id || this.#originalText !== this.#textOf(session);
  }

  #isSaved(session: Session): boolean {
    return this.#originalId === session.id && this.#savedText === this.#textOf(session);
  }

  get #extends(): boolean {
    return this.#settings.extends(this.#req as SessionRequest);
  }

  #touch(session: Session): void {
    if (this.#isTouched) return;
    this.#isTouched = true;
    this.#touchedAt = Date.now();
    if (this.#extends || this.#isModified(session)) session.touch();
  }

  /**
   * The end of a call to the store. An error of a store for express-session goes to the application's handler of errors
   * after the response, as there. With a coatcheck store it takes the response's place.
   */
  #wait(call: (done: (error?: unknown) => void) => void): Promise<void> | undefined {
    let isDone = false;
    let resolve: (() => void) | undefined;
    let reject: (error: unknown) => void;
    let failure: { error: unknown } | undefined;
    call((error) => {
      if (isDone) return;
      isDone = true;
      if (error && this.#settings.failsWithStore) {
        failure = { error };
        reject?.(error);
        return;
      }
      if (error) setImmediate(this.#next, error);
      resolve?.();
    });
    if (failure !== undefined) return Promise.reject((failure as { error: unknown }).error);
    if (isDone) return undefined;
    return new Promise((resolve_, reject_) => {
      resolve = resolve_;
      reject = reject_;
    });
  }

  /** Whether the browser's request came over https. */
  #isSecure(): boolean {
    const req = this.#req;
    const { proxy } = this.#settings;
    if ((req.socket as Partial<TLSSocket> | undefined)?.encrypted) return true;
    if (proxy === false) return false;
    if (proxy !== true) return req.secure === true;
    const [first = ""] = String(req.headers["x-forwarded-proto"] ?? "").split(",");
    return first.trim().toLowerCase() === "https";
  }
}

/** The method, which the application may have replaced, unless what it has put there is no method. */
function saveOf(session: Session): (done: (error?: unknown) => void) => unknown {
  return typeof session.save === "function" ? session.save : Session.prototype.save;
}

/** What a session holds beside its cookie, to tell whether it has changed. */
function textOf(session: Session | StoredData): string {
  const { cookie: _, ...data } = session;
  return JSON.stringify(data);
}

/** For responses of Node: what is written to a session after the headers were sent is saved before the response ends. */
export function saveBeforeEnd(res: ServerResponse, exchange: Exchange, fail: (error: unknown) => void): void {
  const { end } = res;
  let isEnding = false;
  res.end = function endWhenSaved(this: ServerResponse, ...args: unknown[]): ServerResponse {
    const go = () => (end as (...args: unknown[]) => ServerResponse).apply(this, args);
    if (!exchange.isCommitted || isEnding || exchange.isSettled) return go();
    isEnding = true;
    Promise.resolve(exchange.commit())
      .then(() => exchange.settle())
      .then(go, (error) => {
        fail(error);
        this.destroy();
      });
    return this;
  } as ServerResponse["end"];
}
