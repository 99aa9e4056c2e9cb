// Values as text: JSON where it is enough, else devalue.

import { DevalueError, defaultStringifyOperations, parse, stringify } from "devalue";
import { SessionTooLargeError, UnstorableValueError } from "../errors.ts";

// Values of JSON's types are kept as JSON, the fastest codec in V8. Anything richer goes to devalue, and begins with a "~",
// as no JSON text does.
const RICH = "~";
// Deeper values and circular ones go to devalue, which follows references.
const MAX_PLAIN_DEPTH = 32;
// Deeper values are refused: devalue recurses, and could write what it can't read again where less of the stack is free.
const MAX_DEPTH = 500;
// Less than any room that a value leaves: no text is so long.
const NOT_PLAIN = -(2 ** 31);

/**
 * The text of a value. Equal values of equal shape give equal texts. `maxSize` bounds the work: a value that can't fit into
 * as many bytes is refused before its text is made. A longer text may still come out.
 *
 * @throws UnstorableValueError naming `key`, for functions, symbols, instances of classes, and arrays with holes.
 * @throws SessionTooLargeError naming `key`.
 */
export function encode(key: string, value: unknown, maxSize = Infinity): string {
  let size: Size;
  let text: string;
  try {
    const room = roomAfter(value, 0, maxSize);
    if (room >= 0) return typeof value === "number" ? String(value) : JSON.stringify(value);
    // Without room, only what shares objects can be shorter in devalue's form.
    size = new Size(value, maxSize, maxTotal(maxSize), room === NOT_PLAIN);
    text = RICH + stringify(value, REDUCERS, OPTIONS);
  } catch (cause) {
    if (!(cause instanceof TooLarge)) throw new UnstorableValueError(shown(key), reason(cause), cause);
    throw new SessionTooLargeError(undefined, maxSize, `"${shown(key)}" alone takes more.`);
  }
  if (size.total <= maxTotal(text.length)) return text;
  throw new UnstorableValueError(shown(key), "it refers to the same things so often that it is too large to be read");
}

/** The value of a text that `encode` made. @throws if it is no such text. */
export function decode(text: string): unknown {
  if (!text.startsWith(RICH)) return JSON.parse(text);
  const limit = maxTotal(text.length);
  const value = parse(text.slice(RICH.length), revivers(limit));
  if (new Size(value, Infinity, limit, false).hasHoles) throw new RangeError("an array has holes");
  return value;
}

/**
 * The most characters that a value with a text of this length may take where each reference is written out. 24 arrays, each
 * of which holds the next one twice, have a text of 200 characters, and are 16 million items once they are read.
 */
function maxTotal(textLength: number): number {
  return 8 * textLength + 1024 * 1024;
}

/**
 * What is left of `room` after the value's JSON, which takes at least what is subtracted here. Negative if the room is not
 * enough. NOT_PLAIN if JSON does not give the same value back: NaN, -0, undefined, Date, toJSON, hole, class, symbol key.
 */
function roomAfter(value: unknown, depth: number, room: number): number {
  if (typeof value === "string") return room - value.length - 2;
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0) ? room - 1 : NOT_PLAIN;
  if (typeof value === "boolean" || value === null) return room - 2;
  return typeof value === "object" && depth < MAX_PLAIN_DEPTH ? roomAfterItems(value, depth + 1, room - 2) : NOT_PLAIN;
}

/** Apart from `roomAfter`, which V8 inlines here: the two take less time than one function that does both. */
function roomAfterItems(value: object, depth: number, room: number): number {
  if (Array.isArray(value)) {
    if (Object.getPrototypeOf(value) !== Array.prototype) return NOT_PLAIN;
    for (let i = 0; i < value.length && room >= 0; i++) room = roomAfter(value[i], depth, room);
    return room;
  }
  if (Object.getPrototypeOf(value) !== Object.prototype || Object.getOwnPropertySymbols(value).length > 0) {
    return NOT_PLAIN;
  }
  for (const name in value) {
    room = roomAfter((value as Record<string, unknown>)[name], depth, room - name.length - 3);
    if (room < 0) return room;
  }
  return room;
}

/** How large a value is. It takes the time of one walk, however often the value refers to the same things. */
class Size {
  /** Characters where each reference is written out. A circle is followed once. */
  readonly total: number;
  hasHoles = false;
  readonly #maxWritten: number;
  readonly #maxTotal: number;
  /** Characters of the text, at the least: an object that occurs several times counts once. */
  #written = 0;
  /** Characters that were walked over: a text counts each time. */
  #walked = 0;
  readonly #totals = new Map<object, number>();
  readonly #texts: Set<string | bigint> | undefined;

  /** With `countsTextsOnce`, a text that occurs several times counts once, too. @throws TooLarge, TooDeep */
  constructor(value: unknown, maxWritten: number, maxTotal: number, countsTextsOnce: boolean) {
    this.#maxWritten = maxWritten;
    this.#maxTotal = maxTotal;
    this.#texts = countsTextsOnce ? new Set() : undefined;
    this.total = this.#of(value, MAX_DEPTH);
    if (this.total > maxTotal) throw new TooLarge();
  }

  /** Walks in devalue's order, so that `depth` is what remains of the depth to which devalue recurses. */
  #of(value: unknown, depth: number): number {
    this.#count(2);
    if (typeof value === "string") return 2 + this.#countText(value, value.length);
    if (typeof value === "bigint") return 2 + this.#countText(value, digits(value));
    if (typeof value !== "object" || value === null) return 2;
    const known = this.#totals.get(value);
    if (known !== undefined) return known;
    if (depth === 0) throw new TooDeep();
    this.#totals.set(value, 2);
    const total = 2 + this.#ofContent(value, depth - 1);
    this.#totals.set(value, total);
    return total;
  }

  #ofContent(value: object, depth: number): number {
    let total = 0;
    if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) {
        if (value[i] === undefined && !Object.hasOwn(value, i)) {
          // The array may have 4 billion holes. devalue refuses it.
          this.hasHoles = true;
          break;
        }
        total += this.#of(value[i], depth);
      }
    } else if (value instanceof Map) {
      for (const [key, item] of value) total += this.#of(key, depth) + this.#of(item, depth);
    } else if (value instanceof Set) {
      for (const item of value) total += this.#of(item, depth);
    } else if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
      total += this.#count(value.byteLength);
    } else if (value instanceof URL || value instanceof URLSearchParams || value instanceof String) {
      total += this.#count(String(value).length);
    } else if (value instanceof RegExp) {
      total += this.#count(value.source.length);
    } else if (isPlainObject(value)) {
      for (const name of Object.keys(value)) {
        total += this.#count(name.length + 3) + this.#of((value as Record<string, unknown>)[name], depth);
      }
    }
    return total;
  }

  #countText(text: string | bigint, length: number): number {
    if (this.#texts?.has(text)) this.#written -= length;
    else this.#texts?.add(text);
    return this.#count(length);
  }

  #count(length: number): number {
    this.#written += length;
    this.#walked += length;
    if (this.#written > this.#maxWritten || this.#walked > this.#maxTotal) throw new TooLarge();
    return length;
  }
}

class TooLarge extends RangeError {
  override readonly message = "the value is too large, or refers to the same things too often";
}

class TooDeep extends RangeError {
  override readonly message = `it is nested more than ${MAX_DEPTH} deep`;
}

/** True for what devalue takes for an object with keys. Instances of classes are not looked into, since it refuses them. */
function isPlainObject(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Hexadecimal digits, which take no more than linear time: decimal ones take more. */
function digits(value: bigint): number {
  return BigInt.asIntN(64, value) === value ? 1 : value.toString(16).length;
}

/** coatcheck's own keys begin with a NUL. */
function shown(key: string): string {
  return key.replace("\0", "");
}

function reason(cause: unknown): string {
  if (cause instanceof TooDeep) return cause.message;
  if (!(cause instanceof DevalueError)) return `reading it fails with ${cause}`;
  return cause.path ? `it holds ${nameOf(cause.value)}, at ${cause.path}` : `it is ${nameOf(cause.value)}`;
}

function nameOf(value: unknown): string {
  if (typeof value !== "object" || value === null) return `a ${typeof value}`;
  if (Array.isArray(value) && holeIn(value) !== -1) {
    return `an array without an item at index ${holeIn(value)} (set the item, or remove it with splice)`;
  }
  const type = Object.getPrototypeOf(value)?.constructor?.name;
  if (type && type !== "Object") return `an instance of ${type}`;
  if (Object.getOwnPropertySymbols(value).length > 0) return "an object with symbols for keys";
  return Object.hasOwn(value, "__proto__") ? 'an object with a key "__proto__"' : "an object that is not plain data";
}

// devalue would bring a Buffer back as a Uint8Array. The "=" keeps the text of an empty one from being falsy.
const REDUCERS = { Buffer: (value: unknown) => Buffer.isBuffer(value) && `=${value.toString("base64")}` };

/** `limit`, in bytes: a text can have many Buffers of one long base64. */
function revivers(limit: number) {
  let left = limit;
  return {
    Buffer(text: string): Buffer {
      // Not from Node's pool, whose bytes other requests share: `buffer.buffer` would give them all.
      const bytes = Buffer.from(new Uint8Array(Buffer.from(text.slice(1), "base64")).buffer);
      left -= bytes.length;
      if (left < 0) throw new RangeError("too many bytes");
      return bytes;
    },
  };
}

const OPTIONS = {
  operations: {
    /** devalue would keep an instance of a class that extends Map, say, as a Map. It has no tag for what is refused. */
    tagOf(value: object) {
      if (isSubclass(value)) return "Subclass";
      return Array.isArray(value) && holeIn(value) !== -1 ? "Holes" : defaultStringifyOperations.tagOf(value);
    },
    /** devalue would write a view's whole buffer; what lies outside the view (other people's bytes, in a pool) is not its. */
    viewInfo(view: ArrayBufferView) {
      const { byteOffset, byteLength } = view;
      const isWhole = byteLength === view.buffer.byteLength;
      const buffer = isWhole ? view.buffer : view.buffer.slice(byteOffset, byteOffset + byteLength);
      return { buffer, byteOffset: 0, byteLength, bufferByteLength: byteLength };
    },
  },
};

/** The index of the first item that an array lacks, or -1. */
function holeIn(array: readonly unknown[]): number {
  for (let i = 0; i < array.length; i++) if (array[i] === undefined && !Object.hasOwn(array, i)) return i;
  return -1;
}

/** True if there is one prototype more than a built-in type's own, the typed arrays' common one, and Object's. */
function isSubclass(value: object): boolean {
  let prototypes = ArrayBuffer.isView(value) && !(value instanceof DataView) ? -1 : 0;
  for (let type = Object.getPrototypeOf(value); type !== null; type = Object.getPrototypeOf(type)) prototypes++;
  return prototypes > 2;
}
