// RequestSession: the session object of one request, as an application gets it.

import { inspect } from "node:util";
import { type Changes, NO_CHANGES, type TermChanges, type Update } from "../commit/merge.ts";
import type { Events } from "../events.ts";
import type { Lease } from "../locking/lease.ts";
import { checkCanStamp } from "../owners/stamp.ts";
import { checkedClient } from "../records/client.ts";
import { checkedOwner } from "../records/owner-hash.ts";
import type { LoadedRecord } from "../records/record-store.ts";
import type {
  AdapterSession,
  BrowserAccounts,
  CookieParts,
  CsrfOptions,
  Mode,
  OnceOptions,
  OwnerWithStamp,
  PersistOptions,
  RegenerateOptions,
  SessionCallback,
  SessionClient,
  SetOptions,
  TicketHeader,
} from "../session.ts";
import type { Duration } from "../util/duration.ts";
import { checkNames } from "../util/option-names.ts";
import { checkOrigins } from "../util/origins.ts";
import { openAccounts } from "./accounts.ts";
import { checkMode } from "./check-mode.ts";
import type { SessionContext } from "./context.ts";
import { cookieParts } from "./cookie-parts.ts";
import { checkCsrfToken, csrfTokenDecides } from "./csrf.ts";
import { dataProxy } from "./data-proxy.ts";
import { refuseAssignments, withCallback } from "./express-session-habits.ts";
import { keptKeys, ttlOf } from "./key-options.ts";
import { isProduction, lateKeys, warnOfLateChange } from "./late-changes.ts";
import { isFreshIn, type OnceCall, type OnceRequest, onceRequest } from "./once.ts";
import { endsWithAnother, isFresh, staleError, withAuthentication, withLifetime, withStamp } from "./own-terms.ts";
import { checkWritable, modeError, notDataError } from "./request-errors.ts";
import type { RequestInfo } from "./request-info.ts";
import { type SessionHandle, SessionState } from "./session-state.ts";
import { WorkingCopy } from "./working-copy.ts";

/** What an application gets of a session for the time of one request. */
export class RequestSession implements AdapterSession {
  #mode: RequestInfo["mode"];
  readonly #state: SessionState;
  readonly #keys: WorkingCopy;
  #owner: string | undefined;
  /** Changes that are not saved yet. Another object after each change. */
  #terms: TermChanges | undefined;
  #data: Record<string, unknown> | undefined;
  /** Committed: no more writes. */
  #isClosed = false;
  #isUsed = false;
  /** Commits do not close it. */
  #staysOpen = false;
  /** The last of this object's calls to the store. They run one after the other. */
  #lastCall: Promise<unknown> | undefined;

  constructor(context: SessionContext, info: RequestInfo, loaded: LoadedRecord | undefined, lease?: Lease) {
    this.#mode = info.mode;
    this.#state = new SessionState(context, info, loaded, lease);
    this.#owner = loaded?.record.owner;
    this.#keys = new WorkingCopy(loaded?.record, context.rules, this.#state);
  }

  get data(): Record<string, unknown> {
    this.#isUsed = true;
    this.#data ??= dataProxy(this);
    return this.#data;
  }

  /** Assigned to itself, as Passport does to keep the data of a session that it has regenerated. */
  set data(data: Record<string, unknown>) {
    if (data !== this.data) throw notDataError();
    for (const [key, value] of formerData.get(this) ?? []) if (!this.has(key)) this.set(key, value);
    formerData.delete(this);
  }

  get(key: string): unknown {
    this.#isUsed = true;
    return this.#keys.get(key);
  }

  set(key: string, value: unknown, options?: SetOptions): void {
    this.#checkWritable();
    this.#keys.set(key, value, options === undefined ? undefined : ttlOf(options));
  }

  has(key: string): boolean {
    this.#isUsed = true;
    return this.#keys.has(key);
  }

  delete(key: string): void {
    this.#checkWritable();
    this.#keys.delete(key);
  }

  keys(): string[] {
    this.#isUsed = true;
    return this.#keys.keys();
  }

  clear(): void {
    this.#checkWritable();
    this.#keys.clear();
  }

  update(key: string, update: Update): unknown {
    this.#checkWritable();
    return this.#keys.update(key, update);
  }

  async once(key: string, make: (former: unknown) => unknown, options: OnceOptions): Promise<unknown> {
    this.#checkWritable();
    const request = onceRequest(this.#state.context, key, make, options);
    const known = this.get(key);
    if (isFreshIn(this.#state.record, known, request)) return known;
    const call = await this.#inOrder(() => this.#beginOnce(request));
    const left = await call.run();
    return this.#inOrder(async () => {
      if (this.#isClosed) return call.valueIn(left.record);
      await this.#state.follow(left, call.before);
      if (this.#state.isGone) return call.valueIn(left.record);
      this.#keys.adopt(this.#state.record!, key);
      return this.#keys.get(key);
    });
  }

  /** The former value is the one in the store: what the request itself has made of it is stored first. */
  async #beginOnce(request: OnceRequest): Promise<OnceCall> {
    if (this.#state.hasPendingWrite) await this.#resolvePending();
    if (this.#state.isNew || this.#keys.holdsChange(request.key)) {
      const changes = this.#changes() ?? NO_CHANGES;
      await this.#store(changes, this.#state.write(changes, false));
      if (!this.#state.isGone) this.#keys.rebase(this.#state.record!, changes);
    }
    return this.#state.once(request);
  }

  flash(key: string, ...message: [value?: unknown]): unknown {
    this.#checkWritable();
    if (message.length === 0) return this.#keys.takeMessage(key);
    this.#keys.leaveMessage(key, message[0]);
  }

  /** Where Passport keeps the user. */
  get passport(): unknown {
    return this.get("passport");
  }

  set passport(value: unknown) {
    this.set("passport", value);
  }

  get owner(): string | undefined {
    this.#isUsed = true;
    return this.#owner;
  }

  set owner(owner: string | OwnerWithStamp | undefined) {
    this.#checkWritable();
    const [next, stamp] = checkedOwner(owner);
    const { context, record } = this.#state;
    if (stamp !== undefined) checkCanStamp(context.store, "A security stamp");
    // A session that lives has its owner's stamp: a middleware that sets it with each request costs nothing.
    const isRepeated = stamp !== undefined && next === record?.owner && record?.terms?.isStamped === true;
    if (isRepeated) repeatedStamps.set(this, stamp);
    this.#terms = withStamp(this.#terms, isRepeated ? undefined : stamp);
    const former = this.#owner ?? record?.owner;
    // One user's cards must not be shown to the next one who logs in.
    if (former !== undefined && next !== undefined && next !== former) this.#keys.clearForOwner();
    if (next !== undefined && next !== former && endsWithAnother(this.#state.record, this.#terms)) {
      this.#terms = withLifetime(this.#terms, false, context);
    }
    this.#owner = next;
  }

  get authenticatedAt(): number | undefined {
    this.#isUsed = true;
    const owner = this.#owner;
    if (owner === undefined) return undefined;
    const isNow = this.#terms?.isAuthenticated === true || owner !== this.#state.record?.owner;
    return isNow ? this.#state.context.clock.now() : this.#state.record?.terms?.authenticatedAt;
  }

  reauthenticated(): void {
    this.#checkWritable();
    this.#terms = withAuthentication(this.#terms, this.#owner);
  }

  isFresh(maxAge: Duration): boolean {
    return isFresh(this.authenticatedAt, maxAge, this.#state.context.clock);
  }

  requireFresh(maxAge: Duration): void {
    if (!this.isFresh(maxAge)) throw staleError(maxAge);
  }

  csrfToken(): string {
    this.#isUsed = true;
    // Without a cookie there would be nothing to check it by.
    if (this.#state.isNew && this.#state.info.storeIsDown !== true) {
      this.#checkWritable();
      wantedSessions.add(this);
    }
    return this.#state.context.csrfTokens.issue(this.#state.ticketToBe());
  }

  checkCsrf(options: CsrfOptions = {}): void {
    checkNames("checkCsrf()", options, { body: true, query: true, origins: true });
    if (!this.csrfTokenDecides(options)) return;
    const { context, info, isNew, ticket } = this.#state;
    checkCsrfToken(context, info, isNew ? undefined : ticket, options);
  }

  csrfTokenDecides({ origins = [] }: Pick<CsrfOptions, "origins"> = {}): boolean {
    checkOrigins(origins);
    return this.#mode !== "off" && csrfTokenDecides(this.#state.info, origins);
  }

  persist(lifetime: Duration | PersistOptions | false): void {
    this.#checkWritable();
    this.#terms = withLifetime(this.#terms, lifetime, this.#state.context);
  }

  get client(): SessionClient | undefined {
    this.#isUsed = true;
    return this.#keys.client as SessionClient | undefined;
  }

  set client(client: SessionClient | undefined) {
    this.#checkWritable();
    this.#keys.client = checkedClient(client);
  }

  get accounts(): BrowserAccounts {
    this.#isUsed = true;
    return openAccounts(this.#state, { checkWritable: () => this.#checkWritable(), destroy: () => this.destroy() });
  }

  get id(): string {
    this.#isUsed = true;
    return this.#state.id;
  }

  get isNew(): boolean {
    this.#isUsed = true;
    return this.#state.isNew;
  }

  get createdAt(): number {
    this.#isUsed = true;
    return this.#state.createdAt;
  }

  get expiresAt(): number {
    this.#isUsed = true;
    return this.#state.expiresAt;
  }

  get isUsed(): boolean {
    return this.#isUsed;
  }

  save(callback?: SessionCallback): Promise<boolean> {
    return typeof callback === "function" ? withCallback(callback, () => this.#save()) : this.#save();
  }

  reload(callback?: SessionCallback): Promise<boolean> {
    return typeof callback === "function" ? withCallback(callback, () => this.#reload()) : this.#reload();
  }

  regenerate(how?: RegenerateOptions | SessionCallback): Promise<boolean> {
    return typeof how === "function" ? withCallback(how, () => this.#renew()) : this.#regenerate(keptKeys(how));
  }

  destroy(callback?: SessionCallback): Promise<void> {
    return typeof callback === "function" ? withCallback(callback, () => this.#destroy()) : this.#destroy();
  }

  #save(): Promise<boolean> {
    this.#checkWritable();
    return this.#inOrder(async () => {
      if (this.#state.hasPendingWrite) await this.#resolvePending();
      const changes = this.#changes();
      if (changes === undefined) return !this.#state.isGone;
      if (!(await this.#store(changes, this.#state.write(changes, false)))) return false;
      this.#keys.rebase(this.#state.record!, changes);
      return true;
    });
  }

  #reload(): Promise<boolean> {
    this.#isUsed = true;
    return this.#inOrder(async () => {
      await this.#state.reload();
      this.discard();
      return !this.#state.isGone;
    });
  }

  #regenerate(kept?: ReadonlySet<string>): Promise<boolean> {
    this.#checkWritable();
    return this.#inOrder(async () => {
      if (this.#state.hasPendingWrite) await this.#resolvePending();
      if (kept !== undefined) this.#keys.keepOnly(kept);
      const { legacy } = this.#state.info;
      // Without an await its turn is the one that the call had among others of the session.
      if (legacy !== undefined) {
        const link = await legacy.renew(this.#state.record, this.#state.id, this.#present());
        if (link !== undefined) this.#keys.legacy = link;
      }
      const stamp = repeatedStamps.get(this);
      if (stamp !== undefined && this.#owner === this.#state.record?.owner) this.#terms = withStamp(this.#terms, stamp);
      // A new session is not in the store yet: its changes stay unsaved.
      const changes = (!this.#state.isNew && this.#changes()) || NO_CHANGES;
      if (!(await this.#store(changes, this.#state.regenerate(changes)))) return false;
      if (!this.#state.isNew) this.#keys.rebase(this.#state.record!, changes);
      return true;
    });
  }

  /** Begins an empty session under a new ticket, as `regenerate` of express-session does. */
  #renew(): Promise<boolean> {
    this.#checkWritable();
    formerData.set(this, new Map(this.#keys.keys().map((key) => [key, this.#keys.get(key)])));
    this.#keys.clear();
    this.#owner = undefined;
    this.#terms = undefined;
    return this.#regenerate();
  }

  #destroy(): Promise<void> {
    this.#checkWritable();
    return this.#inOrder(async () => {
      const { legacy } = this.#state.info;
      if (legacy !== undefined) await legacy.end(this.#state.record);
      await this.#state.destroy();
      this.discard();
    });
  }

  discard(): void {
    this.#keys.reset(this.#state.record);
    this.#owner = this.#state.record?.owner;
    this.#terms = undefined;
    wantedSessions.delete(this);
    this.#state.abandonPending();
  }

  commit(): string[] | Promise<string[]>;
  commit(form: "parts"): CookieParts[] | Promise<CookieParts[]>;
  commit(form?: "parts"): string[] | Promise<string[]> | CookieParts[] | Promise<CookieParts[]> {
    const cookies = this.#state.info.legacy === undefined ? this.#commitInOrder() : this.#commitWithCopy();
    if (form !== "parts") return cookies;
    return Array.isArray(cookies)
      ? cookies.map(cookieParts)
      : cookies.then<CookieParts[]>((texts) => texts.map(cookieParts));
  }

  changeMode(mode: Mode): Promise<void> | undefined {
    if (mode === this.#mode || this.#mode === "off") return undefined;
    checkMode(this.#state.context, mode);
    const current = this.#mode;
    if (this.#isClosed) throw modeError(mode, "its session is committed");
    if (this.#state.hasPendingWrite || this.#hasChanges()) throw modeError(mode, "it has written to its session");
    if (mode === "exclusive") {
      return this.#inOrder(async () => {
        await this.#state.lock();
        this.discard();
        this.#mode = mode;
      });
    }
    this.#mode = mode;
    return current === "exclusive" ? this.#inOrder(() => this.#state.unlock()) : undefined;
  }

  get ticketHeader(): TicketHeader | undefined {
    return this.#state.ticketHeader();
  }

  keepOpen(): void {
    this.#staysOpen = true;
  }

  get watchesLateChanges(): boolean {
    const isWatched = !isProduction() || this.#state.context.events.hasListeners("lateChange");
    return isWatched && this.#keys.holdsObjects;
  }

  reportLateChanges(): void {
    if (this.#state.isGone || this.#staysOpen) return;
    const keys = lateKeys(this.#keys, this.#state.record, committedChanges.get(this));
    committedChanges.delete(this);
    if (keys.length === 0) return;
    const { context, id } = this.#state;
    context.events.emit("lateChange", { id, keys });
    if (!isProduction()) warnOfLateChange(id, keys, this.#mode === "readonly");
  }

  /** What opens the session again. Static, so that what an application holds does not lead to the ticket. */
  static handleOf(session: RequestSession): (SessionHandle & { readonly isClosed: boolean }) | undefined {
    const { handle } = session.#state;
    return handle && { ...handle, isClosed: session.#isClosed };
  }

  /** True if these events are those of its sessions. */
  isOf(events: Events): boolean {
    return this.#state.context.events === events;
  }

  /** A session has a copy in another package, from its first write on, which is brought up to date after each commit. */
  async #commitWithCopy(): Promise<string[]> {
    const state = this.#state;
    const legacy = state.info.legacy!;
    const isWritable = !this.#isClosed && this.#mode !== "readonly" && !state.isGone;
    if (isWritable && legacy.needsCopy(state.record) && (!state.isNew || this.#hasChanges())) {
      const link = await legacy.begin(state.id, this.#present());
      if (link !== undefined) this.#keys.legacy = link;
    }
    await this.#commitInOrder();
    if (!state.isGone) await legacy.finish(state.record, state.ticket);
    return state.cookies();
  }

  /** What the session has now, saved or not. */
  #present(): { data: Record<string, unknown>; owner: string | undefined } {
    const data = Object.fromEntries(this.#keys.keys().map((key) => [key, this.#keys.get(key)]));
    return { data, owner: this.#owner };
  }

  #commitInOrder(): string[] | Promise<string[]> {
    if (this.#lastCall !== undefined) return this.#inOrder(async () => this.#commitOrRelease());
    const cookies = this.#commitOrRelease();
    // A second commit has to wait for this one.
    if (!Array.isArray(cookies)) this.#lastCall = cookies;
    return cookies;
  }

  #commitOrRelease(): string[] | Promise<string[]> {
    try {
      return this.#commit();
    } catch (error) {
      return this.#state.release().then(() => Promise.reject(error));
    }
  }

  #commit(): string[] | Promise<string[]> {
    const state = this.#state;
    if (this.#isClosed) return state.cookies();
    if (!this.#staysOpen) {
      this.#isClosed = true;
      state.stopRenewing();
    }
    return state.hasPendingWrite ? this.#resolveAndFinish() : this.#finish();
  }

  async #resolveAndFinish(): Promise<string[]> {
    try {
      await this.#resolvePending();
      return await this.#finish();
    } catch (error) {
      await this.#state.release();
      throw error;
    }
  }

  #finish(): string[] | Promise<string[]> {
    const state = this.#state;
    const isReadonly = this.#mode === "readonly" || this.#mode === "off";
    const changes = isReadonly ? undefined : this.#changes();
    // A session that stays open gives up its lease with the first commit.
    const unlocks = this.#staysOpen && this.#mode === "exclusive";
    if (unlocks) this.#mode = "merge";
    if (changes === undefined) {
      const work = unlocks ? state.unlock() : state.keepAlive(isReadonly);
      return work?.then(() => state.cookies()) ?? state.cookies();
    }
    if (state.writeSync(changes)) return this.#finished(changes);
    const isLast = !this.#staysOpen || unlocks;
    return this.#store(changes, state.write(changes, isLast)).then(() => this.#finished(changes));
  }

  #finished(changes: Changes): string[] {
    const state = this.#state;
    if (state.isGone) return state.cookies();
    if (this.#staysOpen) {
      this.#keys.rebase(state.record!, changes);
      state.startRenewing();
    } else if (this.watchesLateChanges) {
      committedChanges.set(this, changes);
    }
    return state.cookies();
  }

  /** Changes that a write of unknown outcome has saved must not be saved again. */
  async #resolvePending(): Promise<void> {
    const saved = await this.#state.resolvePending();
    if (saved !== undefined) this.#keys.rebase(this.#state.record!, saved);
  }

  #changes(): Changes | undefined {
    const changes = this.#keys.changes() ?? (this.#isWanted ? NO_CHANGES : undefined);
    const isSameOwner = this.#owner === this.#state.record?.owner;
    if (isSameOwner && this.#terms === undefined) return changes;
    return {
      ...(changes ?? NO_CHANGES),
      ...(!isSameOwner && { owner: { now: this.#owner } }),
      ...(this.#terms && { terms: this.#terms }),
    };
  }

  /** An owner or a term that is set while changes are stored stays unsaved. */
  async #store(changes: Changes, stored: Promise<boolean>): Promise<boolean> {
    const savedOwner = changes.owner ? changes.owner.now : this.#state.record?.owner;
    const isStored = await stored;
    if (isStored && this.#owner === savedOwner) this.#owner = this.#state.record?.owner;
    if (isStored && this.#terms === changes.terms) this.#terms = undefined;
    return isStored;
  }

  get #isWanted(): boolean {
    return this.#state.isNew && wantedSessions.has(this);
  }

  /** A value that can't be stored is a change, too. */
  #hasChanges(): boolean {
    try {
      return this.#changes() !== undefined;
    } catch {
      return true;
    }
  }

  #checkWritable(): void {
    this.#isUsed = true;
    if (this.#isClosed || this.#mode === "readonly" || this.#mode === "off") checkWritable(this.#mode, this.#isClosed);
  }

  #inOrder<T>(work: () => Promise<T>): Promise<T> {
    const call = this.#lastCall === undefined ? work() : this.#lastCall.then(work, work);
    const done = () => {
      if (this.#lastCall === call) this.#lastCall = undefined;
    };
    this.#lastCall = call;
    call.then(done, done);
    return call;
  }

  /** `console.log(session)` shows what is safe to log. */
  [inspect.custom](): object {
    const { id, isNew, createdAt, expiresAt } = this.#state;
    const keys = this.#keys.keys();
    return { id, owner: this.#owner, isNew, createdAt: new Date(createdAt), expiresAt: new Date(expiresAt), keys };
  }
}

/** What sessions held that were regenerated as those of express-session are, until it is assigned again. */
const formerData = new WeakMap<RequestSession, ReadonlyMap<string, unknown>>();

/** New sessions that are stored although nothing is in them. Outside of the object, since few are. */
const wantedSessions = new WeakSet<RequestSession>();

/** Stamps that were set for an owner who has one already: a login gives them with `regenerate`. */
const repeatedStamps = new WeakMap<RequestSession, string>();

/** What was committed of sessions whose late changes are looked for. Outside of the object, since in production few are. */
const committedChanges = new WeakMap<RequestSession, Changes>();

refuseAssignments(RequestSession.prototype);
// `for … in` over a session finds its data, and nothing else.
Object.defineProperty(RequestSession.prototype, "data", { enumerable: true });
