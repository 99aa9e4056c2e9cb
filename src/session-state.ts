import { type Changes, replay, uncountable } from "./changes.ts";
import type { Committed } from "./commits.ts";
import type { SessionContext } from "./context.ts";
import { SessionTooLargeError, StoreError } from "./errors.ts";
import type { Lease } from "./lease.ts";
import { Lifetime } from "./lifetime.ts";
import { clearMarks, markCookies, nextRevision } from "./marks.ts";
import { SessionRecord } from "./record.ts";
import { wasReplaced } from "./replaced.ts";
import type { Mode } from "./session.ts";
import type { Version } from "./store.ts";
import { type Found, readRecord } from "./stored-record.ts";
import type { Ticket } from "./ticket.ts";
import { type Sent, settle, UnsettledError } from "./unsettled.ts";
import {
  createAtOnce,
  createRecord,
  type Issued,
  moveLeased,
  moveRecord,
  type RecordWriter,
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

export const NO_CHANGES: Changes = { cleared: false, keys: [] };
const NO_COOKIES: string[] = [];
const NO_KEYS: ReadonlySet<string> = new Set();

/** What a request does not know of its own writes. */
interface Doubt {
  /** The last one, if it may have been done and can still be settled. */
  readonly last: { readonly sent: Sent; readonly changes: Changes } | undefined;
  /** The keys of those before it of which it can't be told any more. */
  readonly keys: ReadonlySet<string>;
}

/** A session as one request knows it from the store: its ticket, its record, and how to change them there. */
export class SessionState {
  readonly #context: SessionContext;
  readonly #facts: RequestFacts;
  /** In exclusive mode the claim to the whole session, until it is let go. */
  #lease: Lease | undefined;
  #lifetime: Lifetime;
  /** Version and record are there once the session is in the store. */
  #ticket: Ticket | undefined;
  #record: SessionRecord | undefined;
  #version: Version | undefined;
  #cookie: "issue" | "clear" | undefined;
  #isGone = false;
  /** Sessions that ended before this request: is one of them the browser's own, under a new ticket? */
  #endedShown: readonly string[] | undefined;
  #doubt: Doubt | undefined;

  constructor(context: SessionContext, facts: RequestFacts, found: Found | undefined, lease: Lease | undefined) {
    this.#context = context;
    this.#facts = facts;
    this.#lease = lease;
    this.#ticket = found?.ticket;
    this.#record = found?.record;
    this.#version = found?.version;
    this.#endedShown = found === undefined ? facts.ended : undefined;
    this.#lifetime = new Lifetime(context, found);
  }

  get id(): string {
    this.#ticket ??= this.#context.office.issue();
    return this.#ticket.key;
  }

  get record(): SessionRecord | undefined {
    return this.#record;
  }

  get isNew(): boolean {
    return this.#version === undefined;
  }

  /** Ended by somebody else while this request runs: its writes lead nowhere. */
  get isGone(): boolean {
    return this.#isGone;
  }

  get createdAt(): number {
    return this.#lifetime.createdAt;
  }

  get expiresAt(): number {
    return this.#lifetime.expiresAt;
  }

  /** What `write` does in the usual case, for a store that answers at once. False: `write` has to. */
  writeAtOnce(changes: Changes): boolean {
    if (this.#context.store.atOnce?.update === undefined || this.#isGone) return false;
    if (this.#lease !== undefined || this.#facts.storeIsDown || this.#endedShown !== undefined) return false;
    if (this.#doubt !== undefined) return false;
    const cookieIsDue = this.isNew || this.#isCookieDue();
    const left = this.isNew
      ? createAtOnce(this.#context, this.#ticket, this.#writer(changes))
      : updateAtOnce(this.#context, this.#ticket!, this.#base(), this.#writer(changes));
    if (left === undefined) return false;
    this.#ticket = left.ticket;
    if (cookieIsDue) this.#cookie = "issue";
    this.#standOn(left);
    return true;
  }

  /** Puts the changes into the store; a claim ends with the last. False: the session is gone, and the changes with it. */
  async write(changes: Changes, isLast: boolean): Promise<boolean> {
    this.#checkStore();
    if (this.#isGone || (this.#endedShown && (await wasReplaced(this.#context, this.#endedShown)))) {
      this.#lose();
      return false;
    }
    let left: Committed | undefined;
    if (this.isNew) {
      const { commits } = this.#context;
      const created = await commits.track(createRecord(this.#context, this.#ticket, this.#writer(changes)));
      this.#ticket = created.ticket;
      this.#endedShown = undefined; // it is the browser's now, whatever becomes of the others
      this.#cookie = "issue";
      left = created;
    } else {
      if (this.#doubt !== undefined) await this.#checkCountable(changes, this.#doubt, isLast);
      if (this.#isCookieDue()) this.#cookie = "issue";
      try {
        left = await this.#update(this.#writer(changes), isLast);
      } catch (error) {
        const sent = UnsettledError.sentBy(error);
        if (sent !== undefined) this.#doubt = { last: { sent, changes }, keys: this.#doubt?.keys ?? NO_KEYS };
        throw error;
      }
    }
    if (left === undefined) this.#endedMeanwhile();
    else this.#standOn(left);
    return left !== undefined;
  }

  /** True after a write that may have been done: `settle` has to find out before the next. */
  get isUnsettled(): boolean {
    return this.#doubt?.last !== undefined;
  }

  /** The changes that turn out to be in the store. Undefined: they are not, or nobody can tell. @throws StoreError */
  async settle(): Promise<Changes | undefined> {
    const { last, keys } = this.#doubt!;
    const { sent, changes } = last!;
    const { commits } = this.#context;
    const left = await (this.#lease?.settle() ?? commits.track(settle(this.#context, this.#ticket!, [sent])));
    if (left === "gone") {
      this.#endedMeanwhile();
      return undefined;
    }
    if (left === undefined) {
      this.#doubt = { last: undefined, keys: new Set([...keys, ...changes.keys.map(({ key }) => key)]) };
      return undefined;
    }
    this.#standOn(left);
    return left.record === sent.record ? changes : undefined;
  }

  /** Nothing of what may have been done is to be made again. */
  giveUp(): void {
    this.#doubt = undefined;
    this.#lease?.giveUp();
  }

  /** Reads anew what is in the store. */
  async reread(): Promise<void> {
    this.#checkStore();
    if (this.isNew || this.#isGone) return;
    this.#lease?.giveUp();
    await this.#lease?.settle(); // or what is read here could be overtaken by it
    const newer = await readRecord(this.#context, this.#ticket!);
    if (newer === undefined) this.#lose();
    else this.#standOn(newer);
  }

  /** Gives the session a new ticket, with these changes. False: it is gone. */
  async move(changes: Changes): Promise<boolean> {
    this.#checkStore();
    if (this.#isGone) return false;
    const old = this.#ticket;
    if (old === undefined || this.isNew) {
      this.#ticket = undefined; // not in the store yet: its first ticket will be a new one anyway
      this.#endedShown = undefined; // as at a login, which may take the place of any other session
      return true;
    }
    if (this.#doubt !== undefined) await this.#checkCountable(changes, this.#doubt, false);
    const moved = await this.#move(old, this.#writer(changes));
    if (moved === undefined) {
      this.#endedMeanwhile();
      return false;
    }
    this.#ticket = moved.ticket;
    this.#cookie = "issue";
    this.#standOn(moved);
    return true;
  }

  /** Ends the session. What is written then begins a new one. */
  async end(): Promise<void> {
    this.#checkStore();
    if (this.#ticket !== undefined && !this.isNew) {
      const { store, events, commits } = this.#context;
      const id = this.#ticket.key;
      const end = () => commits.track(store.delete(id));
      if (await (this.#lease?.end(end) ?? end())) events.ended(id, "destroyed", this.#record);
      this.#lease = undefined;
      this.#cookie = "clear";
    }
    this.#ticket = undefined;
    this.#record = undefined;
    this.#version = undefined;
    this.#isGone = false;
    this.#endedShown = undefined;
    this.giveUp();
    this.#lifetime = new Lifetime(this.#context, undefined);
  }

  /**
   * What a request does at its end that has changed nothing: lets go of its claim, and sees to it that session and
   * cookie last. Undefined: nothing. A readonly request notes nothing, but makes sure that the session lives.
   */
  keepAlive(isReadonly: boolean): Promise<unknown> | undefined {
    if (this.isNew || this.#isGone) return undefined;
    if (this.#isCookieDue()) return isReadonly ? this.#extend("issue") : this.write(NO_CHANGES, true);
    if (this.#lease !== undefined) return this.letGo();
    return this.#lifetime.isTouchDue() ? this.#extend() : undefined;
  }

  /** Lets go of a session that has not changed, or not so that it can be kept. */
  async letGo(): Promise<void> {
    await this.#takeLease()?.release();
  }

  /** The `Set-Cookie` values that the response has to carry. */
  cookies(): string[] {
    if (this.#isGone) return NO_COOKIES;
    const { jar, countsRevisions, carried } = this.#context;
    const { secure } = this.#facts;
    const marks = countsRevisions ? this.#marks() : NO_COOKIES;
    if (carried?.hasChanged) this.#cookie = "issue";
    if (this.#cookie === undefined) return marks;
    if (this.#cookie === "clear") return [jar.clear(secure), ...marks];
    const ticket = this.#ticket!;
    const text = carried === undefined ? ticket.text : ticket.text + carried.pack(ticket);
    return [jar.issue(text, secure), ...marks];
  }

  #marks(): string[] {
    const { jar } = this.#context;
    const { secure, marks } = this.#facts;
    if (this.#cookie === "clear") return clearMarks(jar, secure, marks);
    const revision = this.#record?.revision;
    return revision === undefined ? NO_COOKIES : markCookies(jar, secure, marks, this.#ticket!.key, revision);
  }

  /** @throws StoreError if these changes could count twice. */
  async #checkCountable(changes: Changes, doubt: Doubt, isLast: boolean): Promise<void> {
    const keys = uncountable(changes, doubt.keys, this.#context.rules);
    if (this.#lease === undefined && keys.length === 0) return;
    const isOthers = this.#lease !== undefined;
    if (isLast) await this.letGo();
    throw mayBeDone(
      isOthers
        ? "the session is no longer this request's own"
        : `others may have written since, so that ${keys.map((key) => `"${key}"`).join(", ")} could count twice: ` +
            "call discard(), or set the value",
    );
  }

  #update(writer: RecordWriter, isLast: boolean): Promise<Committed | undefined> {
    const context = this.#context;
    const ticket = this.#ticket!;
    if (this.#lease !== undefined) return isLast ? this.#takeLease()!.finish(writer) : this.#lease.write(writer);
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

  async #extend(cookie?: "issue"): Promise<void> {
    const expiresAt = this.#lifetime.latestExpiry();
    const { store, commits } = this.#context;
    if (await commits.track(store.touch(this.#ticket!.key, expiresAt))) this.#lifetime.extend(expiresAt);
    else this.#isGone = true;
    this.#cookie ??= cookie;
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
    const { jar, maxSize, rules, countsRevisions } = this.#context;
    const renewedAt = this.#cookie === "issue" || this.#isCookieDue() ? Date.now() : base?.renewedAt;
    const meta = {
      createdAt: base?.createdAt ?? this.createdAt,
      renewedAt: jar.maxAge === undefined ? undefined : (renewedAt ?? Date.now()),
      revision: countsRevisions || base?.revision !== undefined ? nextRevision(base) : undefined,
      lease,
      owner: changes.owner ? changes.owner.now : base?.owner,
    };
    const record = SessionRecord.write(meta, base, replay(changes, base, rules));
    if (record.bytes.length > maxSize) throw new SessionTooLargeError(record.bytes.length, maxSize, record.largest());
    return record;
  }

  /** Goes on from what a write left. */
  #standOn({ record, version }: Committed): void {
    this.#record = record;
    this.#version = version;
    this.#lifetime.createdAt = record.createdAt;
    this.#doubt = undefined;
  }

  /** The session has ended. @throws StoreError if that would say that nothing was done */
  #endedMeanwhile(): void {
    const isInDoubt = this.#doubt !== undefined;
    this.#doubt = undefined;
    this.#lose();
    if (isInDoubt) throw mayBeDone("the session has ended since");
  }

  #lose(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#context.events.emit("gone", { id: this.id });
    this.letGo();
  }

  /** The claim, for whoever ends it. */
  #takeLease(): Lease | undefined {
    const lease = this.#lease;
    this.#lease = undefined;
    return lease;
  }

  #isCookieDue(): boolean {
    return this.#lifetime.isCookieDue(this.#record);
  }

  /** Without its real state in hand, a session must not be written: a new one would replace the user's own. */
  #checkStore(): void {
    if (this.#facts.storeIsDown) {
      throw new StoreError("coatcheck: the store was down when this request began, so its session can't be changed");
    }
  }
}

function mayBeDone(what: string): StoreError {
  return new StoreError(
    `coatcheck: an earlier write of this request may have been done, and this one was not: ${what}`,
  );
}
