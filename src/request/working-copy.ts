// The keys of a session as one request sees and changes them.

import { isDeepStrictEqual } from "node:util";
import {
  type Change,
  type Changes,
  type KeyRules,
  type UnreadableReport,
  type Update,
  valueIn,
} from "../commit/merge.ts";
import { SessionTooLargeError, UnstorableValueError } from "../errors.ts";
import { CLIENT, LEGACY, largestOf, RESERVED, type SessionRecord } from "../records/record.ts";
import { liveText, plainText, timedText, untilOf } from "../records/timed-text.ts";
import { encode } from "../records/value-codec.ts";

/** What a request knows of a key that it has touched. */
interface Touched {
  readonly key: string;
  value: unknown;
  /** The key's text when this request first looked; undefined if it was not there. */
  before: string | undefined;
  /** When the value ends by itself. Undefined: with the session. */
  until: number | undefined;
  /**
   * What the application did. After `read` and `deleted` it holds a value that it may change in place: the stored one, and
   * the initial one.
   */
  state: "read" | "set" | "updated" | "deleted";
  /** With `updated`: the functions, and the text of their result, by which a later change in place is noticed. */
  updates: readonly Update[] | undefined;
  updatedTo: string | undefined;
}

/** Every key was removed. */
interface Clearing {
  /** Keys that it spares. Undefined: the application has called `clear`, which spares none. */
  readonly kept: ReadonlySet<string> | undefined;
  /** True once `changes` was called. */
  isTaken: boolean;
}

const FLASH = `${RESERVED}flash.`;
const NONE: ReadonlySet<string> = new Set();

/**
 * The keys of a session as one request sees and changes them. Remembers which keys were touched, so that only those
 * are decoded, encoded, and replayed if another request has written meanwhile.
 */
export class WorkingCopy {
  #record: SessionRecord | undefined;
  readonly #rules: KeyRules;
  readonly #report: UnreadableReport;
  #touched: Map<string, Touched> | undefined;
  /** The touched keys when `changes` was called. Another map, if the request has cleared or discarded all since. */
  #taken: Map<string, Touched> | undefined;
  #cleared: Clearing | undefined;

  constructor(record: SessionRecord | undefined, rules: KeyRules, report: UnreadableReport) {
    this.#record = record;
    this.#rules = rules;
    this.#report = report;
  }

  get(key: string): unknown {
    const known = this.#touched?.get(key);
    if (known !== undefined) return known.value;
    const before = this.#textOf(key);
    const value = this.#valueOf(key, before);
    // Only what can change in place needs to be remembered.
    if (isObject(value)) this.#remember(key, value, before, "read");
    return value;
  }

  /** `ttl`: milliseconds after which the key is removed. */
  set(key: string, value: unknown, ttl?: number): void {
    checkedKey(key);
    const touched = this.#touched?.get(key) ?? this.#remember(key, value, this.#textOf(key), "set");
    touched.value = value;
    touched.state = "set";
    touched.until = ttl === undefined ? undefined : this.#rules.now() + ttl;
  }

  has(key: string): boolean {
    const known = this.#touched?.get(key);
    if (known === undefined) return this.#isStored(key);
    // A key that only has its initial value is not in the session yet.
    if (known.state === "deleted") return !this.#isInitial(key, known.value);
    return known.state !== "read" || known.before !== undefined || !this.#isInitial(key, known.value);
  }

  delete(key: string): void {
    const touched = this.#touch(checkedKey(key));
    touched.value = valueIn(key, undefined, this.#rules);
    touched.state = "deleted";
  }

  keys(): string[] {
    const keys = new Set(this.#record?.names.filter((name) => this.#isStored(name)));
    for (const key of this.#touched?.keys() ?? []) {
      if (this.has(key)) keys.add(key);
      else keys.delete(key);
    }
    return [...keys].filter((key) => !key.startsWith(RESERVED));
  }

  clear(): void {
    this.#forgetTouched();
    this.#cleared = { kept: undefined, isTaken: false };
  }

  /** The same for another user's data: `keepOnly` may bring some of it back. */
  clearForOwner(): void {
    const kept = this.#isClearedForGood ? undefined : NONE;
    this.#forgetTouched();
    this.#cleared = { kept, isTaken: false };
  }

  /** Of what the session had before this request, only these keys stay. What the request has set stays, too. */
  keepOnly(names: ReadonlySet<string>): void {
    if (this.#record === undefined || this.#isClearedForGood) return;
    for (const touched of this.#touched?.values() ?? []) {
      if (touched.before === undefined || names.has(touched.key) || outlivesAll(touched.key)) continue;
      if (touched.state === "set") touched.before = undefined;
      else this.#touched!.delete(touched.key);
    }
    this.#cleared = { kept: names, isTaken: false };
  }

  update(key: string, update: Update): unknown {
    const touched = this.#touch(checkedKey(key));
    const replayable = touched.state === "updated" ? this.#isAsUpdated(touched) : this.#isAsRead(touched);
    const value = update(touched.value);
    if (replayable) {
      touched.updatedTo = timedText(encode(key, value, this.#rules.maxSize), touched.until);
      touched.updates = [...(touched.updates ?? []), update];
    }
    touched.value = value;
    touched.state = replayable ? "updated" : "set";
    return value;
  }

  leaveMessage(key: string, message: unknown): void {
    const touched = this.#touch(FLASH + key);
    touched.value = message;
    touched.state = "set";
  }

  takeMessage(key: string): unknown {
    if (!this.has(FLASH + key)) return undefined;
    const touched = this.#touch(FLASH + key);
    const message = touched.value;
    touched.value = undefined;
    touched.state = "deleted";
    return message;
  }

  /** What the application keeps of the client. */
  get client(): unknown {
    return this.get(CLIENT);
  }

  set client(client: object | undefined) {
    const touched = this.#touch(CLIENT);
    touched.value = client;
    touched.state = client === undefined ? "deleted" : "set";
  }

  /** True if the request itself has changed the key, or cleared the session. */
  holdsChange(key: string): boolean {
    const touched = this.#touched?.get(key);
    return this.#cleared !== undefined || (touched !== undefined && !this.#isAsRead(touched));
  }

  /** Goes on from a newer record, in which this key has a new value. */
  adopt(record: SessionRecord, key: string): void {
    this.#record = record;
    if (!this.holdsChange(key)) this.#touched?.delete(key); // to be looked up again
  }

  /** What the session knows of its copy in another package. */
  set legacy(link: object) {
    const touched = this.#touch(LEGACY);
    touched.value = link;
    touched.state = "set";
  }

  /** Forgets the changes, and starts again from a record, or from nothing. */
  reset(record: SessionRecord | undefined): void {
    this.#record = record;
    this.#touched = undefined;
    this.#cleared = undefined;
  }

  /** True if the request has seen or set a value that it can change in place. */
  get holdsObjects(): boolean {
    for (const { value } of this.#touched?.values() ?? []) if (isObject(value)) return true;
    return false;
  }

  /**
   * What the request has changed, or undefined.
   * @throws UnstorableValueError, SessionTooLargeError
   */
  changes(): Changes | undefined {
    this.#taken = this.#touched;
    if (this.#cleared !== undefined) this.#cleared.isTaken = true;
    const cleared = this.#cleared !== undefined && (this.#record?.names.length ?? 0) > 0;
    const kept = this.#cleared?.kept;
    if (this.#touched === undefined) return cleared ? { cleared, kept, keys: [] } : undefined;
    const keys: Change[] = [];
    let size = 0;
    for (const touched of this.#touched.values()) {
      const change = this.#change(touched);
      if (change === undefined) continue;
      keys.push(change);
      size += change.after?.length ?? 0;
      // Many keys may share one large object. What is only a little too large is refused later, with the exact size.
      if (size > 2 * this.#rules.maxSize) throw tooLarge(keys, this.#rules.maxSize);
    }
    if (cleared) return { cleared, kept, keys };
    return keys.length === 0 ? undefined : { cleared, keys };
  }

  /**
   * Goes on from the record that a save of `changes` left in the store. What the application has done since `changes`
   * was called stays unsaved, and objects that it may hold stay the same: a key that it has only read, or whose resolver
   * has merged it with another request's change, keeps its value here, and is merged again when it changes again.
   */
  rebase(record: SessionRecord, changes: Changes): void {
    if (this.#touched === this.#taken) {
      for (const change of changes.keys) this.#rebaseOne(change, record.text(change.key));
    }
    this.#record = record;
    if (this.#cleared?.isTaken) this.#cleared = undefined;
  }

  #rebaseOne({ key, after, updates }: Change, text: string | undefined): void {
    const touched = this.#touched!.get(key)!;
    touched.before = after;
    if (this.#textNow(touched) !== after) {
      // Changed since. Functions that were saved must not run again.
      if (updates === undefined && touched.state === "updated") touched.state = "set";
      else touched.updates = touched.updates?.slice(updates?.length);
    } else if (!isObject(touched.value) || touched.state === "deleted" || (updates !== undefined && text !== after)) {
      this.#touched!.delete(key); // to be looked up again
    } else {
      touched.state = "read";
      touched.updates = undefined;
    }
  }

  /** The key's text in the store, as far as this request knows. */
  #textOf(key: string): string | undefined {
    return this.#isCleared(key) ? undefined : liveText(this.#record?.text(key), this.#rules.now);
  }

  #isStored(key: string): boolean {
    return !this.#isCleared(key) && this.#record?.hasLive(key, this.#rules.now) === true;
  }

  #isCleared(key: string): boolean {
    return this.#cleared !== undefined && !outlivesAll(key) && this.#cleared.kept?.has(key) !== true;
  }

  /** The map is another one, so that a save under way leaves it alone. */
  #forgetTouched(): void {
    const lasting = [...(this.#touched ?? [])].filter(([key]) => outlivesAll(key));
    this.#touched = lasting.length === 0 ? undefined : new Map(lasting);
  }

  /** True if the application itself has removed every key. */
  get #isClearedForGood(): boolean {
    return this.#cleared !== undefined && this.#cleared.kept === undefined;
  }

  #valueOf(key: string, text: string | undefined): unknown {
    return valueIn(key, text && plainText(text), this.#rules, this.#report);
  }

  #touch(key: string): Touched {
    const touched = this.#touched?.get(key);
    if (touched !== undefined) return touched;
    const before = this.#textOf(key);
    return this.#remember(key, this.#valueOf(key, before), before, "read");
  }

  #remember(key: string, value: unknown, before: string | undefined, state: Touched["state"]): Touched {
    const until = untilOf(before);
    const touched: Touched = { key, value, before, until, state, updates: undefined, updatedTo: undefined };
    this.#touched ??= new Map();
    this.#touched.set(key, touched);
    return touched;
  }

  #change(touched: Touched): Change | undefined {
    const { key, before, state, updates, updatedTo } = touched;
    if (this.#isAsRead(touched)) return undefined;
    const after = this.#text(touched);
    if (after === before) return undefined;
    const isUpdated = state === "updated" && after === updatedTo;
    return { key, before, after, updates: isUpdated ? updates : undefined };
  }

  /** The text that a save would give the key; undefined: none. */
  #text({ key, value, state, until }: Touched): string | undefined {
    if (state === "deleted" && this.#isInitial(key, value)) return undefined;
    return timedText(encode(key, value, this.#rules.maxSize), until);
  }

  /** The same, or the error if the value can't be stored. */
  #textNow(touched: Touched): string | undefined | Error {
    try {
      return this.#text(touched);
    } catch (error) {
      return error as Error;
    }
  }

  /** True if a value has not been changed in place since it was decoded. */
  #isAsRead({ key, value, before: stored, state }: Touched): boolean {
    if (state !== "read") return false;
    if (!isObject(value)) return true;
    const before = stored && plainText(stored);
    const text = this.#comparable(before, key, value);
    if (text !== undefined && text === before) return true;
    const known = valueIn(key, before, this.#rules);
    // A text by another version of the codec may differ although the value does not.
    if (text !== undefined) return text === this.#comparable(before, key, known);
    // What this application could not have stored can be read, but has no text to compare.
    return this.#comparable(before, key, known) === undefined && isDeepStrictEqual(value, known);
  }

  #isAsUpdated({ key, value, updatedTo }: Touched): boolean {
    const text = updatedTo && plainText(updatedTo);
    return this.#comparable(text, key, value) === text;
  }

  #isInitial(key: string, value: unknown): boolean {
    const initial = this.#rules.initial.get(key);
    return !isObject(value) || this.#comparable(initial, key, value) === initial;
  }

  /**
   * A value's text, to compare with another text, which may be longer than `maxSize` is now. Undefined: the value can't be
   * encoded.
   */
  #comparable(text: string | undefined, key: string, value: unknown): string | undefined {
    try {
      return encode(key, value, Math.max(this.#rules.maxSize, text?.length ?? 0));
    } catch {
      return undefined;
    }
  }
}

function tooLarge(keys: readonly Change[], maxSize: number): SessionTooLargeError {
  const sizes = keys.map(({ key, after = "" }) => ({ name: key, size: after.length }));
  return new SessionTooLargeError(undefined, maxSize, largestOf(sizes));
}

/** True for what `clear` and a change of owner leave alone. */
function outlivesAll(key: string): boolean {
  return key === CLIENT || key === LEGACY;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** @throws UnstorableValueError unless the application may have such a key. */
export function checkedKey(key: string): string {
  if (typeof key === "string" && !key.startsWith(RESERVED)) return key;
  throw new UnstorableValueError(String(key), "a key must be a string that does not begin with a NUL character");
}
