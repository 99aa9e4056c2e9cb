import { inspect } from "node:util";
import { type Changes, replay, type Update } from "./changes.ts";
import type { Committed } from "./commits.ts";
import type { SessionContext } from "./context.ts";
import { dataView } from "./data-view.ts";

import { SessionClosedError, SessionTooLargeError, StoreError } from "./errors.ts";
import type { Lease } from "./lease.ts";
import { Lifetime } from "./lifetime.ts";
import { clearMarks, markCookies, nextRevision } from "./marks.ts";
import { checkedOwner } from "./owner.ts";

import { SessionRecord } from "./record.ts";
import { wasReplaced } from "./replaced.ts";
import type { Mode, Session } from "./session.ts";
import type { Version } from "./store.ts";
import type { Ticket } from "./ticket.ts";
import { WorkingCopy } from "./working-copy.ts";
import {
  createAtOnce,
  createRecord,
  type Found,
  type Issued,
  moveLeased,
  moveRecord,
  type RecordWriter,
  readRecord,
  updateAtOnce,
  updateRecord,
} from "./writes.ts";

export interface RequestFacts {
  readonly mode: Mode | "off";
  readonly secure: boolean;
  /** What the browser says that it has seen; see marks.ts. */
  readonly marks: readonly string[];
  /** True if the store could not be asked: the session is empty, and refuses to be written. */
  readonly storeIsDown?: boolean;
  /** Keys of the sessions whose tickets the browser showed, and that are not there. */
  readonly ended?: readonly string[];
}

const NO_COOKIES: string[] = [];
const NO_CHANGES: Changes = { cleared: false, keys: new Map() };

export class RequestSession implements Session {
  readonly #context: SessionContext;
  readonly #facts: RequestFacts;
  readonly #keys: WorkingCopy;
  #lifetime: Lifetime;
  /** In exclusive mode the claim to the whole session, until it is let go. */
  #lease: Lease | undefined;
  /** Version and record are there once the session is in the store. */
  #ticket: Ticket | undefined;
  #record: SessionRecord | undefined;
  #version: Version | undefined;
  #owner: string | undefined;
  #data: Record<string, unknown> | undefined;
  #cookie: "issue" | "clear" | undefined;
  /** Committed: no more writes. */
  #closed = false;
  /** Ended by somebody else while this request runs: its writes lead nowhere. */
  #gone = false;
  /** Sessions that ended before this request: is one of them the browser's own, under a new ticket? */
  #endedShown: readonly string[] | undefined;
  /** The last of this object's ways to the store; they take turns. */
  #turn: Promise<unknown> | undefined;

  constructor(context: SessionContext, facts: RequestFacts, found: Found | undefined, lease?: Lease) {
    this.#lease = lease;
    this.#context = context;
    this.#facts = facts;
    this.#endedShown = found === undefined ? facts.ended : undefined;
    this.#ticket = found?.ticket;
    this.#record = found?.record;
    this.#version = found?.version;
    this.#owner = found?.record.owner;
    this.#lifetime = new Lifetime(context, found);
    this.#keys = new WorkingCopy(found?.record, context.rules, (key, error) =>
      context.events.emit("unreadable", { id: this.id, key, error }),
    );
  }

  get data(): Record<string, unknown> {
    this.#data ??= dataView(this);
    return this.#data;
  }

  get(key: string): unknown {
    return this.#keys.get(key);
  }

  set(key: string, value: unknown): void {
    this.#checkWritable();
    this.#keys.set(key, value);
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  delete(key: string): void {
    this.#checkWritable();
    this.#keys.delete(key);
  }

  keys(): string[] {
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

  flash(key: string, ...message: [value?: unknown]): unknown {
    this.#checkWritable();
    if (message.length === 0) return this.#keys.takeMessage(key);
    this.#keys.leaveMessage(key, message[0]);
  }

  get owner(): string | undefined {
    return this.#owner;
  }

  set owner(owner: string | undefined) {
    this.#checkWritable();
    this.#owner = checkedOwner(owner);
  }

  get id(): string {
    this.#ticket ??= this.#context.office.issue();
    return this.#ticket.key;
  }

  get isNew(): boolean {
    return this.#version === undefined;
  }

  get createdAt(): number {
    return this.#lifetime.createdAt;
  }

  get expiresAt(): number {
    return this.#lifetime.expiresAt;
  }

  save(): Promise<boolean> {
    this.#checkWritable();
    return this.#inTurn(async () => {
      const changes = this.#changes();
      if (changes === undefined) return !this.#gone;
      const left = await this.#write(changes);
      if (left === undefined) return false;
      this.#keys.rebase(left.record, changes);
      return true;
    });
  }

  reload(): Promise<boolean> {
    return this.#inTurn(async () => {
      this.#checkStore();
      if (this.#version !== undefined && !this.#gone) {
        const newer = await readRecord(this.#context, this.#ticket!);
        if (newer === undefined) this.#lose();
        else this.#standOn(newer, NO_CHANGES);
      }
      this.discard();
      return !this.#gone;
    });
  }

  regenerate(): Promise<boolean> {
    this.#checkWritable();
    return this.#inTurn(async () => {
      this.#checkStore();
      if (this.#gone) return false;
      const old = this.#ticket;
      if (old === undefined || this.#version === undefined) {
        this.#ticket = undefined; // not in the store yet: its first ticket will be a new one anyway
        this.#endedShown = undefined; // as at a login, which may take the place of any other session
        return true;
      }
      const changes = this.#changes() ?? NO_CHANGES;
      const moved = await this.#move(old, this.#writer(changes));
      if (moved === undefined) {
        this.#lose();
        return false;
      }
      this.#ticket = moved.ticket;
      this.#cookie = "issue";
      this.#standOn(moved, changes);
      this.#keys.rebase(moved.record, changes);
      return true;
    });
  }

  destroy(): Promise<void> {
    this.#checkWritable();
    return this.#inTurn(async () => {
      this.#checkStore();
      if (this.#ticket !== undefined && this.#version !== undefined) {
        const { store, events } = this.#context;
        const id = this.#ticket.key;
        const end = () => this.#context.commits.track(store.delete(id));
        if (await (this.#lease?.end(end) ?? end())) events.ended(id, "destroyed", this.#record);
        this.#lease = undefined;
        this.#cookie = "clear";
      }
      this.#ticket = undefined;
      this.#record = undefined;
      this.#version = undefined;
      this.#gone = false;
      this.#endedShown = undefined;
      this.#lifetime = new Lifetime(this.#context, undefined);
      this.discard();
    });
  }

  discard(): void {
    this.#keys.reset(this.#record);
    this.#owner = this.#record?.owner;
  }

  commit(): string[] | Promise<string[]> {
    if (this.#turn !== undefined) return this.#inTurn(async () => this.#commitOrLetGo());
    const cookies = this.#commitOrLetGo();
    // Whoever commits again while this is under way has to wait for it.
    if (!Array.isArray(cookies)) this.#turn = cookies;
    return cookies;
  }

  #commitOrLetGo(): string[] | Promise<string[]> {
    try {
      return this.#commit();
    } catch (error) {
      return this.#abandonLease().then(() => Promise.reject(error));
    }
  }

  #commit(): string[] | Promise<string[]> {
    if (this.#closed) return this.#cookies();
    this.#closed = true;
    const changes = this.#isReadonly() ? undefined : this.#changes();
    if (changes !== undefined) {
      return this.#writeAtOnce(changes) ? this.#cookies() : this.#write(changes).then(() => this.#cookies());
    }
    if (this.#version === undefined || this.#gone) return this.#cookies();
    if (this.#isCookieDue()) return this.#renew().then(() => this.#cookies());
    if (this.#lease !== undefined) return this.#abandonLease().then(() => this.#cookies());
    if (this.#lifetime.isTouchDue()) return this.#extend().then(() => this.#cookies());
    return this.#cookies();
  }

  #cookies(): string[] {
    if (this.#gone) return NO_COOKIES;
    const { jar, countsRevisions, carried } = this.#context;
    const { secure } = this.#facts;
    const marks = countsRevisions ? this.#markCookies() : NO_COOKIES;
    if (carried?.hasChanged) this.#cookie = "issue";
    if (this.#cookie === undefined) return marks;
    if (this.#cookie === "clear") return [jar.clear(secure), ...marks];
    const ticket = this.#ticket!;
    const text = carried === undefined ? ticket.text : ticket.text + carried.pack(ticket);
    return [jar.issue(text, secure), ...marks];
  }

  #markCookies(): string[] {
    const { jar } = this.#context;
    const { secure, marks } = this.#facts;
    if (this.#cookie === "clear") return clearMarks(jar, secure, marks);
    const revision = this.#record?.revision;
    return revision === undefined ? NO_COOKIES : markCookies(jar, secure, marks, this.#ticket!.key, revision);
  }

  #changes(): Changes | undefined {
    const changes = this.#keys.changes();
    if (this.#owner === this.#record?.owner) return changes;
    return { ...(changes ?? NO_CHANGES), owner: { now: this.#owner } };
  }

  /** What `#write` does in the usual case, for a store that answers at once. False: `#write` has to. */
  #writeAtOnce(changes: Changes): boolean {
    if (this.#context.store.atOnce?.update === undefined || this.#gone) return false;
    if (this.#lease !== undefined || this.#facts.storeIsDown) return false;
    const cookieIsDue = this.#version === undefined || this.#isCookieDue();
    const left =
      this.#version === undefined
        ? createAtOnce(this.#context, this.#ticket, this.#writer(changes))
        : updateAtOnce(this.#context, this.#ticket!, this.#base(), this.#writer(changes));
    if (left === undefined) return false;
    this.#ticket = left.ticket;
    if (cookieIsDue) this.#cookie = "issue";
    this.#standOn(left, changes);
    return true;
  }

  /** Puts the changes into the store. Undefined: the session is gone, and the changes with it. */
  async #write(changes: Changes): Promise<Committed | undefined> {
    this.#checkStore();
    let left: Committed | undefined;
    if (this.#gone || (this.#endedShown && (await wasReplaced(this.#context, this.#endedShown)))) {
      this.#lose();
      return undefined;
    }
    if (this.#version === undefined) {
      const created = await createRecord(this.#context, this.#ticket, this.#writer(changes));
      this.#ticket = created.ticket;
      this.#cookie = "issue";
      left = created;
    } else {
      const ticket = this.#ticket!;
      const cookieIsDue = this.#isCookieDue();
      left = await this.#update(ticket, this.#writer(changes));
      if (cookieIsDue) this.#cookie = "issue";
    }
    if (left === undefined) this.#lose();
    else this.#standOn(left, changes);
    return left;
  }

  #update(ticket: Ticket, writer: RecordWriter): Promise<Committed | undefined> {
    const context = this.#context;
    if (this.#lease !== undefined) return this.#closed ? this.#takeLease()!.finish(writer) : this.#lease.write(writer);
    return context.commits.write(ticket.key, this.#base(), writer, (base, writer) =>
      updateRecord(context, ticket, base, writer),
    );
  }

  async #move(old: Ticket, writer: RecordWriter): Promise<Issued | undefined> {
    const context = this.#context;
    let moved: Issued | undefined;
    if (this.#lease !== undefined) {
      moved = await moveLeased(context, this.#lease, writer);
      this.#lease = undefined; // nobody else has the new ticket, so the request keeps having the session to itself
      return moved;
    }
    await context.commits.run(old.key, async (latest) => {
      moved = await moveRecord(context, old, latest ?? this.#base(), writer);
      return undefined; // whoever waits to write under the old ticket has to find it gone
    });
    return moved;
  }

  /** Lets go of a session that has not changed, or not so that it can be kept. */
  async #abandonLease(): Promise<void> {
    await this.#takeLease()?.release();
  }

  /** The claim, for whoever ends it. */
  #takeLease(): Lease | undefined {
    const lease = this.#lease;
    this.#lease = undefined;
    return lease;
  }

  /** Sends the cookie again, and notes when; a readonly request notes nothing, but makes sure that the session lives. */
  async #renew(): Promise<void> {
    if (!this.#isReadonly()) return void (await this.#write(NO_CHANGES));
    await this.#extend();
    this.#cookie = "issue";
  }

  async #extend(): Promise<void> {
    const expiresAt = this.#lifetime.latestExpiry();
    const { store, commits } = this.#context;
    if (await commits.track(store.touch(this.#ticket!.key, expiresAt))) this.#lifetime.extend(expiresAt);
    else this.#gone = true;
  }

  #base(): Committed {
    return { record: this.#record!, version: this.#version! };
  }

  /** What a write of these changes puts into the store. */
  #writer(changes: Changes): RecordWriter {
    return {
      record: (base, lease) => this.#newRecord(changes, base, lease),
      expiry: () => this.#lifetime.extend(this.#lifetime.latestExpiry()),
    };
  }

  #newRecord(changes: Changes, base: SessionRecord | undefined, lease: number | undefined): SessionRecord {
    const { jar, maxSize, rules } = this.#context;
    const renewedAt = this.#cookie === "issue" || this.#isCookieDue() ? Date.now() : base?.renewedAt;
    const meta = {
      createdAt: base?.createdAt ?? this.createdAt,
      renewedAt: jar.maxAge === undefined ? undefined : (renewedAt ?? Date.now()),
      revision: this.#context.countsRevisions || base?.revision !== undefined ? nextRevision(base) : undefined,
      lease,
      owner: changes.owner ? changes.owner.now : base?.owner,
    };
    const record = SessionRecord.write(meta, base, replay(changes, base, rules));
    if (record.bytes.length > maxSize) throw new SessionTooLargeError(record.bytes.length, maxSize, record.largest());
    return record;
  }

  /** Goes on from what a save of `changes` left. An owner that was set since stays to be saved. */
  #standOn({ record, version }: Committed, changes: Changes): void {
    const savedOwner = changes.owner ? changes.owner.now : this.#record?.owner;
    if (this.#owner === savedOwner) this.#owner = record.owner;
    this.#record = record;
    this.#version = version;
    this.#lifetime.createdAt = record.createdAt;
  }

  #lose(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#context.events.emit("gone", { id: this.id });
    this.#abandonLease();
  }

  #isCookieDue(): boolean {
    return this.#lifetime.isCookieDue(this.#record);
  }

  #isReadonly(): boolean {
    return this.#facts.mode === "readonly" || this.#facts.mode === "off";
  }

  #checkWritable(): void {
    if (this.#facts.mode === "off") {
      throw new SessionClosedError('sessions are turned off (mode "off"), so there is none to write to.');
    }
    if (this.#facts.mode === "readonly") {
      throw new SessionClosedError('this request opened the session with mode "readonly"; use "merge" to change it.');
    }
    if (this.#closed) {
      throw new SessionClosedError(
        "the session is committed and the response has started. Write before the first byte, or open the session anew with sessions.open().",
      );
    }
  }

  /** Without its real state in hand, a session must not be written: a new one would replace the user's own. */
  #checkStore(): void {
    if (this.#facts.storeIsDown) {
      throw new StoreError("coatcheck: the store was down when this request began, so its session can't be changed");
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn === undefined ? work() : this.#turn.then(work, work);
    const done = () => {
      if (this.#turn === turn) this.#turn = undefined;
    };
    this.#turn = turn;
    turn.then(done, done);
    return turn;
  }

  /** `console.log(session)` shows what is safe to log. */
  [inspect.custom](): object {
    const { id, owner, isNew, createdAt, expiresAt } = this;
    return { id, owner, isNew, createdAt: new Date(createdAt), expiresAt: new Date(expiresAt), keys: this.keys() };
  }
}
