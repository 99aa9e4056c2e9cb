// The format of a record: a session as bytes, read and written.

import { layout, type NewText, type Shape, shapeAt } from "./record-shape.ts";
import { isSameButForUse, readTerms, type SessionTerms, sizeOfTerms, writeTerms } from "./terms.ts";
import { MARK_BYTE, plainText, untilOf } from "./timed-text.ts";
import { decode } from "./value-codec.ts";

/** Names that begin with it are coatcheck's own, not the application's. */
export const RESERVED = "\0";

/** The key of what the application keeps of the client. It outlives `clear` and a change of owner. */
export const CLIENT = `${RESERVED}client`;

/** The key of what a session knows of its copy in another package. It outlives both, too. */
export const LEGACY = `${RESERVED}legacy`;

/**
 * A session as bytes. Names stand apart from values, so that one value is found and decoded without looking at the
 * others, and values that did not change are copied without being decoded at all.
 *
 *     1  format
 *     1  flags
 *     6  createdAt, milliseconds
 *     6  renewedAt, milliseconds           if HAS_RENEWED
 *     6  sealedUntil, milliseconds         if HAS_SEALED_UNTIL
 *     4  revision                          if HAS_REVISION
 *     4  lease, milliseconds               if HAS_LEASE
 *     n  terms, see terms.ts               if HAS_TERMS
 *   2+n  owner, UTF-8, its length first     if HAS_OWNER
 *   4+n  names, a JSON array in UTF-8, its length first
 *    4k  where each value ends, counted from the first value
 *     n  the values' texts, UTF-8
 *
 * Numbers are little-endian.
 */
export class SessionRecord {
  readonly bytes: Buffer;
  readonly createdAt: number;
  /** When the browser last got its cookie. Kept only for cookies with a `maxAge`. */
  readonly renewedAt: number | undefined;
  /**
   * The latest end of this state, which no later expiry in the store can move: who can write to the database can't keep a
   * session alive. Kept only where records are sealed.
   */
  readonly sealedUntil: number | undefined;
  readonly owner: string | undefined;
  /** Counts the writes to the session, so that a browser never sees an older state. Kept only for stores with a cache. */
  readonly revision: number | undefined;
  /** Set while a request holds the session in exclusive mode: milliseconds until the lease ends unless it is renewed. */
  readonly lease: number | undefined;
  /** What this session has of its own. Undefined: nothing. */
  readonly terms: SessionTerms | undefined;
  readonly #shape: Shape;
  readonly #endsAt: number;
  readonly #valuesAt: number;
  /** The number of its state in this process: see `isSameState`. */
  #state = ++states;

  private constructor(bytes: Buffer, meta: RecordMeta, shape: Shape, endsAt: number) {
    this.bytes = bytes;
    this.createdAt = meta.createdAt;
    this.renewedAt = meta.renewedAt;
    this.sealedUntil = meta.sealedUntil;
    this.owner = meta.owner;
    this.revision = meta.revision;
    this.lease = meta.lease;
    this.terms = meta.terms;
    this.#shape = shape;
    this.#endsAt = endsAt;
    this.#valuesAt = endsAt + 4 * shape.names.length;
  }

  /** @throws RangeError, SyntaxError or TypeError if the bytes are no record. */
  static read(bytes: Uint8Array): SessionRecord {
    const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (buffer[0] !== FORMAT) throw new RangeError("not a session record");
    const flags = buffer[1]!;
    const meta: RecordMeta = {
      createdAt: buffer.readUIntLE(2, 6),
      renewedAt: undefined,
      sealedUntil: undefined,
      revision: undefined,
      lease: undefined,
      terms: undefined,
      owner: undefined,
    };
    let at = 8;
    if (flags & HAS_RENEWED) {
      meta.renewedAt = buffer.readUIntLE(at, 6);
      at += 6;
    }
    if (flags & HAS_SEALED_UNTIL) {
      meta.sealedUntil = buffer.readUIntLE(at, 6);
      at += 6;
    }
    if (flags & HAS_REVISION) {
      meta.revision = buffer.readUInt32LE(at);
      at += 4;
    }
    if (flags & HAS_LEASE) {
      meta.lease = buffer.readUInt32LE(at);
      at += 4;
    }
    if (flags & HAS_TERMS) {
      meta.terms = readTerms(buffer, at);
      at += sizeOfTerms(meta.terms);
    }
    if (flags & HAS_OWNER) {
      const ownerAt = at + 2;
      at = ownerAt + buffer.readUInt16LE(at);
      meta.owner = buffer.toString("utf8", ownerAt, at);
    }
    const endsAt = at + 4 + buffer.readUInt32LE(at);
    const shape = shapeAt(buffer, at + 4, endsAt);
    const record = new SessionRecord(buffer, meta, shape, endsAt);
    record.#checkEnds();
    return record;
  }

  /** The same with bytes of its own. Its present bytes may be a small part of a buffer that must not be kept in memory. */
  detached(): SessionRecord {
    if (this.bytes.length === this.bytes.buffer.byteLength) return this;
    const bytes = Buffer.from(new Uint8Array(this.bytes).buffer);
    return new SessionRecord(bytes, this, this.#shape, this.#endsAt);
  }

  /** True if one record was made of the other without changing a value, such as to hold or renew the session. */
  isSameState(other: SessionRecord): boolean {
    return this.#state === other.#state;
  }

  get names(): readonly string[] {
    return this.#shape.names;
  }

  has(name: string): boolean {
    return this.#shape.index.has(name);
  }

  /** The encoded text of a value. */
  text(name: string): string | undefined {
    const i = this.#shape.index.get(name);
    if (i === undefined) return undefined;
    return this.bytes.toString("utf8", this.#valuesAt + this.#endOf(i - 1), this.#valuesAt + this.#endOf(i));
  }

  /** True if a value has an end of its own. */
  get hasTimedValues(): boolean {
    for (let i = 0; i < this.names.length; i++) if (this.#isTimed(i)) return true;
    return false;
  }

  /** True if the key has a value that has not ended by itself. */
  hasLive(name: string, now: () => number): boolean {
    const i = this.#shape.index.get(name);
    return i !== undefined && (!this.#isTimed(i) || this.#isLive(i, now()));
  }

  /**
   * Every value of the application's keys, for events and lists. Values that have ended, or can't be decoded, are left out.
   */
  data(now = Date.now()): Record<string, unknown> {
    const entries: [string, unknown][] = [];
    for (const name of this.names) {
      if (name.startsWith(RESERVED) || !this.hasLive(name, () => now)) continue;
      try {
        entries.push([name, decode(plainText(this.text(name)!))]);
      } catch {}
    }
    return Object.fromEntries(entries);
  }

  /** The largest keys and their sizes, for an error that says what to leave out. */
  largest(): string {
    return largestOf(this.names.map((name, i) => ({ name, size: this.#endOf(i) - this.#endOf(i - 1) })));
  }

  #isTimed(i: number): boolean {
    return this.bytes[this.#valuesAt + this.#endOf(i - 1)] === MARK_BYTE && this.#endOf(i) > this.#endOf(i - 1);
  }

  #isLive(i: number, now: number): boolean {
    return !(untilOf(this.text(this.#shape.names[i]!))! <= now);
  }

  /** Where the value at `i` ends, counted from the first value. */
  #endOf(i: number): number {
    return i < 0 ? 0 : this.bytes.readUInt32LE(this.#endsAt + 4 * i);
  }

  /** Values that overlap or leave gaps would copy other bytes of this process into the next record. */
  #checkEnds(): void {
    let end = 0;
    for (let i = 0; i < this.names.length; i++) {
      const next = this.#endOf(i);
      if (next < end) throw new RangeError("not a session record");
      end = next;
    }
    if (this.#valuesAt + end !== this.bytes.length) throw new RangeError("not a whole session record");
  }

  /** A record with these changes. Other values are copied as they are. */
  static write(meta: RecordMeta, base: SessionRecord | undefined, changes: readonly NewText[]): SessionRecord {
    const { shape, sources } = layout(base === undefined ? undefined : base.#shape, changes);
    const ownerSize = meta.owner === undefined ? 0 : Buffer.byteLength(meta.owner);
    const flags =
      (meta.renewedAt === undefined ? 0 : HAS_RENEWED) |
      (meta.sealedUntil === undefined ? 0 : HAS_SEALED_UNTIL) |
      (meta.revision === undefined ? 0 : HAS_REVISION) |
      (meta.lease === undefined ? 0 : HAS_LEASE) |
      (meta.terms === undefined ? 0 : HAS_TERMS) |
      (meta.owner === undefined ? 0 : HAS_OWNER);
    const head =
      8 +
      (flags & HAS_RENEWED ? 6 : 0) +
      (flags & HAS_SEALED_UNTIL ? 6 : 0) +
      (flags & HAS_REVISION ? 4 : 0) +
      (flags & HAS_LEASE ? 4 : 0) +
      (meta.terms === undefined ? 0 : sizeOfTerms(meta.terms)) +
      (flags & HAS_OWNER ? 2 + ownerSize : 0);
    const endsAt = head + 4 + shape.bytes.length;
    const valuesAt = endsAt + 4 * sources.length;

    // Neighbouring texts are sized and written as one: a record of ten new values takes 1.3 µs instead of 1.9.
    const runs: string[] = [];
    const ends = new Array<number>(sources.length);
    let end = 0;
    for (let i = 0; i < sources.length; ) {
      const first = sources[i]!;
      if (typeof first === "number") {
        end += base!.#endOf(first) - base!.#endOf(first - 1);
        ends[i++] = end;
        continue;
      }
      let run = first;
      let next = i + 1;
      for (; typeof sources[next] === "string"; next++) run += sources[next];
      const isAscii = Buffer.byteLength(run) === run.length;
      for (; i < next; i++) {
        const text = sources[i] as string;
        end += isAscii ? text.length : Buffer.byteLength(text);
        ends[i] = end;
      }
      runs.push(run);
    }

    const bytes = Buffer.allocUnsafe(valuesAt + end);
    bytes[0] = FORMAT;
    bytes[1] = flags;
    bytes.writeUIntLE(meta.createdAt, 2, 6);
    let at = 8;
    if (meta.renewedAt !== undefined) at = bytes.writeUIntLE(meta.renewedAt, at, 6);
    if (meta.sealedUntil !== undefined) at = bytes.writeUIntLE(meta.sealedUntil, at, 6);
    if (meta.revision !== undefined) at = bytes.writeUInt32LE(meta.revision, at);
    if (meta.lease !== undefined) at = bytes.writeUInt32LE(meta.lease, at);
    if (meta.terms !== undefined) at = writeTerms(bytes, meta.terms, at);
    if (meta.owner !== undefined) {
      at = bytes.writeUInt16LE(ownerSize, at);
      at += bytes.write(meta.owner, at);
    }
    at = bytes.writeUInt32LE(shape.bytes.length, at);
    at += shape.bytes.copy(bytes, at);
    for (const valueEnd of ends) at = bytes.writeUInt32LE(valueEnd, at);
    let run = 0;
    for (let i = 0; i < sources.length; ) {
      const first = sources[i++]!;
      if (typeof first === "string") {
        at += bytes.write(runs[run++]!, at);
        while (typeof sources[i] === "string") i++;
        continue;
      }
      // Neighbours that did not change are copied in one piece.
      let last = first;
      for (; sources[i] === last + 1; i++) last++;
      const from = base!.#valuesAt;
      at += base!.bytes.copy(bytes, at, from + base!.#endOf(first - 1), from + base!.#endOf(last));
    }
    const record = new SessionRecord(bytes, meta, shape, endsAt);
    if (
      base !== undefined &&
      changes.length === 0 &&
      base.owner === meta.owner &&
      isSameButForUse(base.terms, meta.terms)
    ) {
      record.#state = base.#state;
    }
    return record;
  }
}

/** Names the largest three, for an error. */
export function largestOf(keys: { name: string; size: number }[]): string {
  const largest = keys.toSorted((one, other) => other.size - one.size).slice(0, 3);
  const shown = largest.map(({ name, size }) => `"${name.replace(RESERVED, "")}" (${size})`);
  return `Largest: ${shown.join(", ")}.`;
}

/** States in this process so far. */
let states = 0;

export interface RecordMeta {
  createdAt: number;
  renewedAt: number | undefined;
  sealedUntil: number | undefined;
  revision: number | undefined;
  lease: number | undefined;
  terms: SessionTerms | undefined;
  owner: string | undefined;
}

const FORMAT = 1;
const HAS_RENEWED = 1;
const HAS_OWNER = 2;
const HAS_REVISION = 4;
const HAS_LEASE = 8;
const HAS_SEALED_UNTIL = 16;
const HAS_TERMS = 32;

/** The revision of a write over `base`. A record from before revisions were counted counts as the first. */
export function nextRevision(base: SessionRecord | undefined): number {
  return base === undefined ? 1 : (base.revision ?? 1) + 1;
}
