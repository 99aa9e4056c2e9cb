import { CarriedStore } from "./carried.ts";
import { cipher } from "./cipher.ts";
import { CommitQueue } from "./commits.ts";
import type { SessionContext } from "./context.ts";
import { type CookieSource, cookieHeader, isSecure, leaving } from "./cookie-source.ts";
import { OptionError, StoreError } from "./errors.ts";
import { lastSeen } from "./marks.ts";
import type { SessionRecord } from "./record.ts";
import { RequestSession } from "./request-session.ts";
import { MODES, type Mode } from "./session.ts";
import type { RequestFacts } from "./session-state.ts";
import { TICKET_CHARS, type Ticket } from "./ticket.ts";
import { type Found, openRecord } from "./writes.ts";

export interface OpenOptions {
  /** How this request uses the session. Default: the application's `mode`. */
  mode?: Mode;
  /** True if the request came over https. Default: told by the source; a bare Cookie header can't tell: false. */
  secure?: boolean;
}

const NO_MARKS: readonly string[] = [];
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

  /** The usual: no ticket, or one that is good, for a store that answers at once. Undefined: `open` has to. */
  openAtOnce(source: CookieSource, options: OpenOptions = NO_OPTIONS): RequestSession | undefined {
    const facts = this.#facts(source, options);
    const context = this.#requestContext();
    const { jar, office, idleTimeout } = context;
    const texts = jar.find(cookieHeader(source), facts.secure);
    if (texts.length === 0) return new RequestSession(context, facts, undefined);
    if (context.store.atOnce === undefined || texts.length > 1) return undefined;
    if (facts.mode === "off" || facts.mode === "exclusive") return undefined;
    const ticket = office.check(ticketText(context, texts[0]!));
    if (ticket === undefined || unpack(context, ticket, texts[0]!) !== undefined) return undefined;
    const now = Date.now();
    const stored = context.store.atOnce.read(ticket.key, now + idleTimeout);
    const record = stored && openRecord(context, stored, ticket);
    if (record === undefined || isOver(context, record, now) || isBehind(context, record, facts, ticket))
      return undefined;
    const { version, expiresAt } = stored!;
    return new RequestSession(context, facts, { ticket, record, version, expiresAt });
  }

  async open(source: CookieSource, options: OpenOptions = NO_OPTIONS): Promise<RequestSession> {
    const facts = this.#facts(source, options);
    const context = this.#requestContext();
    if (facts.mode === "off") return new RequestSession(context, facts, undefined);
    let ended: string[] | undefined;
    for (const text of context.jar.find(cookieHeader(source), facts.secure)) {
      const ticket = context.office.check(ticketText(context, text));
      if (ticket === undefined) {
        context.events.emit("forged", {});
        continue;
      }
      if (ended?.length === MAX_TICKETS) break;
      const error = unpack(context, ticket, text);
      if (error !== undefined) {
        context.events.emit("unreadable", { id: ticket.key, error });
        continue;
      }
      try {
        const opened = await this.#openTicket(context, facts, ticket, source);
        if (opened !== undefined) return opened;
      } catch (error) {
        if (this.#onStoreError === "fail" || !(error instanceof StoreError)) throw error;
        return new RequestSession(context, { ...facts, storeIsDown: true }, undefined);
      }
      ended ??= [];
      ended.push(ticket.key);
    }
    return new RequestSession(context, ended === undefined ? facts : { ...facts, ended }, undefined);
  }

  /** From now on no session is opened. */
  close(): void {
    this.#isClosed = true;
  }

  async #openTicket(context: SessionContext, facts: RequestFacts, ticket: Ticket, source: CookieSource) {
    if (facts.mode !== "exclusive") {
      const found = await find(context, facts, ticket);
      return found && new RequestSession(context, facts, found);
    }
    // A session that was not there was not claimed either, and a new one belongs to its request anyway.
    const lease = await context.leases.take(
      ticket.key,
      () => find(context, facts, ticket, true),
      leaving(ticket, source),
    );
    return lease && new RequestSession(context, facts, lease.found, lease);
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
  const isPastCopies = isFresh && store.refresh !== undefined;
  let stored = await (isPastCopies ? store.refresh!(ticket.key, touchUntil) : store.read(ticket.key, touchUntil));
  let record = stored && openRecord(context, stored, ticket);
  if (record !== undefined && isBehind(context, record, facts, ticket)) {
    stored = await store.refresh!(ticket.key, touchUntil);
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

/** The ticket in a cookie's value, behind which the session itself may come. */
function ticketText({ carried }: SessionContext, text: string): string {
  return carried === undefined ? text : text.slice(0, TICKET_CHARS);
}

/** Takes the session out of a cookie that carries it. Gives what was wrong with it. */
function unpack({ carried }: SessionContext, ticket: Ticket, text: string): unknown {
  try {
    carried?.unpack(ticket, text.slice(TICKET_CHARS));
    return undefined;
  } catch (error) {
    return error;
  }
}
