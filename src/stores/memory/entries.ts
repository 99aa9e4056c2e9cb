// The entries of the memory store, and the indexes over them.

import type { SessionWrite } from "../../store.ts";
import { Arena, firstWordOf, MAX_ENTRY_BYTES, type Ref } from "./arena.ts";
import { ExpiryIndex } from "./expiry-index.ts";
import { HashIndex } from "./hash-index.ts";
import { LinkedLists } from "./linked-list.ts";
import { OwnerIndex } from "./owner-index.ts";
import { PackedKey, readText, textInfo, writeText } from "./packed-key.ts";

/**
 * Each session is an entry in the arena. Indexes find it by its key, expiry, owner and last use.
 *
 * An entry in words of 32 bits:
 *
 *      0  links of the expiry index
 *      2  expiresAt, the lower 32 bits
 *      3  version, the lower 32 bits
 *      4  the upper 16 bits of expiresAt, then those of the version
 *      5  the last 16 bits of the key, 4 flags, 12 bits for the length of the value
 *      6  the first 128 bits of the key
 *     10  links of the usage order               if the store has a limit
 *      …  links and hash of the owner, textInfo  if OWNED
 *
 * Then, as bytes, the key's text if it is not exact in the words (TEXT_KEY), the owner, and the value. If those are too long
 * for the arena (LARGE), they are an object on the heap.
 */
export class Entries {
  readonly #arena = new Arena((from, to) => this.#moved(from, to));
  readonly #index = new HashIndex((ref) => this.#hashOf(ref));
  readonly #expiry = new ExpiryIndex(this.#arena, 0);
  /** The order of last use, from `#oldest`. Undefined: the store has no limit, and needs no order. */
  readonly #usage: LinkedLists | undefined;
  readonly #owners: OwnerIndex;
  readonly #ownerWord: number;
  readonly #large = new Map<Ref, Large>();
  /** The key of a call, and the key of an entry. Reused, so that no call leaves garbage. */
  readonly #callKey = new PackedKey();
  readonly #entryKey = new PackedKey();
  /** The text of `#callKey`, as a key that is read is often written next. */
  #callKeyText: string | undefined;
  /** The least recently used entry. */
  #oldest: Ref = 0;

  count = 0;
  /** The bytes of all values. */
  bytes = 0;

  /** `tracksUsage`: keeps the order of last use. */
  constructor(tracksUsage: boolean) {
    this.#usage = tracksUsage ? new LinkedLists(this.#arena, USAGE) : undefined;
    this.#ownerWord = tracksUsage ? USAGE + 2 : USAGE;
    this.#owners = new OwnerIndex(this.#arena, this.#ownerWord, (ref) => this.owner(ref));
  }

  /** The entry with this key, expired or not. 0: there is none. */
  find(key: string): Ref {
    const { hash } = this.#pack(key);
    let ref = this.#index.find(hash);
    while (ref !== 0 && !this.#hasKey(ref, key)) ref = this.#index.find(hash, ref);
    return ref;
  }

  /** Adds an entry for a key that has none. `now` is in milliseconds since 1970. */
  add(key: string, session: SessionWrite, version: number, now: number): Ref {
    const packed = this.#pack(key);
    const flags = flagsOf(key, packed.isExact, session);
    const kept = withOwnBytes(flags, session);
    const ref = this.#arena.allocate(this.#size(flags, key, session));
    this.#arena.set(ref, FLAGS, packed.e << 16);
    this.#arena.set(ref, KEY, packed.a);
    this.#arena.set(ref, KEY + 1, packed.b);
    this.#arena.set(ref, KEY + 2, packed.c);
    this.#arena.set(ref, KEY + 3, packed.d);
    this.#write(ref, flags, key, kept, version);
    this.#index.add(packed.hash, ref);
    this.#expiry.add(ref, session.expiresAt, now);
    if (session.owner !== undefined) this.#owners.add(ref, session.owner);
    if (this.#usage) this.#oldest = this.#usage.append(this.#oldest, ref);
    this.count++;
    return ref;
  }

  /** Replaces everything but the key, which must be the entry's own. */
  replace(ref: Ref, key: string, session: SessionWrite, version: number, now: number): void {
    const before = this.#flags(ref);
    const owner = this.owner(ref);
    const sameOwner = owner === session.owner;
    const isEarlier = session.expiresAt < this.expiresAt(ref);
    const flags = flagsOf(key, !(before & TEXT_KEY), session);
    // The steps that can run out of memory come first, while the entry is still intact.
    const kept = withOwnBytes(flags, session);
    const to = this.#roomInstead(ref, this.#size(flags, key, session));
    if (owner !== undefined && !sameOwner) this.#owners.remove(ref);
    this.bytes -= this.#valueLength(ref);
    if (before & LARGE) this.#large.delete(ref);
    // The entry is moved without its bytes, so its flags must not say that they are there.
    this.#setFlags(ref, before & (sameOwner ? TEXT_KEY | OWNED : TEXT_KEY));
    if (to !== ref) this.#move(ref, to);
    this.#write(to, flags, key, kept, version);
    if (session.owner !== undefined && !sameOwner) this.#owners.add(to, session.owner);
    if (isEarlier) this.reschedule(to, now);
  }

  remove(ref: Ref): void {
    const flags = this.#flags(ref);
    this.#index.remove(this.#hashOf(ref), ref);
    this.#expiry.remove(ref);
    if (flags & OWNED) this.#owners.remove(ref);
    if (this.#usage) this.#removeFromUsage(this.#usage, ref);
    this.bytes -= this.#valueLength(ref);
    if (flags & LARGE) this.#large.delete(ref);
    this.count--;
    this.#arena.free(ref);
  }

  key(ref: Ref): string {
    const flags = this.#flags(ref);
    if (flags & LARGE) return this.#large.get(ref)!.key;
    if (!(flags & TEXT_KEY)) return this.#packed(ref).unpack();
    return readText(this.#arena.page(ref).bytes, this.#textAt(ref, flags), this.#arena.get(ref, KEY + 1));
  }

  owner(ref: Ref): string | undefined {
    const flags = this.#flags(ref);
    if (!(flags & OWNED)) return undefined;
    if (flags & LARGE) return this.#large.get(ref)!.owner;
    const at = this.#textAt(ref, flags) + this.#keyLength(ref, flags);
    return readText(this.#arena.page(ref).bytes, at, this.#arena.get(ref, this.#ownerWord + 3));
  }

  /** The value's bytes. They do not change with the entry. */
  value(ref: Ref): Uint8Array {
    const page = this.#arena.page(ref);
    const word = firstWordOf(page, ref);
    const flags = page.words[word + FLAGS]!;
    if (flags & LARGE) return this.#large.get(ref)!.value;
    const length = flags & LENGTH_MASK;
    const value = Buffer.allocUnsafe(length);
    // Most entries have neither a text key nor an owner. Without the call of `#valueAt`, V8 can inline the whole read.
    const at = flags & (TEXT_KEY | OWNED) ? this.#valueAt(ref, flags) : 4 * (word + this.#ownerWord);
    page.bytes.copy(value, 0, at, at + length);
    return value;
  }

  version(ref: Ref): number {
    return (this.#arena.get(ref, UPPER_BITS) & 0xffff) * 2 ** 32 + (this.#arena.get(ref, VERSION) >>> 0);
  }

  expiresAt(ref: Ref): number {
    return (this.#arena.get(ref, UPPER_BITS) >>> 16) * 2 ** 32 + (this.#arena.get(ref, EXPIRES_AT) >>> 0);
  }

  /** A later expiry leaves the expiry index alone: the sweep reschedules the entry. */
  expireAt(ref: Ref, expiresAt: number, now: number): void {
    const isEarlier = expiresAt < this.expiresAt(ref);
    this.#setExpiry(ref, expiresAt);
    if (isEarlier) this.reschedule(ref, now);
  }

  /** Updates the entry's place in the expiry index. */
  reschedule(ref: Ref, now: number): void {
    this.#expiry.remove(ref);
    this.#expiry.add(ref, this.expiresAt(ref), now);
  }

  /** The seconds that have come, the earliest first. Each has a list of entries that may have expired. */
  dueSeconds(now: number): number[] {
    return this.#expiry.dueSeconds(now);
  }

  /** The first entry of a second. 0: there is none. */
  firstDue(second: number): Ref {
    return this.#expiry.firstOf(second);
  }

  /** Marks the entry as the most recently used. */
  use(ref: Ref): void {
    if (this.#usage === undefined || ref === this.newest) return;
    this.#removeFromUsage(this.#usage, ref);
    this.#oldest = this.#usage.append(this.#oldest, ref);
  }

  get oldest(): Ref {
    return this.#oldest;
  }

  get newest(): Ref {
    return this.#usage?.last(this.#oldest) ?? 0;
  }

  /** All keys, some thousand at a time. A key that is there from the beginning to the end comes once. */
  *keys(): Generator<string[]> {
    for (const refs of this.#index.tables()) yield refs.map((ref) => this.key(ref));
  }

  keysOf(owner: string): string[] {
    return this.#owners.entriesOf(owner).map((ref) => this.key(ref));
  }

  /** The word whose lower 16 bits are the flags and the length of the value. */
  #flags(ref: Ref): number {
    return this.#arena.get(ref, FLAGS);
  }

  #setFlags(ref: Ref, flags: number): void {
    this.#arena.set(ref, FLAGS, (this.#flags(ref) & ~0xffff) | (flags & 0xffff));
  }

  #setExpiry(ref: Ref, expiresAt: number): void {
    const whole = Math.min(Math.max(0, Math.ceil(expiresAt)), MAX_EXPIRES_AT);
    this.#arena.set(ref, EXPIRES_AT, whole);
    this.#arena.set(ref, UPPER_BITS, (this.#arena.get(ref, UPPER_BITS) & 0xffff) | (Math.floor(whole / 2 ** 32) << 16));
  }

  #setVersion(ref: Ref, version: number): void {
    this.#arena.set(ref, VERSION, version);
    this.#arena.set(ref, UPPER_BITS, (this.#arena.get(ref, UPPER_BITS) & ~0xffff) | Math.floor(version / 2 ** 32));
  }

  #write(ref: Ref, flags: number, key: string, { value, expiresAt, owner }: SessionWrite, version: number): void {
    this.#setFlags(ref, flags);
    this.#setExpiry(ref, expiresAt);
    this.#setVersion(ref, version);
    this.bytes += value.length;
    if (owner !== undefined) this.#arena.set(ref, this.#ownerWord + 3, textInfo(owner));
    if (flags & LARGE) {
      this.#large.set(ref, { key, owner, value });
      return;
    }
    const { bytes } = this.#arena.page(ref);
    let at = this.#textAt(ref, flags);
    if (flags & TEXT_KEY) {
      writeText(bytes, at, key, this.#arena.get(ref, KEY + 1));
      at += this.#keyLength(ref, flags);
    }
    if (owner !== undefined) {
      writeText(bytes, at, owner, this.#arena.get(ref, this.#ownerWord + 3));
      at += this.#ownerLength(ref, flags);
    }
    bytes.set(value, at);
  }

  /** New room of this size for the entry, or its present room if that is of the same size. */
  #roomInstead(ref: Ref, size: number): Ref {
    return this.#arena.fits(ref, size) ? ref : this.#arena.allocate(size);
  }

  /** Moves the entry, with its words, but without the bytes after them. */
  #move(ref: Ref, to: Ref): void {
    this.#arena.copy(ref, to, MAX_HEADER_BYTES);
    this.#moved(ref, to);
    this.#arena.free(ref);
  }

  #moved(from: Ref, to: Ref): void {
    const flags = this.#flags(to);
    this.#index.replace(this.#hashOf(to), from, to);
    this.#expiry.moved(to);
    if (flags & OWNED) this.#owners.moved(from, to);
    if (this.#usage) {
      this.#usage.moved(from, to);
      if (this.#oldest === from) this.#oldest = to;
    }
    if (flags & LARGE) {
      this.#large.set(to, this.#large.get(from)!);
      this.#large.delete(from);
    }
  }

  #removeFromUsage(usage: LinkedLists, ref: Ref): void {
    const next = usage.remove(ref);
    if (ref === this.#oldest) this.#oldest = next;
  }

  #pack(key: string): PackedKey {
    if (key !== this.#callKeyText) {
      this.#callKey.pack(key);
      this.#callKeyText = key;
    }
    return this.#callKey;
  }

  #hasKey(ref: Ref, key: string): boolean {
    const page = this.#arena.page(ref);
    const { words } = page;
    const at = firstWordOf(page, ref);
    const { a, b, c, d, e, isExact } = this.#callKey;
    const flags = words[at + FLAGS]!;
    return (
      words[at + KEY] === a &&
      words[at + KEY + 1] === b &&
      words[at + KEY + 2] === c &&
      words[at + KEY + 3] === d &&
      flags >>> 16 === e &&
      (flags & TEXT_KEY ? !isExact && this.key(ref) === key : isExact)
    );
  }

  #hashOf(ref: Ref): number {
    return this.#packed(ref).hash;
  }

  #packed(ref: Ref): PackedKey {
    const packed = this.#entryKey;
    packed.a = this.#arena.get(ref, KEY);
    packed.b = this.#arena.get(ref, KEY + 1);
    packed.c = this.#arena.get(ref, KEY + 2);
    packed.d = this.#arena.get(ref, KEY + 3);
    packed.e = this.#flags(ref) >>> 16;
    return packed;
  }

  /** The bytes of an entry with these flags. */
  #size(flags: number, key: string, { value, owner }: SessionWrite): number {
    const words = 4 * (this.#ownerWord + (flags & OWNED ? 4 : 0));
    if (flags & LARGE) return MAX_HEADER_BYTES;
    return Math.max(MAX_HEADER_BYTES, words + textLengths(flags & TEXT_KEY ? key : undefined, owner) + value.length);
  }

  #valueAt(ref: Ref, flags: number): number {
    return this.#textAt(ref, flags) + this.#keyLength(ref, flags) + this.#ownerLength(ref, flags);
  }

  /** Where in its page the bytes of an entry begin. */
  #textAt(ref: Ref, flags: number): number {
    return 4 * (firstWordOf(this.#arena.page(ref), ref) + this.#ownerWord + (flags & OWNED ? 4 : 0));
  }

  #keyLength(ref: Ref, flags: number): number {
    return flags & TEXT_KEY ? this.#arena.get(ref, KEY + 1) >>> 1 : 0;
  }

  #ownerLength(ref: Ref, flags: number): number {
    return flags & OWNED ? this.#arena.get(ref, this.#ownerWord + 3) >>> 1 : 0;
  }

  #valueLength(ref: Ref): number {
    const flags = this.#flags(ref);
    return flags & LARGE ? this.#large.get(ref)!.value.length : flags & LENGTH_MASK;
  }
}

/** What an entry with the flag LARGE has on the heap. */
interface Large {
  key: string;
  owner: string | undefined;
  value: Uint8Array;
}

const EXPIRES_AT = 2;
const VERSION = 3;
const UPPER_BITS = 4;
const FLAGS = 5;
const KEY = 6;
const USAGE = 10;
/** The bytes of all words that an entry can have. */
const MAX_HEADER_BYTES = 4 * (USAGE + 2 + 4);

const TEXT_KEY = 1 << 12;
const OWNED = 1 << 13;
const LARGE = 1 << 14;
const LENGTH_MASK = 0xfff;

/** An expiry has 48 bits. The last one is in the year 10889. */
const MAX_EXPIRES_AT = 2 ** 48 - 1;

/** The flags, with the length of the value unless it is on the heap. */
function flagsOf(key: string, isExact: boolean, { value, owner }: SessionWrite): number {
  const kind = (isExact ? 0 : TEXT_KEY) | (owner === undefined ? 0 : OWNED);
  const rest = textLengths(isExact ? undefined : key, owner) + value.length;
  return MAX_HEADER_BYTES + rest > MAX_ENTRY_BYTES ? kind | LARGE : kind | value.length;
}

/** Copies the value if it goes to the heap, as the caller may change its bytes later. The arena has a copy anyway. */
function withOwnBytes(flags: number, session: SessionWrite): SessionWrite {
  return flags & LARGE ? { ...session, value: new Uint8Array(session.value) } : session;
}

function textLengths(key: string | undefined, owner: string | undefined): number {
  return (key === undefined ? 0 : textInfo(key) >>> 1) + (owner === undefined ? 0 : textInfo(owner) >>> 1);
}
