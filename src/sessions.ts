import type { IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { CarriedStore } from "./carried.ts";
import { cipher } from "./cipher.ts";
import { CommitQueue } from "./commits.ts";
import { compressing } from "./compression.ts";
import type { SessionContext } from "./context.ts";
import { cookieJar } from "./cookie.ts";
import { LONGEST_TIMER } from "./deadlines.ts";
import { CapabilityError, ClientGoneError, OptionError, StoreError } from "./errors.ts";
import { Events, type SessionEvents } from "./events.ts";
import { guarded } from "./guard.ts";

import { type Lease, Leases } from "./lease.ts";
import type { Leaving } from "./line.ts";
import { lastSeen } from "./marks.ts";

import { checkOptions, type SessionsOptions } from "./options.ts";
import { ownerNames } from "./owner.ts";
import { SessionRecord } from "./record.ts";
import { RequestSession } from "./request-session.ts";
import { MODES, type Mode, type Session } from "./session.ts";
import type { RequestFacts } from "./session-state.ts";
import type { SessionStore } from "./store.ts";
import { memory } from "./stores/memory.ts";
import { isKey, TICKET_CHARS, type Ticket, ticketOffice } from "./ticket.ts";

import { type Found, openRecord } from "./writes.ts";

/**
 * The keys of a session, for applications that declare them once:
 * `declare module "coatcheck" { interface SessionData { cart: string[] } }`.
 */
// biome-ignore lint/suspicious/noEmptyInterface: applications add to it
export interface SessionData {}

/** Where a request's cookies are: a `Request`, an `IncomingMessage` (Node, Express, Fastify's `raw`), or a Cookie header. */
export type CookieSource = RequestLike | Pick<IncomingMessage, "headers" | "socket"> | string | null | undefined;

interface RequestLike {
  readonly headers: { get(name: string): string | null };
  readonly url: string;
  readonly signal?: AbortSignal;
}

export interface OpenOptions {
  /** How this request uses the session. Default: the application's `mode`. */
  mode?: Mode;
  /** True if the request came over https. Default: told by the source; a bare Cookie header can't tell: false. */
  secure?: boolean;
}

/** A session as `list` reports it. */
export interface SessionInfo<Data extends object = SessionData> {
  id: string;
  owner?: string;
  createdAt?: number;
  expiresAt: number;
  /** What is in it, as it was just now. */
  data: Readonly<Partial<Data>>;
}

/** All sessions of one application. */
export interface Sessions<Data extends object = SessionData> {
  /**
   * The session of a request: the one its cookie names, or a new one, which is stored once something is written to it.
   * @throws StoreError if the store is down, unless `onStoreError` is `"anonymous"`.
   */
  open(source: CookieSource, options?: OpenOptions): Promise<Session<Data>>;
  /**
   * The same without a promise, for adapters. Undefined: the store has to be waited for, or something is unusual, and
   * `open` has to see to it.
   */
  openAtOnce(source: CookieSource, options?: OpenOptions): Session<Data> | undefined;
  /** Live sessions, all or one owner's. With encryption `"ticket"` they can't be opened: the data is empty. */
  list(query?: { owner?: string }): AsyncIterable<SessionInfo<Data>>;
  /** Ends a session by its public id. True if it was there. */
  revoke(id: string): Promise<boolean>;
  /** Ends every session of an owner: "log out everywhere". Gives their number. */
  revokeAll(owner: string): Promise<number>;
  /** Ends every session of this one's owner but this one: "log out my other devices". Gives their number. */
  revokeOthers(session: Session<Data>): Promise<number>;
  /** The number of live sessions. Walks through all of them. */
  count(): Promise<number>;
  /** Removes what has expired. Gives the number that this call removed. */
  sweep(): Promise<number>;
  /** Listens to an event. Returns a function that stops it. */
  on<Name extends keyof SessionEvents>(name: Name, listener: (event: SessionEvents[Name]) => void): () => void;
  /**
   * Waits for commits under way, up to `storeTimeout`, and closes the store. From then on `open` throws a StoreError.
   * Call it once the server takes no more requests.
   * @throws StoreError if the store did not close in time.
   */
  close(): Promise<void>;
}

const NO_MARKS: readonly string[] = [];
const NO_OPTIONS: OpenOptions = {};
// Browsers send two or three, for several paths. Who collects hundreds of dead tickets must not make hundreds of reads.
const MAX_TICKETS = 5;
const SWEEP_BATCH = 500;
// A session may come under an owner while its others are being ended.
const REVOKE_ROUNDS = 10;

/** @throws OptionError naming the option, its value and the fix. */
export function createSessions<Data extends object = SessionData>(options: SessionsOptions<Data> = {}): Sessions<Data> {
  const bareStore = options.store ?? memory();
  const settings = checkOptions(options, bareStore);
  const events = new Events();
  const guardOptions = { timeout: settings.storeTimeout, uniqueValues: settings.encryption !== "off" };
  const needsNoGuard = bareStore.inProcess || bareStore.inCookie;
  const store = needsNoGuard ? bareStore : guarded(bareStore, guardOptions, events);
  const office = ticketOffice(settings.secrets);
  const jar = cookieJar(options.cookie);
  const seal = compressing(cipher(settings.encryption, settings.secrets), options.compress, settings.maxSize);
  const commits = new CommitQueue();
  const [ownerName, ...formerOwnerNames] = settings.secrets.map(ownerNames);
  const shared = {
    ...settings,
    store,
    countsRevisions: store.refresh !== undefined,
    office,
    jar,
    events,
    commits,
    cipher: seal,
    ownerName: ownerName!,
  };
  const context: SessionContext = { ...shared, leases: new Leases(shared, settings.leaseLimits) };
  const stopSweeping = sweepRegularly();
  let closing: Promise<void> | undefined;

  /** Where the browser carries its session, each request has a store of its own. */
  function requestContext(): SessionContext {
    if (!bareStore.inCookie) return context;
    const carried = new CarriedStore(seal);
    return { ...context, store: carried, carried, commits: new CommitQueue(), cipher: cipher("off", []) };
  }

  async function find(
    context: SessionContext,
    ticket: Ticket,
    marks: readonly string[],
    isFresh = false,
  ): Promise<Found | undefined> {
    const { store } = context;
    const now = Date.now();
    const touchUntil = now + settings.idleTimeout;
    const isPastCopies = isFresh && store.refresh !== undefined;
    let stored = await (isPastCopies ? store.refresh!(ticket.key, touchUntil) : store.read(ticket.key, touchUntil));
    let record = stored && openRecord(context, stored, ticket);
    if (context.countsRevisions && record !== undefined && (record.revision ?? 1) < lastSeen(marks, ticket.key)) {
      stored = await store.refresh!(ticket.key, touchUntil);
      record = stored && openRecord(context, stored, ticket);
    }
    if (stored === undefined || record === undefined) return undefined;
    const { version, expiresAt } = stored;
    if (record.createdAt + settings.absoluteTimeout > now) return { ticket, record, version, expiresAt };
    if (await store.delete(ticket.key, version)) events.ended(ticket.key, "expired", record);
    return undefined;
  }

  function factsOf(source: CookieSource, { mode, secure }: OpenOptions): RequestFacts {
    if (mode !== undefined && !MODES.includes(mode)) {
      throw new OptionError("mode", mode, 'use "merge", "exclusive", "readonly".');
    }
    if (bareStore.inCookie && (mode ?? settings.mode) === "exclusive") {
      throw new OptionError("mode", mode, "a session in a cookie can't be locked: take a store.");
    }
    const isHttps = secure ?? isSecure(source);
    if (closing) throw new StoreError("coatcheck: the sessions are closed, since this server is about to stop");
    const marks = context.countsRevisions ? jar.findMarks(cookieHeader(source), isHttps) : NO_MARKS;
    return { mode: settings.mode === "off" ? "off" : (mode ?? settings.mode), secure: isHttps, marks };
  }

  /** The usual: no ticket, or one that is good, for a store that answers at once. */
  function openAtOnce(source: CookieSource, options: OpenOptions = NO_OPTIONS): RequestSession | undefined {
    if (bareStore.inCookie) return undefined;
    const facts = factsOf(source, options);
    const texts = jar.find(cookieHeader(source), facts.secure);
    if (texts.length === 0) return new RequestSession(context, facts, undefined);
    if (store.atOnce === undefined || texts.length > 1) return undefined;
    if (facts.mode === "off" || facts.mode === "exclusive") return undefined;
    const ticket = office.check(texts[0]!);
    if (ticket === undefined) return undefined;
    const now = Date.now();
    const stored = store.atOnce.read(ticket.key, now + settings.idleTimeout);
    const record = stored && openRecord(context, stored, ticket);
    if (record === undefined || record.createdAt + settings.absoluteTimeout <= now) return undefined;
    if (context.countsRevisions && (record.revision ?? 1) < lastSeen(facts.marks, ticket.key)) return undefined;
    const { version, expiresAt } = stored!;
    return new RequestSession(context, facts, { ticket, record, version, expiresAt });
  }

  async function open(source: CookieSource, options: OpenOptions = NO_OPTIONS) {
    const facts = factsOf(source, options);
    const context = requestContext();
    if (facts.mode === "off") return new RequestSession(context, facts, undefined);
    const { marks } = facts;
    let ended: string[] | undefined;
    for (const text of jar.find(cookieHeader(source), facts.secure)) {
      const ticket = office.check(context.carried ? text.slice(0, TICKET_CHARS) : text);
      if (ticket === undefined) {
        events.emit("forged", {});
        continue;
      }
      if (ended?.length === MAX_TICKETS) break;
      try {
        if (facts.mode === "exclusive") {
          const lease = await claim(ticket, marks, source);
          if (lease !== undefined) return new RequestSession(context, facts, lease.found, lease);
        } else {
          if (context.carried !== undefined && !unpack(context.carried, ticket, text)) continue;
          const found = await find(context, ticket, marks);
          if (found !== undefined) return new RequestSession(context, facts, found);
        }
      } catch (error) {
        if (settings.onStoreError === "fail" || !(error instanceof StoreError)) throw error;
        return new RequestSession(context, { ...facts, storeIsDown: true }, undefined);
      }
      ended ??= [];
      ended.push(ticket.key);
    }
    return new RequestSession(context, ended === undefined ? facts : { ...facts, ended }, undefined);
  }

  function unpack(carried: CarriedStore, ticket: Ticket, text: string): boolean {
    try {
      carried.unpack(ticket, text.slice(TICKET_CHARS));
      return true;
    } catch (error) {
      events.emit("unreadable", { id: ticket.key, error });
      return false;
    }
  }

  /** A session that was not there was not claimed either, and a new one belongs to its request anyway. */
  function claim(ticket: Ticket, marks: readonly string[], source: CookieSource): Promise<Lease | undefined> {
    return context.leases.take(ticket.key, () => find(context, ticket, marks, true), leaving(ticket, source));
  }

  /** A record whose ticket is not at hand, or undefined if it can't be opened without. */
  function openWithoutTicket(key: string, value: Uint8Array): SessionRecord | undefined {
    if (!seal.canOpen({ key })) return undefined;
    try {
      return SessionRecord.read(seal.open(value, { key }));
    } catch (error) {
      events.emit("unreadable", { id: key, error });
      return undefined;
    }
  }

  function need<Ability extends "list" | "claimExpired">(call: string, ability: Ability) {
    const method = store[ability];
    if (method === undefined) throw new CapabilityError(`sessions.${call}()`, ability);
    return method as NonNullable<SessionStore[Ability]>;
  }

  async function* keysOf(call: string, owner: string): AsyncGenerator<string> {
    for (const nameOf of [ownerName!, ...formerOwnerNames]) {
      for await (const { key } of need(call, "list")({ owner: nameOf(owner) })) yield key;
    }
  }

  async function* list({ owner }: { owner?: string } = {}): AsyncGenerator<SessionInfo<Data>> {
    const keys = owner === undefined ? entryKeys(need("list", "list")({})) : keysOf("list", owner);
    for await (const key of keys) {
      const stored = await store.read(key);
      const record = stored && openWithoutTicket(key, stored.value);
      if (stored === undefined) continue;
      const expiresAt = Math.min(stored.expiresAt, (record?.createdAt ?? Infinity) + settings.absoluteTimeout);
      if (expiresAt <= Date.now()) continue;
      yield {
        id: key,
        expiresAt,
        data: (record?.data() ?? {}) as Partial<Data>,
        ...(record !== undefined && { createdAt: record.createdAt }),
        ...(record?.owner !== undefined && { owner: record.owner }),
      };
    }
  }

  async function revoke(id: string): Promise<boolean> {
    if (!isKey(id)) return false;
    // What was in it is for those who listen.
    const stored = events.hears("end") ? await store.read(id) : undefined;
    if (!(await store.delete(id))) return false;
    events.ended(id, "revoked", stored && openWithoutTicket(id, stored.value));
    return true;
  }

  async function revokeAllBut(call: string, owner: string, spared?: string): Promise<number> {
    let revoked = 0;
    let emptyRounds = 0;
    // A session that is regenerated while a round passes may be missed under both its keys, but not twice in a row.
    for (let round = 0; round < REVOKE_ROUNDS && emptyRounds < 2; round++) {
      emptyRounds++;
      for await (const key of keysOf(call, owner)) {
        if (key === spared) continue;
        emptyRounds = 0;
        if (await revoke(key)) revoked++;
      }
    }
    return revoked;
  }

  async function sweep(): Promise<number> {
    const claimExpired = need("sweep", "claimExpired");
    let total = 0;
    for (;;) {
      const claimed = await claimExpired(Date.now(), SWEEP_BATCH);
      const sessions = claimed.filter(({ key }) => isKey(key));
      if (events.hears("end")) {
        for (const { key, value } of sessions) events.ended(key, "expired", openWithoutTicket(key, value));
      }
      total += sessions.length;
      if (claimed.length < SWEEP_BATCH) return total;
      await new Promise(setImmediate); // requests go first
    }
  }

  /** Every server sweeps; their clocks are kept apart by chance, so that they do not all do it at once. */
  function sweepRegularly(): () => void {
    const { sweepInterval } = settings;
    if (sweepInterval === undefined || store.claimExpired === undefined) return () => {};
    let timer: NodeJS.Timeout;
    let stopped = false;
    const next = () => {
      if (stopped) return;
      const pause = sweepInterval * (0.75 + Math.random() / 2);
      timer = setTimeout(run, Math.min(pause, LONGEST_TIMER)).unref();
    };
    // A failure is reported by the guard, and the next round tries again.
    const run = () => void sweep().then(next, next);
    next();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }

  async function close(): Promise<void> {
    stopSweeping();
    // Requests that are under way may commit, as long as there are some, but a store that hangs is not waited for.
    const patience = Math.min(settings.storeTimeout, LONGEST_TIMER);
    const finished = commits.idle().then(() => context.leases.close());
    try {
      await Promise.race([finished, sleep(patience, undefined, { ref: false })]);
    } finally {
      await store.close();
    }
  }

  return {
    open: open as unknown as Sessions<Data>["open"],
    openAtOnce: openAtOnce as unknown as Sessions<Data>["openAtOnce"],
    list,
    revoke,
    revokeAll: (owner) => revokeAllBut("revokeAll", owner),

    async revokeOthers({ id, owner }) {
      return owner === undefined ? 0 : revokeAllBut("revokeOthers", owner, id);
    },

    async count() {
      let count = 0;
      for await (const _ of entryKeys(need("count", "list")({}))) count++;
      return count;
    },

    sweep,
    on: (name, listener) => events.on(name, listener),

    close() {
      closing ??= close();
      return closing;
    },
  };
}

/** Of sessions only; see replaced.ts for what else there is. */
async function* entryKeys(entries: AsyncIterable<{ key: string }>): AsyncGenerator<string> {
  for await (const { key } of entries) if (isKey(key)) yield key;
}

function cookieHeader(source: CookieSource): string | null | undefined {
  if (typeof source !== "object" || source === null) return source;
  return isRequest(source) ? source.headers.get("cookie") : source.headers.cookie;
}

/** A proxy in front tells by X-Forwarded-Proto. Who forges that header gets a cookie that only https brings back. */
function isSecure(source: CookieSource): boolean {
  if (typeof source !== "object" || source === null) return false;
  if (isRequest(source)) {
    return source.url.startsWith("https:") || saysHttps(source.headers.get("x-forwarded-proto"));
  }
  const { headers, socket } = source;
  return (socket as { encrypted?: boolean } | null)?.encrypted === true || saysHttps(headers["x-forwarded-proto"]);
}

/** Several proxies make a list, of which the first saw the browser. */
function saysHttps(proto: string | string[] | null | undefined): boolean {
  return proto !== undefined && proto !== null && /^https *(,|$)/.test(String(proto));
}

/** Tells when the client of a request goes away. */
function leaving({ key }: Ticket, source: CookieSource): Leaving | undefined {
  if (typeof source !== "object" || source === null) return undefined;
  return (left) => {
    const leave = () => left(new ClientGoneError(key));
    if (isRequest(source)) {
      const { signal } = source;
      if (signal?.aborted) leave();
      signal?.addEventListener("abort", leave, { once: true });
      return () => signal?.removeEventListener("abort", leave);
    }
    // In HTTP/2 the connection is shared, and the request has a stream of its own.
    const channel = (source as { stream?: IncomingMessage["socket"] }).stream ?? source.socket;
    if (channel?.destroyed) leave();
    channel?.once("close", leave);
    return () => void channel?.off("close", leave);
  };
}

function isRequest(source: CookieSource & object): source is RequestLike {
  return typeof source.headers.get === "function";
}
