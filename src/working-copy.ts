import type { Change, Changes, KeyRules, Update } from "./changes.ts";
import { decode, encode } from "./codec.ts";
import { UnstorableValueError } from "./errors.ts";
import { RESERVED, type SessionRecord } from "./record.ts";

/** What a request knows of one key. */
interface Touched {
  value: unknown;
  /** The key's text when this request first looked; undefined if it was not there. */
  before: string | undefined;
  /** `read` may have changed in place; the others say what the application did. */
  state: "read" | "set" | "updated" | "deleted";
  /** With `updated`: the functions, and what they made, by which a change in place afterwards is noticed. */
  updates?: Update[] | undefined;
  updatedTo?: string | undefined;
}

const FLASH = `${RESERVED}flash.`;

/**
 * The keys of a session as one request sees and changes them. Remembers which keys were touched, so that only those
 * are decoded, encoded, and replayed if another request has written meanwhile.
 */
export class WorkingCopy {
  #record: SessionRecord | undefined;
  readonly #rules: KeyRules;
  readonly #onUnreadable: (key: string, error: unknown) => void;
  #touched: Map<string, Touched> | undefined;
  #cleared = false;

  constructor(record: SessionRecord | undefined, rules: KeyRules, onUnreadable: (key: string, error: unknown) => void) {
    this.#record = record;
    this.#rules = rules;
    this.#onUnreadable = onUnreadable;
  }

  get(key: string): unknown {
    const known = this.#touched?.get(key);
    if (known !== undefined) return known.value;
    const { value, before } = this.#lookUp(key);
    // Only what can change in place needs to be remembered.
    if (typeof value === "object" && value !== null) this.#remember(key, { value, before, state: "read" });
    return value;
  }

  set(key: string, value: unknown): void {
    const touched = this.#touch(checked(key));
    touched.value = value;
    touched.state = "set";
  }

  has(key: string): boolean {
    const known = this.#touched?.get(key);
    // A key that only has its initial value is not in the session yet.
    if (known !== undefined) return known.state === "read" ? known.before !== undefined : known.state !== "deleted";
    return !this.#cleared && (this.#record?.has(key) ?? false);
  }

  delete(key: string): void {
    const touched = this.#touch(checked(key));
    touched.value = undefined;
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
  }

  update(key: string, update: Update): unknown {
    const touched = this.#touch(checked(key));
    const replayable = touched.state === "updated" ? isAsUpdated(key, touched) : this.#isAsRead(key, touched);
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

  /** Forgets what was changed; with a record, starts again from that. */
  reset(record = this.#record): void {
    this.#record = record;
    this.#touched = undefined;
    this.#cleared = false;
  }

  /**
   * What the request has changed, or undefined.
   * @throws UnstorableValueError
   */
  changes(): Changes | undefined {
    const cleared = this.#cleared && (this.#record?.names.length ?? 0) > 0;
    let keys: Map<string, Change> | undefined;
    for (const [key, touched] of this.#touched ?? []) {
      const change = this.#change(key, touched);
      if (change === undefined) continue;
      keys ??= new Map();
      keys.set(key, change);
    }
    return keys === undefined && !cleared ? undefined : { cleared, keys: keys ?? new Map() };
  }

  /**
   * Goes on from the record that a save of `changes` left in the store. Values that the application may hold stay the
   * same objects, unless another request's changes were merged into them.
   */
  rebase(record: SessionRecord, changes: Changes): void {
    for (const [key, touched] of this.#touched ?? []) {
      const change = changes.keys.get(key);
      const expected = change === undefined ? touched.before : change.after;
      const text = record.text(key);
      const current = touched.state === "deleted" ? undefined : encode(key, touched.value);
      if (text !== expected && current === expected) {
        this.#touched!.delete(key);
      } else {
        touched.before = text;
        touched.updates = undefined;
        if (touched.state !== "deleted") touched.state = "set";
      }
    }
    this.#record = record;
    this.#cleared = false;
  }

  #lookUp(key: string): { value: unknown; before: string | undefined } {
    const before = this.#cleared ? undefined : this.#record?.text(key);
    if (before !== undefined) {
      try {
        return { value: decode(before), before };
      } catch (error) {
        this.#onUnreadable(key, error);
      }
    }
    const initial = this.#rules.initial[key];
    return { value: typeof initial === "object" ? structuredClone(initial) : initial, before };
  }

  #touch(key: string): Touched {
    return this.#touched?.get(key) ?? this.#remember(key, { ...this.#lookUp(key), state: "read" });
  }

  #remember(key: string, touched: Touched): Touched {
    this.#touched ??= new Map();
    this.#touched.set(key, touched);
    return touched;
  }

  #change(key: string, { value, before, state, updates, updatedTo }: Touched): Change | undefined {
    if (state === "deleted") return before === undefined ? undefined : { before, after: undefined };
    if (state === "read" && this.#isAsRead(key, { value, before, state })) return undefined;
    const after = encode(key, value);
    if (after === before) return undefined;
    return state === "updated" && updates && after === updatedTo ? { before, after, updates } : { before, after };
  }

  /** True if a value has not been changed in place since it was decoded. */
  #isAsRead(key: string, { value, before, state }: Touched): boolean {
    if (state !== "read") return false;
    if (typeof value !== "object" || value === null) return true;
    const text = encode(key, value);
    if (before === undefined) return text === encode(key, this.#rules.initial[key]);
    // A text by another version of the codec may differ although the value does not.
    return text === before || text === encode(key, decode(before));
  }
}

function isAsUpdated(key: string, { value, updatedTo }: Touched): boolean {
  return encode(key, value) === updatedTo;
}

function checked(key: string): string {
  if (typeof key === "string" && !key.startsWith(RESERVED)) return key;
  throw new UnstorableValueError(String(key), "a key is a text that does not begin with a NUL");
}
