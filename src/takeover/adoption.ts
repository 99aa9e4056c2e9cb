// Makes a session of an old one, once.

import type { BuilderContext } from "../commit/record-builder.ts";
import type { RegenerateContext } from "../commit/regenerate.ts";
import { wasRegenerated } from "../commit/regeneration-marker.ts";
import type { Ticket } from "../cookies/ticket.ts";
import { reasonOf, SessionTooLargeError, StoreError, UnstorableValueError } from "../errors.ts";
import type { LegacySource, OldSession } from "../legacy/source.ts";
import { SessionExpiry } from "../records/expiry.ts";
import { checkedOwner } from "../records/owner-hash.ts";
import { longestLife, type PolicyName } from "../records/policy.ts";
import { LEGACY, nextRevision, RESERVED, SessionRecord } from "../records/record.ts";
import { sealRecord } from "../records/record-store.ts";
import { NO_TERMS, termsOf } from "../records/terms.ts";
import { encode } from "../records/value-codec.ts";
import { withTimeout } from "../util/timeout.ts";
import { candidate, claim, claimed, claimKey } from "./claim.ts";
import { hashesOf, type Link, noteOf, shortHash, withOwnNote, withoutNote } from "./link.ts";

/** What taking over needs of the application. */
export interface TakeoverContext extends RegenerateContext, BuilderContext {
  readonly application: string;
  readonly policy: PolicyName | undefined;
}

export interface Taken {
  readonly ticket: Ticket;
  /** True if the old session has only now become this one. */
  readonly isNew: boolean;
}

// A claim lasts as long as a browser keeps a cookie (RFC 6265bis 5.6), or until the old session's own end.
const CLAIM_MS = 400 * 86_400_000;

/** Old sessions become sessions, each once: in this process by the map, and on the farm by the claim. */
export class Adoption {
  readonly #context: TakeoverContext;
  readonly #pending = new Map<string, Promise<Taken | undefined>>();
  /** The application's, in the notes of its copies. */
  readonly mark: string;

  constructor(context: TakeoverContext) {
    this.#context = context;
    this.mark = shortHash(context.application);
  }

  /** The session of an old one. It may have ended since. Undefined: there is nothing to take over. @throws StoreError */
  take(source: LegacySource, found: string): Promise<Taken | undefined> {
    const key = claimKey(this.#context, source, found);
    const pending = this.#pending.get(key);
    if (pending !== undefined) return pending;
    const taken = this.#context.inFlight.track(this.#take(source, found)).finally(() => this.#pending.delete(key));
    this.#pending.set(key, taken);
    return taken;
  }

  async #take(source: LegacySource, found: string): Promise<Taken | undefined> {
    const context = this.#context;
    // What a cookie holds is checked without the store.
    let old = source.inCookie ? await this.read(source, found) : undefined;
    if (source.inCookie && old === undefined) return undefined;
    const known = await claimed(context, source, found);
    if (known === "unknown") return undefined;
    if (known !== undefined) return { ticket: known, isNew: false };
    old ??= await this.read(source, found);
    if (old === undefined) return this.#winner(source, found); // the server that has claimed it since has ended it there
    const note = noteOf(old);
    if (note === undefined) return this.#create(source, found, old);
    // A copy of a session whose ticket the browser does not have: it ends with that session.
    const isAlive = (await context.store.read(note.session)) !== undefined;
    if (!isAlive && !(await wasRegenerated(context.store, [note.session]))) await this.end(source, found);
    return undefined;
  }

  async #create(source: LegacySource, found: string, old: OldSession): Promise<Taken | undefined> {
    const context = this.#context;
    const { store, clock, events } = context;
    const made = candidate(context, source, found);
    const { ticket } = made;
    const expiry = new SessionExpiry(context, undefined);
    let record: SessionRecord;
    try {
      record = recordOf(context, source, found, old, expiry);
    } catch (error) {
      if (!(error instanceof SessionTooLargeError || error instanceof UnstorableValueError)) throw error;
      events.emit("unreadable", { id: ticket.key, error });
      return undefined;
    }
    const left = old.endsAt === undefined ? Infinity : old.endsAt - Date.now();
    const expiresAt = Math.min(expiry.latest(), clock.now() + left);
    await store.create(ticket.key, sealRecord(context, record, ticket, expiresAt));
    // If this fails, the claim may be there all the same: the session has to stay, and expires if nobody has it.
    const lasts = old.rolls || !source.inCookie ? CLAIM_MS : Math.min(left, CLAIM_MS);
    if (!(await claim(context, source, found, made, clock.now() + lasts))) {
      await store.delete(ticket.key);
      return this.#winner(source, found);
    }
    events.emit("start", { id: ticket.key });
    if (source.keepFor === undefined) await this.end(source, found);
    return { ticket, isNew: true };
  }

  /** What another caller has made of an old session. */
  async #winner(source: LegacySource, found: string): Promise<Taken | undefined> {
    const ticket = await claimed(this.#context, source, found);
    return ticket === undefined || ticket === "unknown" ? undefined : { ticket, isNew: false };
  }

  /** @throws StoreError if the old package's store fails. */
  async read(source: LegacySource, found: string): Promise<OldSession | undefined> {
    const old = await this.ask(source, "read", () => source.read(found));
    return old && withOwnNote(old, this.mark);
  }

  /** Ends an old session. If that fails, its claim still keeps it from coming back here. */
  async end(source: LegacySource, found: string): Promise<boolean> {
    return this.ask(source, "delete", () => source.end(found)).then(
      () => true,
      () => false,
    );
  }

  /** A call to the old package, within the time limit of the store. A failure is reported. @throws StoreError */
  async ask<Result>(source: LegacySource, operation: string, call: () => Promise<Result>): Promise<Result> {
    const { storeTimeout } = this.#context;
    const late = () => new Error(`it took longer than ${storeTimeout} ms`);
    try {
      return await withTimeout(call(), storeTimeout, late);
    } catch (cause) {
      throw this.report(source, operation, cause);
    }
  }

  /** Reports a failure, and returns it. A StoreError was reported before. */
  report(source: LegacySource, operation: string, cause: unknown): StoreError {
    if (cause instanceof StoreError) return cause;
    const error = new StoreError(
      `coatcheck: ${source.package} can't ${operation} the old session: ${reasonOf(cause)}`,
      cause,
    );
    this.#context.events.emit("storeError", { operation: `${operation} the old session`, error });
    return error;
  }
}

/** The record of a session that goes on from an old one. Nobody was authenticated by that. */
function recordOf(
  context: TakeoverContext,
  source: LegacySource,
  found: string,
  old: OldSession,
  expiry: SessionExpiry,
): SessionRecord {
  const { clock, maxSize, countsRevisions, cookie } = context;
  const { data, owner } = source.adopt(withoutNote(old.data));
  const [ownerId] = checkedOwner(owner);
  const terms = termsOf({ ...NO_TERMS, lifetime: lifetimeOf(context, old) });
  const createdAt = clock.now();
  expiry.follow({ createdAt, terms });
  const keepsCookie = cookie.maxAge !== undefined || terms?.lifetime !== undefined;
  const meta = {
    createdAt,
    renewedAt: keepsCookie ? createdAt : undefined,
    sealedUntil: expiry.sealedUntil(),
    revision: countsRevisions ? nextRevision(undefined) : undefined,
    lease: undefined,
    terms,
    owner: ownerId,
  };
  const texts = textsOf(data, maxSize);
  const isKept = source.keepFor !== undefined;
  const link: Link = {
    package: source.package,
    id: source.inCookie ? undefined : found,
    since: createdAt,
    ...(isKept && !source.inCookie && { base: hashesOf(withoutNote(old.data)) }),
    ...(!isKept && { isOver: true }),
  };
  if (isKept || terms !== undefined) texts.push({ key: LEGACY, after: encode(LEGACY, link) });
  const record = SessionRecord.write(meta, undefined, texts);
  if (record.bytes.length > maxSize) throw new SessionTooLargeError(record.bytes.length, maxSize, record.largest());
  return record;
}

function textsOf(data: Record<string, unknown>, maxSize: number): { key: string; after: string }[] {
  return Object.entries(data)
    .filter(([key, value]) => !key.startsWith(RESERVED) && value !== undefined)
    .map(([key, value]) => ({ key, after: encode(key, value, maxSize) }));
}

/** A session with an end that no use moves on keeps that end. Others go by the application's timeouts from now on. */
function lifetimeOf(context: TakeoverContext, { endsAt, rolls }: OldSession) {
  if (endsAt === undefined || rolls) return undefined;
  const left = Math.max(1, Math.min(Math.round(endsAt - Date.now()), longestLife(context.policy, context)));
  return { idleTimeout: left, absoluteTimeout: left };
}
