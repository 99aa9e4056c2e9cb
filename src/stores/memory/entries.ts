import type { SessionWrite } from "../../store.ts";
import { Arena, LONGEST, type Ref, wordOf } from "./arena.ts";
import { Expiry } from "./expiry.ts";
import { HashIndex } from "./hash-index.ts";
import { PackedKey, readText, textInfo, writeText } from "./key.ts";
import { Links } from "./links.ts";
import { Owners } from "./owners.ts";

/**
 * What the store keeps: each session an entry in the arena, found by its key, its expiry, its owner and its last use.
 *
 * An entry in words of 32 bits:
 *
 *      0  links of the expiry
 *      2  expiresAt, its lower 32 bits
 *      3  version, its lower 32 bits
 *      4  the upper 16 bits of expiresAt, then of the version
 *      5  the last 16 bits of the key, 4 flags, 12 bits of the value's length
 *      6  the first 128 bits of the key
 *     10  links of the last use             if there is a limit
 *      …  links and hash, length of text     if OWNED
 *
 * Then, as bytes, the key's text if it is not whole in the words (OTHER_KEY), the owner and the value. If those are too long
 * (LARGE) they are an object on the heap.
 */
export class Entries {
  readonly #arena = new Arena((from, to) => this.#moved(from, to));
  readonly #index = new HashIndex((ref) => this.#hashOf(ref));
  readonly #expiry = new Expiry(this.#arena, 0);
  readonly #uses: Links | undefined;
  readonly #owners: Owners;
  readonly #ownerWord: number;
  readonly #large = new Map<Ref, Large>();
  /** The key that is looked for, and one that is in an entry: always the same objects, so that no call leaves garbage. */
  readonly #wanted = new PackedKey();
  readonly #filed = new PackedKey();
  /** What `#wanted` holds: a key that is read is often written next. */
  #wantedText: string | undefined;
  /** The one that was not used for the longest time. */
  #oldest: Ref = 0;

  count = 0;
  /** The bytes of all values. */
  bytes = 0;

  /** `ordered`: keeps the order of last use. */
  constructor(ordered: boolean) {
    this.#uses = ordered ? new Links(this.#arena, USE) : undefined;
    this.#ownerWord = ordered ? USE + 2 : USE;
    this.#owners = new Owners(this.#arena, this.#ownerWord, (ref) => this.owner(ref));
  }

  /** The entry with this key, expired or not; 0 if there is none. */
  find(key: string): Ref {
    const { hash } = this.#pack(key);
    let ref = this.#index.find(hash);
    while (ref !== 0 && !this.#isWanted(ref, key)) ref = this.#index.find(hash, ref);
    return ref;
  }

  /** Adds an entry for a key that has none. `now`: in milliseconds since 1970. */
  add(key: string, session: SessionWrite, version: number, now: number): Ref {
    const packed = this.#pack(key);
    const form = formOf(key, packed.isWhole, session);
    const kept = withOwnBytes(form, session);
    const ref = this.#arena.allocate(this.#size(form, key, session));
    this.#arena.set(ref, FORM, packed.e << 16);
    this.#arena.set(ref, KEY, packed.a);
    this.#arena.set(ref, KEY + 1, packed.b);
    this.#arena.set(ref, KEY + 2, packed.c);
    this.#arena.set(ref, KEY + 3, packed.d);
    this.#write(ref, form, key, kept, version);
    this.#index.add(packed.hash, ref);
    this.#expiry.file(ref, session.expiresAt, now);
    if (session.owner !== undefined) this.#owners.add(ref, session.owner);
    if (this.#uses) this.#oldest = this.#uses.append(this.#oldest, ref);
    this.count++;
    return ref;
  }

  /** Replaces all but the key, which is given again. */
  replace(ref: Ref, key: string, session: SessionWrite, version: number, now: number): void {
    const before = this.#form(ref);
    const owner = this.owner(ref);
    const sameOwner = owner === session.owner;
    const isEarlier = session.expiresAt < this.expiresAt(ref);
    const form = formOf(key, !(before & OTHER_KEY), session);
    // What may fail for want of memory comes first, while the entry is whole.
    const kept = withOwnBytes(form, session);
    const at = this.#roomInstead(ref, this.#size(form, key, session));
    if (owner !== undefined && !sameOwner) this.#owners.remove(ref);
    this.bytes -= this.#valueLength(ref);
    if (before & LARGE) this.#large.delete(ref);
    // Until it is written anew, the entry is what a move can carry along.
    this.#setForm(ref, before & (sameOwner ? OTHER_KEY | OWNED : OTHER_KEY));
    if (at !== ref) this.#move(ref, at);
    this.#write(at, form, key, kept, version);
    if (session.owner !== undefined && !sameOwner) this.#owners.add(at, session.owner);
    if (isEarlier) this.refile(at, now);
  }

  remove(ref: Ref): void {
    const form = this.#form(ref);
    this.#index.remove(this.#hashOf(ref), ref);
    this.#expiry.unfile(ref);
    if (form & OWNED) this.#owners.remove(ref);
    if (this.#uses) this.#unuse(this.#uses, ref);
    this.bytes -= this.#valueLength(ref);
    if (form & LARGE) this.#large.delete(ref);
    this.count--;
    this.#arena.free(ref);
  }

  key(ref: Ref): string {
    const form = this.#form(ref);
    if (form & LARGE) return this.#large.get(ref)!.key;
    if (!(form & OTHER_KEY)) return this.#packed(ref).unpack();
    return readText(this.#arena.page(ref).bytes, this.#textAt(ref, form), this.#arena.get(ref, KEY + 1));
  }

  owner(ref: Ref): string | undefined {
    const form = this.#form(ref);
    if (!(form & OWNED)) return undefined;
    if (form & LARGE) return this.#large.get(ref)!.owner;
    const at = this.#textAt(ref, form) + this.#keyLength(ref, form);
    return readText(this.#arena.page(ref).bytes, at, this.#arena.get(ref, this.#ownerWord + 3));
  }

  /** The bytes, which stay as they are whatever becomes of the entry. */
  value(ref: Ref): Uint8Array {
    const page = this.#arena.page(ref);
    const word = wordOf(page, ref);
    const form = page.words[word + FORM]!;
    if (form & LARGE) return this.#large.get(ref)!.value;
    const length = form & LENGTH;
    const value = Buffer.allocUnsafe(length);
    // Most have neither a text for the key nor an owner: without the call V8 has room to inline what a read is made of.
    const at = form & (OTHER_KEY | OWNED) ? this.#valueAt(ref, form) : 4 * (word + this.#ownerWord);
    page.bytes.copy(value, 0, at, at + length);
    return value;
  }

  version(ref: Ref): number {
    return (this.#arena.get(ref, HIGHS) & 0xffff) * 2 ** 32 + (this.#arena.get(ref, VERSION) >>> 0);
  }

  expiresAt(ref: Ref): number {
    return (this.#arena.get(ref, HIGHS) >>> 16) * 2 ** 32 + (this.#arena.get(ref, EXPIRES_AT) >>> 0);
  }

  /** A later expiry leaves the entry where it is filed: the sweep files it anew. */
  expireAt(ref: Ref, expiresAt: number, now: number): void {
    const isEarlier = expiresAt < this.expiresAt(ref);
    this.#setExpiry(ref, expiresAt);
    if (isEarlier) this.refile(ref, now);
  }

  /** Files the entry by its expiry, as it is seen from `now`. */
  refile(ref: Ref, now: number): void {
    this.#expiry.unfile(ref);
    this.#expiry.file(ref, this.expiresAt(ref), now);
  }

  /** The seconds that have come, the earliest first; each has a list of entries that may have expired. */
  due(now: number): number[] {
    return this.#expiry.due(now);
  }

  firstDue(second: number): Ref {
    return this.#expiry.first(second);
  }

  /** Puts the entry last in the order of use. */
  use(ref: Ref): void {
    if (this.#uses === undefined || ref === this.newest) return;
    this.#unuse(this.#uses, ref);
    this.#oldest = this.#uses.append(this.#oldest, ref);
  }

  get oldest(): Ref {
    return this.#oldest;
  }

  get newest(): Ref {
    return this.#uses?.last(this.#oldest) ?? 0;
  }

  /** All keys, some thousand at a time. A key that is there from beginning to end comes once, whatever else happens. */
  *keys(): Generator<string[]> {
    for (const refs of this.#index.tables()) yield refs.map((ref) => this.key(ref));
  }

  keysOf(owner: string): string[] {
    return this.#owners.of(owner).map((ref) => this.key(ref));
  }

  #form(ref: Ref): number {
    return this.#arena.get(ref, FORM);
  }

  #setForm(ref: Ref, form: number): void {
    this.#arena.set(ref, FORM, (this.#form(ref) & ~0xffff) | (form & 0xffff));
  }

  #setExpiry(ref: Ref, expiresAt: number): void {
    const whole = Math.min(Math.max(0, Math.ceil(expiresAt)), MAX_INSTANT);
    this.#arena.set(ref, EXPIRES_AT, whole);
    this.#arena.set(ref, HIGHS, (this.#arena.get(ref, HIGHS) & 0xffff) | (Math.floor(whole / 2 ** 32) << 16));
  }

  #setVersion(ref: Ref, version: number): void {
    this.#arena.set(ref, VERSION, version);
    this.#arena.set(ref, HIGHS, (this.#arena.get(ref, HIGHS) & ~0xffff) | Math.floor(version / 2 ** 32));
  }

  #write(ref: Ref, form: number, key: string, { value, expiresAt, owner }: SessionWrite, version: number): void {
    this.#setForm(ref, form);
    this.#setExpiry(ref, expiresAt);
    this.#setVersion(ref, version);
    this.bytes += value.length;
    if (owner !== undefined) this.#arena.set(ref, this.#ownerWord + 3, textInfo(owner));
    if (form & LARGE) {
      this.#large.set(ref, { key, owner, value });
      return;
    }
    const { bytes } = this.#arena.page(ref);
    let at = this.#textAt(ref, form);
    if (form & OTHER_KEY) {
      writeText(bytes, at, key, this.#arena.get(ref, KEY + 1));
      at += this.#keyLength(ref, form);
    }
    if (owner !== undefined) {
      writeText(bytes, at, owner, this.#arena.get(ref, this.#ownerWord + 3));
      at += this.#ownerLength(ref, form);
    }
    bytes.set(value, at);
  }

  /** Room of another size for the entry, or where it is if that takes the same. */
  #roomInstead(ref: Ref, size: number): Ref {
    return this.#arena.fits(ref, size) ? ref : this.#arena.allocate(size);
  }

  /** Takes the entry there, with its words, but nothing behind them. */
  #move(ref: Ref, to: Ref): void {
    this.#arena.copy(ref, to, LEAST);
    this.#moved(ref, to);
    this.#arena.free(ref);
  }

  #moved(from: Ref, to: Ref): void {
    const form = this.#form(to);
    this.#index.replace(this.#hashOf(to), from, to);
    this.#expiry.moved(to);
    if (form & OWNED) this.#owners.moved(from, to);
    if (this.#uses) {
      this.#uses.moved(from, to);
      if (this.#oldest === from) this.#oldest = to;
    }
    if (form & LARGE) {
      this.#large.set(to, this.#large.get(from)!);
      this.#large.delete(from);
    }
  }

  #unuse(uses: Links, ref: Ref): void {
    const next = uses.remove(ref);
    if (ref === this.#oldest) this.#oldest = next;
  }

  #pack(key: string): PackedKey {
    if (key !== this.#wantedText) {
      this.#wanted.pack(key);
      this.#wantedText = key;
    }
    return this.#wanted;
  }

  #isWanted(ref: Ref, key: string): boolean {
    const page = this.#arena.page(ref);
    const { words } = page;
    const at = wordOf(page, ref);
    const { a, b, c, d, e, isWhole } = this.#wanted;
    const form = words[at + FORM]!;
    return (
      words[at + KEY] === a &&
      words[at + KEY + 1] === b &&
      words[at + KEY + 2] === c &&
      words[at + KEY + 3] === d &&
      form >>> 16 === e &&
      (form & OTHER_KEY ? !isWhole && this.key(ref) === key : isWhole)
    );
  }

  #hashOf(ref: Ref): number {
    return this.#packed(ref).hash;
  }

  #packed(ref: Ref): PackedKey {
    const packed = this.#filed;
    packed.a = this.#arena.get(ref, KEY);
    packed.b = this.#arena.get(ref, KEY + 1);
    packed.c = this.#arena.get(ref, KEY + 2);
    packed.d = this.#arena.get(ref, KEY + 3);
    packed.e = this.#form(ref) >>> 16;
    return packed;
  }

  /** Bytes of an entry of this form. */
  #size(form: number, key: string, { value, owner }: SessionWrite): number {
    const words = 4 * (this.#ownerWord + (form & OWNED ? 4 : 0));
    if (form & LARGE) return LEAST;
    return Math.max(LEAST, words + textLengths(form & OTHER_KEY ? key : undefined, owner) + value.length);
  }

  #valueAt(ref: Ref, form: number): number {
    return this.#textAt(ref, form) + this.#keyLength(ref, form) + this.#ownerLength(ref, form);
  }

  /** Where, in its page, the text of an entry begins. */
  #textAt(ref: Ref, form: number): number {
    return 4 * (wordOf(this.#arena.page(ref), ref) + this.#ownerWord + (form & OWNED ? 4 : 0));
  }

  #keyLength(ref: Ref, form: number): number {
    return form & OTHER_KEY ? this.#arena.get(ref, KEY + 1) >>> 1 : 0;
  }

  #ownerLength(ref: Ref, form: number): number {
    return form & OWNED ? this.#arena.get(ref, this.#ownerWord + 3) >>> 1 : 0;
  }

  #valueLength(ref: Ref): number {
    const form = this.#form(ref);
    return form & LARGE ? this.#large.get(ref)!.value.length : form & LENGTH;
  }
}

interface Large {
  key: string;
  owner: string | undefined;
  value: Uint8Array;
}

const EXPIRES_AT = 2;
const VERSION = 3;
const HIGHS = 4;
const FORM = 5;
const KEY = 6;
const USE = 10;
/** All words that there may be, in bytes. */
const LEAST = 4 * (USE + 2 + 4);

const OTHER_KEY = 1 << 12;
const OWNED = 1 << 13;
const LARGE = 1 << 14;
const LENGTH = 0xfff;

/** Instants have 48 bits: the year 10889. */
const MAX_INSTANT = 2 ** 48 - 1;

function formOf(key: string, isWhole: boolean, { value, owner }: SessionWrite): number {
  const kind = (isWhole ? 0 : OTHER_KEY) | (owner === undefined ? 0 : OWNED);
  const rest = textLengths(isWhole ? undefined : key, owner) + value.length;
  return LEAST + rest > LONGEST ? kind | LARGE : kind | value.length;
}

/** The caller's bytes may change later, and what is not in the arena is not copied there. */
function withOwnBytes(form: number, session: SessionWrite): SessionWrite {
  return form & LARGE ? { ...session, value: new Uint8Array(session.value) } : session;
}

function textLengths(key: string | undefined, owner: string | undefined): number {
  return (key === undefined ? 0 : textInfo(key) >>> 1) + (owner === undefined ? 0 : textInfo(owner) >>> 1);
}
