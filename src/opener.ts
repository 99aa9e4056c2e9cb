import { CarriedStore } from "./carried.ts";
import { cipher } from "./cipher.ts";
import { CommitQueue } from "./commits.ts";
import type { SessionContext } from "./context.ts";
import { type CookieSource, cookieHeader, isSecure, leaving } from "./cookie-source.ts";
import { OptionError, StoreError } from "./errors.ts";
import type { Lease } from "./lease.ts";
import { lastSeen } from "./marks.ts";
import { readPastCopies } from "./past-copies.ts";
import type { SessionRecord } from "./record.ts";
import { RequestSession } from "./request-session.ts";
import { MODES, type Mode } from "./session.ts";
import type { RequestFacts } from "./session-state.ts";
import { type Found, opened, openRecord } from "./stored-record.ts";
import { TICKET_CHARS, type Ticket } from "./ticket.ts";

export interface OpenOptions {
  /** How this request uses the session. Default: the application's `mode`. */
  mode?: Mode;
  /** True if the request came over https. Default: told by the source; a bare Cookie header can't tell: false. */
  secure?: boolean;
}

const NO_MARKS: readonly string[] = [];
const NO_TEXTS: readonly string[] = [];
const NO_OPTIONS: OpenOptions = {};
const PLAIN = cipher("off", []);
// Browsers send two or three, for several paths. Who collects hundreds of dead tickets must not make hundreds of reads.
const MAX_TICKETS = 5;

/** The way from a request's cookie to its session. */
export class Opener {
  readonly #context: SessionContext;
  readonly #mode: Mode | "off";
  readonly #onStoreError: "fail" | "anonymous";
  #isClosed = false;

  constructor(context: SessionContext, settings: { mode: Mode | "off"; onStoreError: "fail" | "anonymous" }) {
    this.#context = context;
    this.#mode = settings.mode;
    this.#onStoreError = settings.onStoreError;
  }

  /** The session of a request. Without a promise where none has to be waited for. */
  open(source: CookieSource, options: OpenOptions = NO_OPTIONS): RequestSession | Promise<RequestSession> {
    const facts = this.#facts(source, options);
    const context = this.#requestContext();
    const texts = facts.mode === "off" ? NO_TEXTS : context.jar.find(cookieHeader(source), facts.secure);
    if (texts.length === 0) return new RequestSession(context, facts, undefined);
    const first = ticketIn(context, texts[0]!);
    if (texts.length === 1 && facts.mode !== "exclusive") {
      if (first === undefined) return new RequestSession(context, facts, undefined);
      const found = findAtOnce(context, facts, first);
      if (found !== undefined) return new RequestSession(context, facts, found);
    }
    return this.#openOneOf(context, facts, texts, first, source);
  }

  async #openOneOf(
    context: SessionContext,
    facts: RequestFacts,
    texts: readonly string[],
    first: Ticket | undefined,
    source: CookieSource,
  ): Promise<RequestSession> {
    const ended: string[] = [];
    for (const [i, text] of texts.entries()) {
      const ticket = i === 0 ? first : ticketIn(context, text);
      if (ticket === undefined) continue;
      try {
        const lease = facts.mode === "exclusive" ? await claim(context, facts, ticket, source) : undefined;
        const found = facts.mode === "exclusive" ? lease?.found : await find(context, facts, ticket);
        if (found !== undefined) return new RequestSession(context, facts, found, lease);
      } catch (error) {
        if (this.#onStoreError === "fail" || !(error instanceof StoreError)) throw error;
        return new RequestSession(context, { ...facts, storeIsDown: true }, undefined);
      }
      if (ended.push(ticket.key) === MAX_TICKETS) break;
    }
    return new RequestSession(context, ended.length === 0 ? facts : { ...facts, ended }, undefined);
  }

  /** From now on no session is opened. */
  close(): void {
    this.#isClosed = true;
  }

  /** Where the browser carries its session, each request has a store of its own. */
  #requestContext(): SessionContext {
    const context = this.#context;
    if (!context.store.inCookie) return context;
    const carried = new CarriedStore(context.cipher);
    return { ...context, store: carried, carried, commits: new CommitQueue(), cipher: PLAIN };
  }

  #facts(source: CookieSource, { mode = this.#mode as Mode, secure }: OpenOptions): RequestFacts {
    const { jar, store, countsRevisions } = this.#context;
    if (mode !== this.#mode && !MODES.includes(mode)) {
      throw new OptionError("mode", mode, 'use "merge", "exclusive", "readonly".');
    }
    if (store.inCookie && mode === "exclusive") {
      throw new OptionError("mode", mode, "a session in a cookie can't be locked: take a store.");
    }
    if (this.#isClosed) {
      throw new StoreError("coatcheck: the sessions are closed, since this server is about to stop");
    }
    const isHttps = secure ?? isSecure(source);
    const marks = countsRevisions ? jar.findMarks(cookieHeader(source), isHttps) : NO_MARKS;
    return { mode: this.#mode === "off" ? "off" : mode, secure: isHttps, marks };
  }
}

/** What the store has under a ticket, if it can be told at once and is nothing unusual: `find` sees to that. */
function findAtOnce(context: SessionContext, facts: RequestFacts, ticket: Ticket): Found | undefined {
  const { store, idleTimeout } = context;
  const now = Date.now();
  const stored = store.atOnce?.read(ticket.key, now + idleTimeout);
  if (stored === undefined) return undefined;
  let record: SessionRecord;
  try {
    record = opened(context, stored, ticket);
  } catch {
    return undefined;
  }
  if (isOver(context, record, now) || isBehind(context, record, facts, ticket)) return undefined;
  return { ticket, record, version: stored.version, expiresAt: stored.expiresAt };
}

/** A session that was not there was not claimed either, and a new one belongs to its request anyway. */
function claim(
  context: SessionContext,
  facts: RequestFacts,
  ticket: Ticket,
  source: CookieSource,
): Promise<Lease | undefined> {
  return context.leases.take(ticket.key, () => find(context, facts, ticket, true), leaving(ticket, source));
}

/** What the store has under a ticket; with `isFresh`, past any copy. */
async function find(
  context: SessionContext,
  facts: RequestFacts,
  ticket: Ticket,
  isFresh = false,
): Promise<Found | undefined> {
  const { store, events, idleTimeout } = context;
  const now = Date.now();
  const touchUntil = now + idleTimeout;
  let stored = await (isFresh ? readPastCopies(store, ticket.key, touchUntil) : store.read(ticket.key, touchUntil));
  let record = stored && openRecord(context, stored, ticket);
  if (record !== undefined && isBehind(context, record, facts, ticket)) {
    stored = await readPastCopies(store, ticket.key, touchUntil);
    record = stored && openRecord(context, stored, ticket);
  }
  if (stored === undefined || record === undefined) return undefined;
  const { version, expiresAt } = stored;
  if (!isOver(context, record, now)) return { ticket, record, version, expiresAt };
  if (await store.delete(ticket.key, version)) events.ended(ticket.key, "expired", record);
  return undefined;
}

function isOver({ absoluteTimeout }: SessionContext, { createdAt }: SessionRecord, now: number): boolean {
  return createdAt + absoluteTimeout <= now;
}

/** True if the browser has seen more than this copy. */
function isBehind(
  { countsRevisions }: SessionContext,
  { revision = 1 }: SessionRecord,
  { marks }: RequestFacts,
  { key }: Ticket,
): boolean {
  return countsRevisions && revision < lastSeen(marks, key);
}

/** The good ticket in a cookie's value, behind which the session itself may come. */
function ticketIn({ office, carried, events }: SessionContext, text: string): Ticket | undefined {
  const ticket = office.check(carried === undefined ? text : text.slice(0, TICKET_CHARS));
  if (ticket === undefined) {
    events.emit("forged", {});
    return undefined;
  }
  try {
    carried?.unpack(ticket, text.slice(TICKET_CHARS));
    return ticket;
  } catch (error) {
    events.emit("unreadable", { id: ticket.key, error });
    return undefined;
  }
}
