// A coatcheck store behind the drop-in: keys of parallel requests merge, an ended session stays ended, ids are hashed.

import { hash } from "node:crypto";
import { CapabilityError, CoatcheckError, ConflictError, StoreError } from "../../errors.ts";
import { Events } from "../../events.ts";
import { type Cipher, cipher } from "../../records/cipher.ts";
import { checkedOwner, ownerHasher } from "../../records/owner-hash.ts";
import { resilient } from "../../resilience/resilient-store.ts";
import { StoreClock } from "../../resilience/store-clock.ts";
import type { SessionStore, SessionWrite, StoredSession, Version } from "../../store.ts";
import { Cookie, type CookieData } from "./cookie.ts";
import { mergeSessions } from "./merge-sessions.ts";
import type { Callback, Session, SessionData, SessionRequest, StoredData } from "./session.ts";
import { createSession, Store } from "./store.ts";
import { Sweeps } from "./sweeps.ts";

export interface CoatcheckStoreSettings {
  secrets: readonly string[];
  ownerOf: (session: Session & Partial<SessionData>) => string | undefined;
  /** Milliseconds that a session lives whose cookie has no age. */
  ttl: number;
  encryption: "server" | "off";
  /** Milliseconds that a call may take. */
  timeout: number;
}

/** The state in the store that a session was made of, or saved as. */
interface Base {
  readonly version: Version;
  readonly text: string;
  readonly expiresAt: number;
  readonly cookie: CookieData;
}

// Each attempt after a conflict begins with a read, so this many other servers have to write meanwhile.
const MAX_ATTEMPTS = 20;
// A session's end is moved on when that gains this part of its life. A touch for each request would cost a round trip.
const TOUCH_SHARE = 1 / 20;
const APPLICATION = "express-session";

/** True for a store of coatcheck. */
export function isCoatcheckStore(store: unknown): store is SessionStore {
  const { read, create, update } = (store ?? {}) as Partial<SessionStore>;
  return typeof read === "function" && typeof create === "function" && typeof update === "function";
}

export class CoatcheckStore extends Store {
  readonly #store: SessionStore;
  readonly #settings: CoatcheckStoreSettings;
  readonly #clock: StoreClock;
  readonly #cipher: Cipher;
  readonly #hashOwners: readonly ((owner: string) => string)[];
  readonly #bases = new WeakMap<object, Base>();
  /** The last save of each session in this process. They go one after the other, so that they need not be repeated. */
  readonly #saving = new Map<string, Promise<unknown>>();
  readonly #sweeps: Sweeps;

  constructor(store: SessionStore, settings: CoatcheckStoreSettings) {
    super();
    const events = new Events();
    const { secrets, encryption, timeout } = settings;
    const options = { timeout, uniqueValues: encryption !== "off" };
    this.#store = store.inProcess ? store : resilient(store, options, events);
    this.#settings = settings;
    this.#clock = new StoreClock(this.#store, events);
    this.#cipher = cipher(encryption, secrets, APPLICATION);
    this.#hashOwners = secrets.map((secret) => ownerHasher(secret, APPLICATION));
    this.#sweeps = new Sweeps(this.#store, this.#clock);
  }

  get(sid: string, callback: Callback<StoredData>): void {
    answer(this.#load(keyOf(sid)), callback);
  }

  set(sid: string, session: StoredData, callback?: Callback): void {
    const key = keyOf(sid);
    const before = this.#saving.get(key);
    const saved = before === undefined ? this.#save(key, session) : before.then(() => this.#save(key, session));
    const settled = saved.then(ignore, ignore);
    this.#saving.set(key, settled);
    settled.then(() => {
      if (this.#saving.get(key) === settled) this.#saving.delete(key);
    });
    answer(saved, callback);
  }

  /** The same as `get` without waiting. Undefined: there is none, or it has to be waited for. */
  getNow(sid: string): StoredData | undefined {
    if (this.#store.sync === undefined || !this.#clock.isReady) return undefined;
    const key = keyOf(sid);
    const found = this.#store.sync.read(key);
    return found && this.#opened(key, found);
  }

  /** The same as `set` without waiting. False: nothing is done, and `set` has to. */
  setNow(sid: string, session: StoredData): boolean {
    const { sync } = this.#store;
    const key = keyOf(sid);
    if (sync?.update === undefined || !this.#clock.isReady || this.#saving.has(key)) return false;
    const base = this.#bases.get(session);
    const text = JSON.stringify(session);
    const content = this.#content(key, text, session);
    const saved = base === undefined ? sync.create(key, content) : sync.update(key, content, base.version);
    if (saved === "exists" || saved === "conflict") return false;
    if (saved !== "gone") this.#rebase(session, { version: saved, text, expiresAt: content.expiresAt });
    return true;
  }

  /** False: the session's end is near enough to where a touch would move it. */
  isTouchDue(session: StoredData): boolean {
    const base = this.#bases.get(session);
    const life = this.#lifeOf(session);
    return (
      base === undefined ||
      this.#hasNewCookie(session) ||
      Math.abs(this.#clock.now() + life - base.expiresAt) >= life * TOUCH_SHARE
    );
  }

  destroy(sid: string, callback?: Callback): void {
    answer(this.#store.delete(keyOf(sid)).then(ignore), callback);
  }

  override touch(sid: string, session: StoredData, callback?: Callback): void {
    if (this.#hasNewCookie(session)) this.set(sid, session, callback);
    else answer(this.#touch(keyOf(sid), session), callback);
  }

  override createSession(req: SessionRequest, data: StoredData): Session & Partial<SessionData> {
    const base = this.#bases.get(data);
    const session = createSession(req, data);
    if (base !== undefined) this.#bases.set(session, base);
    return session;
  }

  override all(callback: Callback<StoredData[]>): void {
    answer(this.#all(), callback);
  }

  override length(callback: Callback<number>): void {
    answer(
      this.#all().then((sessions) => sessions.length),
      callback,
    );
  }

  override clear(callback?: Callback): void {
    answer(this.#deleteAll(undefined).then(ignore), callback);
  }

  /** Ends every session of a user: "log out everywhere". Resolves with their number. */
  async revokeAll(user: string): Promise<number> {
    const [owner] = checkedOwner(user);
    if (owner === undefined) return 0;
    let count = 0;
    for (const hashOwner of this.#hashOwners) count += await this.#deleteAll(hashOwner(owner));
    return count;
  }

  /** Stops the sweeps, and closes the store. */
  async close(): Promise<void> {
    this.#sweeps.stop();
    await Promise.all(this.#saving.values());
    await this.#store.close();
  }

  async #load(key: string): Promise<StoredData | undefined> {
    const ready = this.#clock.ready();
    if (ready !== undefined) await ready;
    const found = await this.#store.read(key);
    return found && this.#opened(key, found);
  }

  #opened(key: string, found: StoredSession): StoredData | undefined {
    let text: string;
    try {
      text = this.#open(key, found);
    } catch (error) {
      if (error instanceof CoatcheckError) throw error;
      return undefined; // not sealed by this application, or changed since: no session
    }
    const data = parse(text);
    // Touches move the end on without writing the session again.
    if (data.cookie.expires) data.cookie.expires = new Date(Date.now() + found.expiresAt - this.#clock.now());
    this.#rebase(data, { version: found.version, text, expiresAt: found.expiresAt });
    return data;
  }

  async #save(key: string, session: StoredData): Promise<undefined> {
    const ready = this.#clock.ready();
    if (ready !== undefined) await ready;
    const mine = JSON.stringify(session);
    const base = this.#bases.get(session);
    let theirs: Omit<Base, "cookie"> | undefined = base;
    let text = mine;
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const content = this.#content(key, text, session);
      const saved =
        theirs === undefined
          ? await this.#store.create(key, content)
          : await this.#store.update(key, content, theirs.version);
      // The session ended while the request ran, and stays ended.
      if (saved === "gone") return;
      if (saved !== "exists" && saved !== "conflict") {
        this.#rebase(session, { version: saved, text: mine, expiresAt: content.expiresAt });
        return;
      }
      const found = await this.#store.read(key);
      if (found === undefined) {
        if (base !== undefined) return;
        theirs = undefined;
        continue;
      }
      theirs = { version: found.version, text: this.#open(key, found), expiresAt: found.expiresAt };
      text = mergeSessions(base?.text, mine, theirs.text);
    }
    throw new ConflictError(key, MAX_ATTEMPTS);
  }

  async #touch(key: string, session: StoredData): Promise<undefined> {
    if (!this.isTouchDue(session)) return;
    const expiresAt = this.#clock.now() + this.#lifeOf(session);
    const base = this.#bases.get(session);
    await this.#store.touch(key, expiresAt);
    if (base !== undefined) this.#bases.set(session, { ...base, expiresAt });
  }

  #rebase(session: StoredData, state: Omit<Base, "cookie">): void {
    this.#bases.set(session, { ...state, cookie: dataOf(session.cookie) });
  }

  /** True if the request has given the cookie another age, or other attributes: its record has to say so. */
  #hasNewCookie(session: StoredData): boolean {
    const before = this.#bases.get(session)?.cookie;
    if (before === undefined) return false;
    const now = dataOf(session.cookie);
    return Object.keys(now).some((name) => name !== "expires" && now[name as "path"] !== before[name as "path"]);
  }

  #content(key: string, text: string, session: StoredData): SessionWrite {
    const [owner] = checkedOwner(this.#settings.ownerOf(session as Session & Partial<SessionData>));
    const hashed = owner === undefined ? undefined : this.#hashOwners[0]!(owner);
    const value = this.#cipher.seal(Buffer.from(text), { key }, hashed);
    const expiresAt = this.#clock.now() + this.#lifeOf(session);
    return hashed === undefined ? { value, expiresAt } : { value, expiresAt, owner: hashed };
  }

  #lifeOf({ cookie }: StoredData): number {
    const expires = cookie?.expires ? new Date(cookie.expires).getTime() : Number.NaN;
    return Number.isNaN(expires) ? this.#settings.ttl : expires - Date.now();
  }

  #open(key: string, { value, owner }: StoredSession): string {
    return Buffer.from(this.#cipher.open(value, { key }, owner)).toString();
  }

  async #all(): Promise<StoredData[]> {
    const sessions: StoredData[] = [];
    for await (const { key } of this.#list("all()")) {
      const found = await this.#store.read(key);
      if (found !== undefined) sessions.push(parse(this.#open(key, found)));
    }
    return sessions;
  }

  async #deleteAll(owner: string | undefined): Promise<number> {
    let count = 0;
    for await (const { key } of this.#list("revokeAll()", owner)) if (await this.#store.delete(key)) count++;
    return count;
  }

  #list(call: string, owner?: string) {
    if (this.#store.list === undefined) throw new CapabilityError(call, "list");
    return this.#store.list(owner === undefined ? {} : { owner });
  }
}

/** What of a cookie is stored. A mere object may be in its place. */
function dataOf(cookie: StoredData["cookie"]): CookieData {
  return cookie instanceof Cookie ? cookie.data : { ...cookie };
}

/** A hash, so that the database alone gives nobody a session's cookie. */
function keyOf(sid: string): string {
  return hash("sha256", sid, "base64url").slice(0, 24);
}

/** @throws StoreError if the text is no session. */
function parse(text: string): StoredData {
  try {
    const data: unknown = JSON.parse(text);
    if (typeof data === "object" && data !== null && "cookie" in data) return data as StoredData;
  } catch {} // the parser's own error quotes the text, which may be secret
  throw new StoreError("coatcheck: a value in the store is no session. Give session() a store of its own.");
}

function ignore(): undefined {}

/** Calls back outside of the promise, so that what a callback throws is uncaught, as elsewhere in Express. */
function answer<Result>(work: Promise<Result | undefined>, callback: Callback<Result> | undefined): void {
  if (callback === undefined) work.catch(ignore);
  else
    work.then(
      (result) => process.nextTick(callback, null, result),
      (error) => process.nextTick(callback, error),
    );
}
