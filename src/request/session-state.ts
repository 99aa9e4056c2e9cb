// The state of one request's session against the store: read, write, regenerate, destroy.

import { createRecord, createRecordSync } from "../commit/create.ts";
import { type Changes, NO_CHANGES, type UnreadableReport } from "../commit/merge.ts";
import { recordBuilder } from "../commit/record-builder.ts";
import { regenerateLeased, regenerateRecord } from "../commit/regenerate.ts";
import { wasRegenerated } from "../commit/regeneration-marker.ts";
import { updateRecord, updateRecordSync } from "../commit/update.ts";
import type { Ticket } from "../cookies/ticket.ts";
import { StoreError } from "../errors.ts";
import type { Lease } from "../locking/lease.ts";
import { SessionExpiry } from "../records/expiry.ts";
import { resolveWrite } from "../records/indeterminate-write.ts";
import type { SessionRecord } from "../records/record.ts";
import {
  type CreatedRecord,
  type LoadedRecord,
  type RecordBuilder,
  type RecordVersion,
  readRecord,
} from "../records/record-store.ts";
import { reseal } from "../records/renew-on-open.ts";
import { hasNextTicket, serialToGive } from "../records/ticket-age.ts";
import type { TicketHeader } from "../session.ts";
import type { Version } from "../store.ts";
import { accountsOf } from "./accounts.ts";
import { admitRegenerated, needsAdmission, storeWithLeave } from "./admission.ts";
import type { SessionContext } from "./context.ts";
import { endRegenerated } from "./end-regenerated.ts";
import { OnceCall, type OnceRequest } from "./once.ts";
import { PendingWrite, pendingEnded, pendingLostLease, pendingRepeats } from "./pending-write.ts";
import type { Renewable } from "./renewals.ts";
import { detachedError, endedError, storeIsDownError } from "./request-errors.ts";
import type { RequestInfo } from "./request-info.ts";
import { responseCookies, type TicketAction, ticketHeader } from "./response-cookies.ts";
import { takeLease } from "./take-lease.ts";

const NO_COOKIES: string[] = [];

/** The serials of the tickets that responses give. Outside of the object, since few applications renew tickets by age. */
const chosenSerials = new WeakMap<SessionState, { record: SessionRecord; serial: number | undefined }>();

/** A session as it is known here: what opens it again. Version and record are there if it is in the store. */
export interface SessionHandle {
  readonly context: SessionContext;
  readonly mode: RequestInfo["mode"];
  readonly ticket: Ticket | undefined;
  readonly record: SessionRecord | undefined;
  readonly version: Version | undefined;
}

/** A session's ticket and record, in the state that this request last read or wrote. */
export class SessionState implements Renewable, UnreadableReport {
  dueAt = 0;
  before: Renewable | undefined;
  after: Renewable | undefined;
  readonly context: SessionContext;
  readonly info: RequestInfo;
  /** In exclusive mode, until it is released. */
  #lease: Lease | undefined;
  #expiry: SessionExpiry;
  #ticket: Ticket | undefined;
  /** Record and version are there once the session is in the store. */
  #record: SessionRecord | undefined;
  #version: Version | undefined;
  #cookie: TicketAction;
  #isGone = false;
  /** Presented tickets without a session; one may have been regenerated. */
  #endedKeys: readonly string[] | undefined;
  #pending: PendingWrite | undefined;

  constructor(context: SessionContext, info: RequestInfo, loaded: LoadedRecord | undefined, lease: Lease | undefined) {
    this.context = context;
    this.info = info;
    this.#lease = lease;
    this.#ticket = loaded?.ticket;
    this.#record = loaded?.record;
    this.#version = loaded?.version;
    this.#endedKeys = loaded === undefined ? info.endedKeys : undefined;
    this.#expiry = new SessionExpiry(context, loaded);
    if (loaded !== undefined && info.legacy?.issuesTicket) this.#cookie = "issue";
    if (loaded !== undefined && lease === undefined) this.startRenewing();
  }

  get ticket(): Ticket | undefined {
    return this.#ticket;
  }

  /** What the browser has, or gets. A new session has its ticket from the first call on. */
  ticketToBe(): Ticket {
    this.#ticket ??= this.context.signer.issue();
    return this.#ticket;
  }

  get id(): string {
    return this.ticketToBe().key;
  }

  get record(): SessionRecord | undefined {
    return this.#record;
  }

  get isNew(): boolean {
    return this.#version === undefined;
  }

  /** True if the session ended while this request runs. Its writes are dropped. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Undefined if the session has ended. */
  get handle(): SessionHandle | undefined {
    if (this.#isGone) return undefined;
    const { mode } = this.info;
    return { context: this.context, mode, ticket: this.#ticket, record: this.#record, version: this.#version };
  }

  get createdAt(): number {
    return this.#expiry.createdAt;
  }

  get expiresAt(): number {
    return this.#expiry.expiresAt;
  }

  reportUnreadable(key: string, error: unknown): void {
    this.context.events.emit("unreadable", { id: this.id, key, error });
  }

  /** The usual case of `write`, at a store that answers synchronously. False: nothing is done, and `write` has to. */
  writeSync(changes: Changes): boolean {
    if (this.context.store.sync?.update === undefined || this.#isGone) return false;
    if (this.#lease !== undefined || this.info.storeIsDown || this.#endedKeys !== undefined) return false;
    if (needsAdmission(this.context, changes)) return false;
    if (this.info.isDetached && this.#needsCookieFor(changes)) return false;
    if (this.#pending !== undefined || !this.context.clock.isReady) return false;
    const cookieIsDue = this.isNew || changes.terms?.lifetime !== undefined || this.#isCookieDue();
    const written = this.isNew
      ? createRecordSync(this.context, this.#ticket, this.#builder(changes))
      : updateRecordSync(this.context, this.#ticket!, this.#base(), this.#builder(changes));
    if (written === undefined) return false;
    this.#ticket = written.ticket;
    if (cookieIsDue) this.#cookie = "issue";
    this.#adopt(written);
    return true;
  }

  /**
   * Puts the changes into the store. A lease ends with the last write. False: the session is gone, and the changes are
   * dropped.
   */
  async write(changes: Changes, isLast: boolean): Promise<boolean> {
    this.#checkStore();
    if (this.info.isDetached && this.#needsCookieFor(changes)) {
      await this.release();
      throw detachedError("changed");
    }
    if (this.#isGone || (this.#endedKeys && (await wasRegenerated(this.context.store, this.#endedKeys)))) {
      this.#markGone();
      return false;
    }
    let written: RecordVersion | undefined;
    if (this.isNew) {
      const ready = this.context.clock.ready();
      if (ready !== undefined) await ready;
      this.#expiry.restart();
      const created = await this.#create(changes);
      if (created === undefined) {
        this.#markGone();
        return false;
      }
      this.#ticket = created.ticket;
      this.#endedKeys = undefined; // the browser now has this ticket, whatever the others were
      this.#cookie = "issue";
      if (!isLast) this.startRenewing();
      written = created;
    } else {
      if (this.#pending !== undefined) await this.#checkPending(this.#pending, changes, isLast);
      if (changes.terms?.lifetime !== undefined || this.#isCookieDue()) this.#cookie = "issue";
      try {
        const update = () => this.#update(this.#builder(changes), isLast);
        written = await (needsAdmission(this.context, changes)
          ? storeWithLeave(this.context, changes, this.#record, this.id, update)
          : update());
      } catch (error) {
        this.#pending = PendingWrite.after(error, changes, this.#pending);
        if (isLast) await this.release(); // its owner may have been refused before the lease was used
        throw error;
      }
    }
    if (written === undefined) this.#endedMeanwhile();
    else this.#adopt(written);
    return written !== undefined;
  }

  /** A call of `once` from the present state. @throws CoatcheckError if the session has ended. */
  once(request: OnceRequest): OnceCall {
    const loaded = this.loaded;
    if (loaded === undefined) throw endedError();
    return new OnceCall(this.context, request, loaded, this.#lease);
  }

  /** Goes on from what a write beside the request's own has left over `before`; if there were others since, it reads. */
  async follow(left: RecordVersion, before: Version): Promise<void> {
    if (this.#version === before && this.#pending === undefined) this.#adopt(left);
    else await this.reload();
  }

  /** True after a write of unknown outcome: `resolvePending` has to find it out before the next write. */
  get hasPendingWrite(): boolean {
    return this.#pending?.last !== undefined;
  }

  /** The pending changes, if they turn out to be in the store. Undefined: they are not, or it stays unknown. @throws StoreError */
  async resolvePending(): Promise<Changes | undefined> {
    const pending = this.#pending!;
    const { sent, changes } = pending.last!;
    const { inFlight } = this.context;
    const resolved = await (this.#lease?.resolvePending() ??
      inFlight.track(resolveWrite(this.context, this.#ticket!, [sent])));
    if (resolved === "gone") {
      this.#endedMeanwhile();
      return undefined;
    }
    if (resolved === undefined) {
      pending.leaveUnknown();
      return undefined;
    }
    this.#adopt(resolved);
    return resolved.record.isSameState(sent.record) ? changes : undefined;
  }

  /** Writes of unknown outcome are not retried. */
  abandonPending(): void {
    this.#pending = undefined;
    this.#lease?.abandonPending();
  }

  /** Reads the present state from the store. */
  async reload(): Promise<void> {
    this.#checkStore();
    if (this.isNew || this.#isGone) return;
    this.#lease?.abandonPending();
    await this.#lease?.resolvePending(); // or a pending write could replace what is read here
    const newer = await readRecord(this.context, this.#ticket!);
    if (newer === undefined) this.#markGone();
    else this.#adopt(newer);
  }

  /** Takes the session's lease, and goes on from the state under it. @throws LockTimeoutError, QueueFullError, StoreError */
  async lock(): Promise<void> {
    if (this.isNew || this.#isGone) return; // there is nothing to lock
    const lease = await takeLease(this.context, this.info, this.#ticket!);
    if (lease === undefined) {
      this.#markGone();
      return;
    }
    this.stopRenewing(); // the lease does it
    this.dueAt = 0;
    this.#lease = lease;
    this.#adopt(lease.loaded);
    this.#expiry = new SessionExpiry(this.context, lease.loaded);
  }

  /** Lets other requests have the session, and goes on among them. */
  async unlock(): Promise<void> {
    if (this.#lease === undefined) return;
    await this.release();
    this.startRenewing();
    await this.reload();
  }

  /** Gives the session a new ticket, with these changes. False: it is gone. */
  async regenerate(changes: Changes): Promise<boolean> {
    this.#checkStore();
    if (this.#isGone) return false;
    if (this.info.isDetached) throw detachedError("regenerated");
    const old = this.#ticket;
    if (old === undefined || this.isNew) {
      this.#ticket = undefined; // not in the store yet: its first ticket will be a new one anyway
      this.#endedKeys = undefined; // as at a login, which may replace any other session
      return true;
    }
    if (this.#pending !== undefined) await this.#checkPending(this.#pending, changes, false);
    const created = await this.#regenerate(old, changes);
    if (created === undefined) {
      this.#endedMeanwhile();
      return false;
    }
    this.#ticket = created.ticket;
    this.#cookie = "issue";
    this.#adopt(created);
    return true;
  }

  /** Ends the session. A later write begins a new one. */
  async destroy(): Promise<void> {
    this.#checkStore();
    if (this.#ticket !== undefined && !this.isNew) {
      const { store, events, inFlight } = this.context;
      const id = this.#ticket.key;
      const remove = () => inFlight.track(store.delete(id));
      if (await (this.#lease?.end(remove) ?? remove())) events.ended(id, "destroyed", this.#record);
      else await endRegenerated(this.context, [id]); // since this request has opened it
      this.#lease = undefined;
      this.#cookie = "clear";
    } else if (this.#endedKeys !== undefined && (await endRegenerated(this.context, this.#endedKeys))) {
      this.#cookie = "clear";
    }
    this.#ticket = undefined;
    this.#record = undefined;
    this.#version = undefined;
    this.#isGone = false;
    this.#endedKeys = undefined;
    this.abandonPending();
    this.#expiry = new SessionExpiry(this.context, undefined);
  }

  /**
   * The end of a request that has changed nothing: releases the lease, and extends session and cookie where that is due.
   * Undefined: there is nothing to do. A readonly request writes no record, but extends the session's life. A store that
   * refuses writes is good enough for such a request: its session then lasts no longer.
   */
  keepAlive(isReadonly: boolean): Promise<unknown> | undefined {
    return this.#prolong(isReadonly)?.catch((error) => {
      if (!(error instanceof StoreError && error.refusesWrites)) throw error;
    });
  }

  #prolong(isReadonly: boolean): Promise<unknown> | undefined {
    if (this.isNew || this.#isGone) return undefined;
    if (!this.info.extend) return this.#lease && this.release();
    if (this.#isCookieDue()) return isReadonly ? this.#extend("issue") : this.write(NO_CHANGES, true);
    const isNoteDue = hasNextTicket(this.#ticket, this.#record);
    if (this.#lease !== undefined) return isNoteDue ? this.write(NO_CHANGES, true) : this.release();
    if (isNoteDue || this.#expiry.isSealDue(this.#record)) return this.#reseal();
    return this.#expiry.isTouchDue() ? this.#extend() : undefined;
  }

  /** Keeps the session alive while its request runs. A failure is reported by the resilient store. */
  renew(): void {
    if (this.isNew || this.#isGone || this.#lease !== undefined) return;
    (this.#expiry.isSealDue(this.#record) ? this.#reseal() : this.#extend()).catch(() => {});
  }

  /** From now on the session's life is extended while it is open. */
  startRenewing(): void {
    if (this.info.extend) this.context.renewals.start(this);
  }

  /** The request has committed, and needs the session no longer. */
  stopRenewing(): void {
    this.context.renewals.stop(this);
  }

  /** Releases the lease of a session that has not changed, or whose changes can't be kept. */
  async release(): Promise<void> {
    await this.#takeLease()?.release();
  }

  /** The `Set-Cookie` values that the response has to carry. */
  cookies(): string[] {
    const { context, info } = this;
    const own = this.#isGone
      ? NO_COOKIES
      : responseCookies(context, info, this.#cookie, this.#ticket, this.nextTicket(), this.#record, this.#expiry);
    const cookies = accountsOf(this)?.cookies(own) ?? own;
    const { legacy } = info;
    return legacy === undefined || this.#isGone ? cookies : [...cookies, ...legacy.cookies];
  }

  /** What the response carries in the cookies' place. Undefined: the client keeps cookies. */
  ticketHeader(): TicketHeader | undefined {
    const { context, info } = this;
    if (this.#isGone) return ticketHeader(context, info, undefined, this.#ticket, undefined);
    return ticketHeader(context, info, this.#cookie, this.#ticket, this.nextTicket());
  }

  #update(builder: RecordBuilder, isLast: boolean): Promise<RecordVersion | undefined> {
    const context = this.context;
    const ticket = this.#ticket!;
    if (this.#lease !== undefined) return isLast ? this.#takeLease()!.finish(builder) : this.#lease.write(builder);
    return context.commits.write(ticket.key, this.#base(), builder, (base, builder) =>
      updateRecord(context, ticket, base, builder),
    );
  }

  #create(changes: Changes): Promise<CreatedRecord | undefined> {
    const { inFlight } = this.context;
    const create = () => inFlight.track(createRecord(this.context, this.#ticket, this.#builder(changes)));
    if (!needsAdmission(this.context, changes)) return create();
    return storeWithLeave(this.context, changes, undefined, this.id, create, ({ ticket }) => ticket.key);
  }

  async #regenerate(old: Ticket, changes: Changes): Promise<CreatedRecord | undefined> {
    const context = this.context;
    const builder = this.#builder({ ...changes, terms: { ...changes.terms, hasNewTicket: true } });
    const admit = admitRegenerated(context, changes);
    let created: CreatedRecord | undefined;
    if (this.#lease !== undefined) {
      created = await regenerateLeased(context, this.#lease, builder, admit);
      this.#lease = undefined; // no other request has the new ticket, so this one still has the session to itself
      return created;
    }
    await context.commits.run(old.key, async (latest) => {
      created = await regenerateRecord(context, old, latest ?? this.#base(), builder, admit);
      return undefined; // a queued write under the old ticket has to find it gone
    });
    return created;
  }

  /** @throws StoreError if these changes could be applied twice. */
  async #checkPending(pending: PendingWrite, changes: Changes, isLast: boolean): Promise<void> {
    const isLeased = this.#lease !== undefined;
    const repeated = pending.repeatedKeys(changes, this.context.rules);
    if (!isLeased && repeated.length === 0) return;
    if (isLast) await this.release();
    throw isLeased ? pendingLostLease() : pendingRepeats(repeated);
  }

  async #extend(cookie?: "issue"): Promise<void> {
    const expiresAt = this.#expiry.latest();
    const { store, inFlight } = this.context;
    if (await inFlight.track(store.touch(this.#ticket!.key, expiresAt))) this.#expiry.extendTo(expiresAt);
    else this.#isGone = true;
    this.#cookie ??= cookie;
  }

  async #reseal(): Promise<void> {
    const loaded = { ...this.#base(), ticket: this.#ticket!, expiresAt: this.#expiry.expiresAt };
    const renewed = await this.context.inFlight.track(reseal(this.context, loaded, this.#expiry));
    if (renewed === loaded) return this.#extend(); // another request has written, or holds the session
    if (renewed === undefined) this.#isGone = true;
    else if (this.#version === loaded.version) {
      this.#expiry.extendTo(renewed.expiresAt);
      this.#record = renewed.record;
      this.#version = renewed.version;
    }
  }

  /** Undefined: the session is not in the store, or has ended. */
  get loaded(): LoadedRecord | undefined {
    if (this.isNew || this.#isGone) return undefined;
    return { ...this.#base(), ticket: this.#ticket!, expiresAt: this.#expiry.expiresAt };
  }

  #base(): RecordVersion {
    return { record: this.#record!, version: this.#version! };
  }

  #builder(changes: Changes): RecordBuilder {
    const sendsCookie = this.#cookie === "issue" || changes.terms?.lifetime !== undefined || this.#isCookieDue();
    return recordBuilder(this.context, changes, this.#expiry, sendsCookie, this.#ticket);
  }

  /** The ticket that replaces the browser's, if that is due. */
  nextTicket(): Ticket | undefined {
    if (this.#record === undefined || !this.info.extend) return undefined;
    const serial = this.#serialToGive(this.#record);
    return serial === undefined ? undefined : this.context.signer.renewed(this.#ticket!, serial);
  }

  /** Time passes between two commits of one response, which must not carry two tickets. */
  #serialToGive(record: SessionRecord): number | undefined {
    if (this.context.renewAfter === undefined) return serialToGive(this.context, this.#ticket!, record);
    const known = chosenSerials.get(this);
    if (known?.record === record) return known.serial;
    const serial = serialToGive(this.context, this.#ticket!, record);
    chosenSerials.set(this, { record, serial });
    return serial;
  }

  /** Goes on from the state that a write left. */
  #adopt({ record, version }: RecordVersion): void {
    this.#record = record;
    this.#version = version;
    this.#expiry.follow(record);
    this.#pending = undefined;
  }

  /** The session has ended. @throws StoreError after a write that may have been applied */
  #endedMeanwhile(): void {
    const wasPending = this.#pending !== undefined;
    this.#pending = undefined;
    this.#markGone();
    if (wasPending) throw pendingEnded();
  }

  #markGone(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.context.events.emit("gone", { id: this.id });
    this.release();
  }

  /** The lease, for the one step that ends it. */
  #takeLease(): Lease | undefined {
    const lease = this.#lease;
    this.#lease = undefined;
    return lease;
  }

  /** True if a write is of no use unless the browser gets a cookie. */
  #needsCookieFor({ terms }: Changes): boolean {
    return this.isNew || this.context.store.inCookie === true || terms?.lifetime !== undefined;
  }

  #isCookieDue(): boolean {
    return this.info.isDetached !== true && this.#expiry.isCookieDue(this.#record);
  }

  #checkStore(): void {
    if (this.info.storeIsDown) throw storeIsDownError();
  }
}
