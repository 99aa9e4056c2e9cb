// Opens a request's session: from its cookies to what the application gets.

import { CommitQueue } from "../commit/commit-queue.ts";
import { type CookieSource, cookieHeader, isSecure } from "../cookies/request-source.ts";
import { TICKET_CHARS, type Ticket } from "../cookies/ticket.ts";
import { ticketInHeader } from "../cookies/ticket-header.ts";
import { StoreError } from "../errors.ts";
import { channelOf } from "../events.ts";
import { cipher } from "../records/cipher.ts";
import { findRecord, findRecordSync, type LoadedRecord } from "../records/record-store.ts";
import { isRenewalUrgent, renewOnOpen } from "../records/renew-on-open.ts";
import { isReplaced, serialToGive } from "../records/ticket-age.ts";
import type { Mode } from "../session.ts";
import type { RequestTakeover } from "../takeover/request-takeover.ts";
import type { Takeover } from "../takeover/takeover.ts";
import { checkMode } from "./check-mode.ts";
import type { SessionContext } from "./context.ts";
import type { RequestInfo } from "./request-info.ts";
import { RequestSession } from "./request-session.ts";
import { SealedCookieStore } from "./sealed-cookie-store.ts";
import { minRevision, takeLease } from "./take-lease.ts";

export interface OpenOptions {
  /** How this request uses the session. Default: the application's `mode`. */
  mode?: Mode;
  /**
   * False: the request does not extend the session's life, unless it changes the session or holds it exclusively. For
   * pages that poll: an open tab must not keep its user logged in. Default: true.
   */
  extend?: boolean;
  /** True if the request came over https. Default: as the source says; a bare Cookie header can't say: false. */
  secure?: boolean;
}

const NONE: readonly string[] = [];
const NO_OPTIONS: OpenOptions = {};
const PLAIN = cipher("off", []);
const opens = channelOf("open");
// Browsers send two or three, for several paths. A browser that has collected hundreds of dead tickets must not cause
// hundreds of reads.
const MAX_TICKETS = 5;

export class Opener {
  readonly #context: SessionContext;
  readonly #mode: Mode | "off";
  readonly #onStoreError: "fail" | "anonymous";
  /** Undefined: no other package's sessions are taken over. */
  readonly #takeover: Takeover | undefined;
  #isClosed = false;

  constructor(
    context: SessionContext,
    settings: { mode: Mode | "off"; onStoreError: "fail" | "anonymous" },
    takeover?: Takeover,
  ) {
    this.#context = context;
    this.#takeover = takeover;
    this.#mode = settings.mode;
    this.#onStoreError = settings.onStoreError;
  }

  /** The session of a request. Without a promise where nothing has to be waited for. */
  open(source: CookieSource, options: OpenOptions = NO_OPTIONS): RequestSession | Promise<RequestSession> {
    const info = this.#requestInfo(source, options);
    if (opens.hasSubscribers) opens.publish({});
    const context = this.#requestContext();
    const texts = info.mode === "off" ? NONE : ticketTexts(context, info, source);
    if (this.#takeover !== undefined && info.mode !== "off" && !info.usesHeader) {
      const legacy = this.#takeover.of(cookieHeader(source));
      if (legacy !== undefined) return this.#openTakingOver(context, { ...info, legacy }, texts, legacy);
    }
    if (texts.length === 0) return new RequestSession(context, info, undefined);
    const first = verified(context, texts[0]!);
    if (texts.length === 1 && info.mode !== "exclusive") {
      if (first === undefined) return new RequestSession(context, info, undefined);
      const loaded = context.clock.isReady
        ? findRecordSync(context, first, minRevision(context, info, first), info.extend)
        : undefined;
      if (loaded !== undefined && isUsual(context, info, loaded)) return new RequestSession(context, info, loaded);
    }
    if (texts.length === 1) return this.#openOneOf(context, info, texts, first);
    return this.#openOneOf(context, info, texts, first).then((session) => {
      const opened = session.isNew ? {} : { id: session.id };
      context.events.emit("duplicateCookies", { count: texts.length, ...opened });
      return session;
    });
  }

  /** The session of a request that has to do with another package's. */
  async #openTakingOver(
    context: SessionContext,
    info: RequestInfo,
    texts: readonly string[],
    legacy: RequestTakeover,
  ): Promise<RequestSession> {
    try {
      await context.clock.ready();
      const presented = texts.slice(0, MAX_TICKETS).map((text) => context.signer.verify(text));
      const ticket = await legacy.ticket(presented.filter((one) => one !== undefined));
      if (ticket !== undefined) return this.#openOneOf(context, info, [ticket.text], ticket);
    } catch (error) {
      return this.#withoutStore(context, info, error);
    }
    return this.#openOneOf(context, info, texts, texts.length === 0 ? undefined : verified(context, texts[0]!));
  }

  async #openOneOf(
    context: SessionContext,
    info: RequestInfo,
    texts: readonly string[],
    first: Ticket | undefined,
  ): Promise<RequestSession> {
    const endedKeys: string[] = [];
    try {
      const ready = context.clock.ready();
      if (ready !== undefined) await ready;
    } catch (error) {
      return this.#withoutStore(context, info, error);
    }
    for (const [i, text] of texts.entries()) {
      const ticket = i === 0 ? first : verified(context, text);
      if (ticket === undefined) continue;
      try {
        const lease = info.mode === "exclusive" ? await takeLease(context, info, ticket) : undefined;
        let loaded = lease && { ...lease.loaded, ticket }; // the lease may come from a request with another renewal
        if (info.mode !== "exclusive") {
          const revision = minRevision(context, info, ticket);
          loaded = await findRecord(context, ticket, revision, info.extend);
          if (loaded !== undefined && mayBeOutdated(context, loaded)) {
            loaded = await findRecord(context, ticket, revision, info.extend, true);
          }
        }
        if (loaded !== undefined && isReplaced(context.clock, ticket, loaded.record)) {
          await lease?.release();
          loaded = undefined;
        }
        const isUrgent = loaded !== undefined && info.extend && isRenewalUrgent(context, loaded, context.clock.now());
        if (isUrgent && lease === undefined) loaded = await renewOnOpen(context, loaded!);
        if (loaded !== undefined) return new RequestSession(context, info, loaded, lease);
      } catch (error) {
        return this.#withoutStore(context, info, error);
      }
      if (endedKeys.push(ticket.key) === MAX_TICKETS) break;
    }
    return new RequestSession(context, endedKeys.length === 0 ? info : { ...info, endedKeys }, undefined);
  }

  /** A request goes on without its session, if the application wants that. @throws the error, if it does not */
  #withoutStore(context: SessionContext, info: RequestInfo, error: unknown): RequestSession {
    if (this.#onStoreError === "fail" || !(error instanceof StoreError)) throw error;
    return new RequestSession(context, { ...info, storeIsDown: true }, undefined);
  }

  /** True if the session is one of these. */
  owns(session: unknown): session is RequestSession {
    return session instanceof RequestSession && session.isOf(this.#context.events);
  }

  /** From now on no session is opened. */
  close(): void {
    this.#isClosed = true;
  }

  /** Where the browser carries its session, each request has a store of its own. */
  #requestContext(): SessionContext {
    const context = this.#context;
    if (!context.store.inCookie) return context;
    const sealedCookie = new SealedCookieStore(context.cipher);
    const commits = new CommitQueue(context.inFlight);
    return { ...context, store: sealedCookie, sealedCookie, commits, cipher: PLAIN };
  }

  #requestInfo(source: CookieSource, { mode = this.#mode as Mode, extend = true, secure }: OpenOptions): RequestInfo {
    const { cookie, countsRevisions, transport } = this.#context;
    if (mode !== this.#mode) checkMode(this.#context, mode as Mode);
    if (this.#isClosed) {
      throw new StoreError("coatcheck: no session can be opened: sessions.close() was called, as this server stops.");
    }
    const isHttps = secure ?? (cookie.followsProtocol && isSecure(source));
    const revisions = countsRevisions ? cookie.findRevisions(cookieHeader(source), isHttps) : NONE;
    const usesHeader = ticketInHeader(transport, source) !== undefined;
    return { source, mode: this.#mode === "off" ? "off" : mode, secure: isHttps, extend, usesHeader, revisions };
  }
}

/** True if the session needs no care before the request gets it. */
function isUsual(context: SessionContext, { extend }: RequestInfo, loaded: LoadedRecord): boolean {
  const { ticket, record } = loaded;
  if (ticket.renewal?.serial !== record.terms?.renewals && isReplaced(context.clock, ticket, record)) return false;
  if (mayBeOutdated(context, loaded)) return false;
  return !(extend && isRenewalUrgent(context, loaded, context.clock.now()));
}

/** True if the ticket of a cached entry is so old that another server may know of its end. */
function mayBeOutdated(context: SessionContext, { ticket, record }: LoadedRecord): boolean {
  if (context.renewAfter === undefined || context.store.refresh === undefined) return false;
  return serialToGive(context, ticket, record) !== undefined;
}

/** The tickets that a request presents. None of them is verified yet. */
function ticketTexts(
  { cookie, transport }: SessionContext,
  { secure }: RequestInfo,
  source: CookieSource,
): readonly string[] {
  const inHeader = ticketInHeader(transport, source);
  if (inHeader === undefined) return cookie.find(cookieHeader(source), secure);
  return inHeader === "" ? NONE : [inHeader];
}

/** The ticket in a cookie's value, if its MAC is right. The session itself may follow it. */
function verified({ signer, sealedCookie, events }: SessionContext, text: string): Ticket | undefined {
  const ticket = signer.verify(sealedCookie === undefined ? text : text.slice(0, TICKET_CHARS));
  // Some clients send a removed cookie without its value: nobody has forged it.
  if (ticket === undefined && text === "") return undefined;
  if (ticket === undefined) {
    events.emit("forged", {});
    return undefined;
  }
  try {
    sealedCookie?.unpack(ticket, text.slice(TICKET_CHARS));
    return ticket;
  } catch (error) {
    events.emit("unreadable", { id: ticket.key, error });
    return undefined;
  }
}
