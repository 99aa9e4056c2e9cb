import { type Change, type Changes, type KeyRules, type OnUnreadable, type Update, valueIn } from "./changes.ts";
import { encode } from "./codec.ts";
import { UnstorableValueError } from "./errors.ts";
import { RESERVED, type SessionRecord } from "./record.ts";

/** What a request knows of one key. */
interface Touched {
  readonly key: string;
  value: unknown;
  /** The key's text when this request first looked; undefined if it was not there. */
  before: string | undefined;
  /**
   * What the application did. After `read` and `deleted` it holds a value that it may have changed in place: what was
   * there, and the initial value.
   */
  state: "read" | "set" | "updated" | "deleted";
  /** With `updated`: the functions, and what they made, by which a change in place afterwards is noticed. */
  updates: readonly Update[] | undefined;
  updatedTo: string | undefined;
}

const FLASH = `${RESERVED}flash.`;

/**
 * The keys of a session as one request sees and changes them. Remembers which keys were touched, so that only those
 * are decoded, encoded, and replayed if another request has written meanwhile.
 */
export class WorkingCopy {
  #record: SessionRecord | undefined;
  readonly #rules: KeyRules;
  readonly #onUnreadable: OnUnreadable;
  #touched: Map<string, Touched> | undefined;
  /** What was touched when `changes` was called; another map if the request has cleared or discarded all since. */
  #taken: Map<string, Touched> | undefined;
  #cleared = false;
  #clearedSince = false;

  constructor(record: SessionRecord | undefined, rules: KeyRules, onUnreadable: OnUnreadable) {
    this.#record = record;
    this.#rules = rules;
    this.#onUnreadable = onUnreadable;
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

  set(key: string, value: unknown): void {
    checked(key);
    const touched = this.#touched?.get(key);
    if (touched === undefined) {
      this.#remember(key, value, this.#textOf(key), "set");
    } else {
      touched.value = value;
      touched.state = "set";
    }
  }

  has(key: string): boolean {
    const known = this.#touched?.get(key);
    if (known === undefined) return !this.#cleared && (this.#record?.has(key) ?? false);
    // A key that only has its initial value is not in the session yet.
    if (known.state === "deleted") return !this.#isInitial(key, known.value);
    return known.state !== "read" || known.before !== undefined || !this.#isInitial(key, known.value);
  }

  delete(key: string): void {
    const touched = this.#touch(checked(key));
    touched.value = valueIn(key, undefined, this.#rules);
    touched.state = "deleted";
  }

  keys(): string[] {
    const keys = new Set(this.#cleared ? [] : this.#record?.names);
    for (const key of this.#touched?.keys() ?? []) {
      if (this.has(key)) keys.add(key);
      else keys.delete(key);
    }
    return [...keys].filter((key) => !key.startsWith(RESERVED));
  }

  clear(): void {
    this.#touched = undefined;
    this.#cleared = true;
    this.#clearedSince = true;
  }

  update(key: string, update: Update): unknown {
    const touched = this.#touch(checked(key));
    const replayable = touched.state === "updated" ? isAsUpdated(touched) : this.#isAsRead(touched);
    const value = update(touched.value);
    if (replayable) {
      touched.updatedTo = encode(key, value);
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

  /** Forgets what was changed, and starts again from a record, or from nothing. */
  reset(record: SessionRecord | undefined): void {
    this.#record = record;
    this.#touched = undefined;
    this.#cleared = false;
    this.#clearedSince = false;
  }

  /**
   * What the request has changed, or undefined.
   * @throws UnstorableValueError
   */
  changes(): Changes | undefined {
    this.#taken = this.#touched;
    this.#clearedSince = false;
    const cleared = this.#cleared && (this.#record?.names.length ?? 0) > 0;
    const keys: Change[] = [];
    for (const touched of this.#touched?.values() ?? []) {
      const change = this.#change(touched);
      if (change !== undefined) keys.push(change);
    }
    return keys.length === 0 && !cleared ? undefined : { cleared, keys };
  }

  /**
   * Goes on from the record that a save of `changes` left in the store. What the application has done since `changes`
   * was called stays to be saved, and objects that it may hold stay the same: a key that it has only read, or whose
   * resolver has merged it with another request's, goes on as it is here, and is merged again when it changes again.
   */
  rebase(record: SessionRecord, changes: Changes): void {
    if (this.#touched === this.#taken) {
      for (const change of changes.keys) this.#rebaseOne(change, record.text(change.key));
    }
    this.#record = record;
    this.#cleared = this.#clearedSince;
  }

  #rebaseOne({ key, after, updates }: Change, text: string | undefined): void {
    const touched = this.#touched!.get(key)!;
    touched.before = after;
    if (this.#textNow(touched) !== after) {
      // Changed since. Functions that were saved must not run again.
      if (updates === undefined && touched.state === "updated") touched.state = "set";
      else touched.updates = touched.updates?.slice(updates?.length);
    } else if (!isObject(touched.value) || touched.state === "deleted" || (updates !== undefined && text !== after)) {
      this.#touched!.delete(key); // to be looked up anew
    } else {
      touched.state = "read";
      touched.updates = undefined;
    }
  }

  /** The key's text in the store, as far as this request knows. */
  #textOf(key: string): string | undefined {
    return this.#cleared ? undefined : this.#record?.text(key);
  }

  #valueOf(key: string, text: string | undefined): unknown {
    return valueIn(key, text, this.#rules, this.#onUnreadable);
  }

  #touch(key: string): Touched {
    const touched = this.#touched?.get(key);
    if (touched !== undefined) return touched;
    const before = this.#textOf(key);
    return this.#remember(key, this.#valueOf(key, before), before, "read");
  }

  #remember(key: string, value: unknown, before: string | undefined, state: Touched["state"]): Touched {
    const touched: Touched = { key, value, before, state, updates: undefined, updatedTo: undefined };
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
  #text({ key, value, state }: Touched): string | undefined {
    return state === "deleted" && this.#isInitial(key, value) ? undefined : encode(key, value);
  }

  /** The same, and something that no text is if the value can't be kept. */
  #textNow(touched: Touched): string | undefined | Error {
    try {
      return this.#text(touched);
    } catch (error) {
      return error as Error;
    }
  }

  /** True if a value has not been changed in place since it was decoded. */
  #isAsRead({ key, value, before, state }: Touched): boolean {
    if (state !== "read") return false;
    if (!isObject(value)) return true;
    const text = encode(key, value);
    // A text by another version of the codec may differ although the value does not.
    return text === before || text === encode(key, valueIn(key, before, this.#rules));
  }

  #isInitial(key: string, value: unknown): boolean {
    return !isObject(value) || encode(key, value) === this.#rules.initial.get(key);
  }
}

function isAsUpdated({ key, value, updatedTo }: Touched): boolean {
  return encode(key, value) === updatedTo;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function checked(key: string): string {
  if (typeof key === "string" && !key.startsWith(RESERVED)) return key;
  throw new UnstorableValueError(String(key), "a key is a text that does not begin with a NUL");
}
