import { inspect } from "node:util";
import type { Changes, Update } from "./changes.ts";
import type { SessionContext } from "./context.ts";
import { dataView } from "./data-view.ts";
import { SessionClosedError } from "./errors.ts";
import type { Lease } from "./lease.ts";
import { checkedOwner } from "./owner.ts";
import type { Session } from "./session.ts";
import { NO_CHANGES, type RequestFacts, SessionState } from "./session-state.ts";
import type { Found } from "./stored-record.ts";
import { WorkingCopy } from "./working-copy.ts";

/** What an application gets of a session for the time of one request. */
export class RequestSession implements Session {
  readonly #mode: RequestFacts["mode"];
  readonly #state: SessionState;
  readonly #keys: WorkingCopy;
  #owner: string | undefined;
  #data: Record<string, unknown> | undefined;
  /** Committed: no more writes. */
  #closed = false;
  /** The last of this object's ways to the store; they take turns. */
  #turn: Promise<unknown> | undefined;

  constructor(context: SessionContext, facts: RequestFacts, found: Found | undefined, lease?: Lease) {
    this.#mode = facts.mode;
    this.#state = new SessionState(context, facts, found, lease);
    this.#owner = found?.record.owner;
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
    return this.#state.id;
  }

  get isNew(): boolean {
    return this.#state.isNew;
  }

  get createdAt(): number {
    return this.#state.createdAt;
  }

  get expiresAt(): number {
    return this.#state.expiresAt;
  }

  save(): Promise<boolean> {
    this.#checkWritable();
    return this.#inTurn(async () => {
      if (this.#state.isUnsettled) await this.#settle();
      const changes = this.#changes();
      if (changes === undefined) return !this.#state.isGone;
      if (!(await this.#store(changes, this.#state.write(changes, false)))) return false;
      this.#keys.rebase(this.#state.record!, changes);
      return true;
    });
  }

  reload(): Promise<boolean> {
    return this.#inTurn(async () => {
      await this.#state.reread();
      this.discard();
      return !this.#state.isGone;
    });
  }

  regenerate(): Promise<boolean> {
    this.#checkWritable();
    return this.#inTurn(async () => {
      if (this.#state.isUnsettled) await this.#settle();
      // What is not in the store yet stays to be saved.
      const changes = (!this.isNew && this.#changes()) || NO_CHANGES;
      if (!(await this.#store(changes, this.#state.move(changes)))) return false;
      if (!this.isNew) this.#keys.rebase(this.#state.record!, changes);
      return true;
    });
  }

  destroy(): Promise<void> {
    this.#checkWritable();
    return this.#inTurn(async () => {
      await this.#state.end();
      this.discard();
    });
  }

  discard(): void {
    this.#keys.reset(this.#state.record);
    this.#owner = this.#state.record?.owner;
    this.#state.giveUp();
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
      return this.#state.letGo().then(() => Promise.reject(error));
    }
  }

  #commit(): string[] | Promise<string[]> {
    const state = this.#state;
    if (this.#closed) return state.cookies();
    this.#closed = true;
    return state.isUnsettled ? this.#settleAndFinish() : this.#finish();
  }

  async #settleAndFinish(): Promise<string[]> {
    try {
      await this.#settle();
      return await this.#finish();
    } catch (error) {
      await this.#state.letGo();
      throw error;
    }
  }

  #finish(): string[] | Promise<string[]> {
    const state = this.#state;
    const isReadonly = this.#mode === "readonly" || this.#mode === "off";
    const changes = isReadonly ? undefined : this.#changes();
    if (changes !== undefined) {
      if (state.writeAtOnce(changes)) return state.cookies();
      return this.#store(changes, state.write(changes, true)).then(() => state.cookies());
    }
    return state.keepAlive(isReadonly)?.then(() => state.cookies()) ?? state.cookies();
  }

  /** What was saved by a write that may have been done must not be made again. */
  async #settle(): Promise<void> {
    const saved = await this.#state.settle();
    if (saved !== undefined) this.#keys.rebase(this.#state.record!, saved);
  }

  #changes(): Changes | undefined {
    const changes = this.#keys.changes();
    if (this.#owner === this.#state.record?.owner) return changes;
    return { ...(changes ?? NO_CHANGES), owner: { now: this.#owner } };
  }

  /** An owner that is set while changes are stored stays to be saved. */
  async #store(changes: Changes, stored: Promise<boolean>): Promise<boolean> {
    const savedOwner = changes.owner ? changes.owner.now : this.#state.record?.owner;
    const isStored = await stored;
    if (isStored && this.#owner === savedOwner) this.#owner = this.#state.record?.owner;
    return isStored;
  }

  #checkWritable(): void {
    if (this.#mode === "off") {
      throw new SessionClosedError('sessions are turned off (mode "off"), so there is none to write to.');
    }
    if (this.#mode === "readonly") {
      throw new SessionClosedError('this request opened the session with mode "readonly"; use "merge" to change it.');
    }
    if (this.#closed) {
      throw new SessionClosedError(
        "the session is committed and the response has started. Write before the first byte, or open the session anew with sessions.open().",
      );
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
