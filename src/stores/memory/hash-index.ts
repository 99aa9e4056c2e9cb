import type { Ref } from "./arena.ts";

/**
 * Finds entries by a 32-bit hash: open addressing with linear probing, in tables of at most 4,096 places.
 *
 * A table that is full grows by a fifth, and one that can't grow splits in two by the next bit of the hash (extendible
 * hashing). So a million entries are never filed anew at once, and a place takes 6 bytes, of which 77 % are in use. Tag and
 * reference lie side by side: a probe is one miss of the caches.
 */
export class HashIndex {
  /** The table for each beginning of a hash, `#bits` long. A table may stand at several neighbouring places. */
  #tables: Table[] = [newTable(1, 0), newTable(1, 0)];
  #bits = 1;
  readonly #hashOf: (ref: Ref) => number;

  /** `hashOf` gives the hash of an entry that is in the index, for a split. */
  constructor(hashOf: (ref: Ref) => number) {
    this.#hashOf = hashOf;
  }

  /** The first entry with this hash, or the one behind `after`; 0 if there is none. Other hashes' may be among them. */
  find(hash: number, after: Ref = 0): Ref {
    const { places } = this.#tableFor(hash);
    const tag = tagOf(hash);
    let skip = after;
    for (let at = homeOf(tag, places); places[at] !== 0; at = following(at, places)) {
      if (places[at] !== tag) continue;
      const ref = refAt(places, at);
      if (skip === 0) return ref;
      if (ref === skip) skip = 0;
    }
    return 0;
  }

  add(hash: number, ref: Ref): void {
    let table = this.#tableFor(hash);
    while (table.count + 1 > sizeOf(table) * FULLEST) {
      this.#makeRoom(table);
      table = this.#tableFor(hash);
    }
    put(table, tagOf(hash), ref);
  }

  /** Puts `to` in the place of `from`. False if that is not in the index. */
  replace(hash: number, from: Ref, to: Ref): boolean {
    const { places } = this.#tableFor(hash);
    const at = placeOf(places, hash, from);
    if (at < 0) return false;
    setRef(places, at, to);
    return true;
  }

  /** False if the entry is not in the index. */
  remove(hash: number, ref: Ref): boolean {
    const table = this.#tableFor(hash);
    const at = placeOf(table.places, hash, ref);
    if (at < 0) return false;
    takeOut(table, at);
    if (sizeOf(table) > SMALLEST && table.count < sizeOf(table) * EMPTIEST) resize(table, table.count / FITTING);
    return true;
  }

  /**
   * All entries, a table at a time. Entries may come, go and move meanwhile: a hash keeps its place in the order, so those
   * that were there from the beginning come once.
   */
  *tables(): Generator<Ref[]> {
    for (let hash = 0; hash < 2 ** 32; ) {
      const { places, bits } = this.#tableFor(hash);
      const size = 2 ** (32 - bits);
      hash = (Math.floor(hash / size) + 1) * size;
      const refs: Ref[] = [];
      each(places, (_, ref) => refs.push(ref));
      yield refs;
    }
  }

  #tableFor(hash: number): Table {
    return this.#tables[hash >>> (32 - this.#bits)]!;
  }

  #makeRoom(table: Table): void {
    const larger = sizeOf(table) * GROWTH;
    if (larger <= LARGEST || table.bits === MOST_BITS) resize(table, larger);
    else this.#split(table);
  }

  #split(table: Table): void {
    if (table.bits === this.#bits) {
      this.#tables = this.#tables.flatMap((each) => [each, each]);
      this.#bits++;
    }
    const bits = table.bits + 1;
    const size = table.count / 2 / FITTING;
    const halves = [newTable(bits, size), newTable(bits, size)] as const;
    each(table.places, (tag, ref) => {
      const half = halves[(this.#hashOf(ref) >>> (32 - bits)) & 1]!;
      if (half.count + 1 > sizeOf(half) * FULLEST) resize(half, sizeOf(half) * GROWTH);
      put(half, tag, ref);
    });
    const first = this.#tables.indexOf(table);
    const copies = 2 ** (this.#bits - bits);
    this.#tables.fill(halves[0], first, first + copies).fill(halves[1], first + copies, first + 2 * copies);
  }
}

interface Table {
  /** Three words each: the tag, which is another part of the hash and 0 in a free place, and the reference's two halves. */
  places: Uint16Array;
  count: number;
  /** How many bits its hashes begin with in common. */
  readonly bits: number;
}

const PLACE = 3;

const SMALLEST = 16;
const LARGEST = 4096;
/** Beyond 65,536 tables they grow instead. */
const MOST_BITS = 16;
const FULLEST = 0.85;
const EMPTIEST = 0.35;
/** What is in use after a table was made to measure. */
const FITTING = 0.7;
const GROWTH = 1.2;

function newTable(bits: number, size: number): Table {
  return { places: newPlaces(size), count: 0, bits };
}

function newPlaces(size: number): Uint16Array {
  return new Uint16Array(PLACE * Math.max(SMALLEST, Math.ceil(size)));
}

function sizeOf({ places }: Table): number {
  return places.length / PLACE;
}

/** Files all anew. */
function resize(table: Table, size: number): void {
  const { places } = table;
  table.places = newPlaces(size);
  table.count = 0;
  each(places, (tag, ref) => put(table, tag, ref));
}

function each(places: Uint16Array, use: (tag: number, ref: Ref) => void): void {
  for (let at = 0; at < places.length; at += PLACE) if (places[at] !== 0) use(places[at]!, refAt(places, at));
}

function refAt(places: Uint16Array, at: number): Ref {
  return places[at + 1]! | (places[at + 2]! << 16);
}

function setRef(places: Uint16Array, at: number, ref: Ref): void {
  places[at + 1] = ref;
  places[at + 2] = ref >>> 16;
}

function put(table: Table, tag: number, ref: Ref): void {
  const { places } = table;
  let at = homeOf(tag, places);
  while (places[at] !== 0) at = following(at, places);
  places[at] = tag;
  setRef(places, at, ref);
  table.count++;
}

function placeOf(places: Uint16Array, hash: number, ref: Ref): number {
  let at = homeOf(tagOf(hash), places);
  for (; places[at] !== 0; at = following(at, places)) if (refAt(places, at) === ref) return at;
  return -1;
}

/** Empties a place. Those behind it move up, unless that is before where a search for them begins. */
function takeOut(table: Table, place: number): void {
  const { places } = table;
  const { length } = places;
  let hole = place;
  for (let at = following(hole, places); places[at] !== 0; at = following(at, places)) {
    const home = homeOf(places[at]!, places);
    if ((at - home + length) % length < (at - hole + length) % length) continue;
    places[hole] = places[at]!;
    setRef(places, hole, refAt(places, at));
    hole = at;
  }
  places[hole] = 0;
  table.count--;
}

/** The end of the hash; tables are chosen by its beginning. */
function tagOf(hash: number): number {
  return hash & 0xffff || 1;
}

function homeOf(tag: number, places: Uint16Array): number {
  return PLACE * Math.floor((tag * (places.length / PLACE)) / 65_536);
}

function following(at: number, { length }: Uint16Array): number {
  return at + PLACE === length ? 0 : at + PLACE;
}
