import type { Ref } from "./arena.ts";

/**
 * Finds entries by a 32-bit hash: open addressing with linear probing, in tables of at most 4,096 places.
 *
 * A table that is full grows by an eighth, and one that can't grow splits in two by the next bit of the hash (extendible
 * hashing). So a million entries are never filed anew at once. A place takes 8 bytes, of which 80 % are in use: the hash and
 * the reference side by side, so that a probe is one miss of the caches, and a split has no need to look at the entries.
 */
export class HashIndex {
  /** The table for each beginning of a hash, `#bits` long. A table may stand at several neighbouring places. */
  #tables: Table[] = [newTable(1, 0), newTable(1, 0)];
  #bits = 1;

  /** The first entry with this hash, or the one behind `after`; 0 if there is none. */
  find(hash: number, after: Ref = 0): Ref {
    const { places } = this.#tableFor(hash);
    let skip = after;
    for (let at = homeOf(hash, places); ; at = following(at, places)) {
      const ref = places[at + REF]!;
      if (ref === 0) return 0;
      if (places[at] !== hash) continue;
      if (skip === 0) return ref;
      if (ref === skip) skip = 0;
    }
  }

  add(hash: number, ref: Ref): void {
    let table = this.#tableFor(hash);
    while (table.count + 1 > sizeOf(table) * FULLEST) {
      this.#makeRoom(table);
      table = this.#tableFor(hash);
    }
    put(table, hash, ref);
  }

  /** Puts `to` in the place of `from`. False if that is not in the index. */
  replace(hash: number, from: Ref, to: Ref): boolean {
    const { places } = this.#tableFor(hash);
    const at = placeOf(places, hash, from);
    if (at < 0) return false;
    places[at + REF] = to;
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
      yield Array.from(places.filter((ref, at) => at % PLACE === REF && ref !== 0));
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
    each(table.places, (hash, ref) => {
      const half = halves[(hash >>> (32 - bits)) & 1]!;
      if (half.count + 1 > sizeOf(half) * FULLEST) resize(half, sizeOf(half) * GROWTH);
      put(half, hash, ref);
    });
    const first = this.#tables.indexOf(table);
    const copies = 2 ** (this.#bits - bits);
    this.#tables.fill(halves[0], first, first + copies).fill(halves[1], first + copies, first + 2 * copies);
  }
}

interface Table {
  /** Two words each: the hash, and the reference, which is 0 in a free place. */
  places: Int32Array;
  count: number;
  /** How many bits its hashes begin with in common. */
  readonly bits: number;
}

const PLACE = 2;
const REF = 1;

const SMALLEST = 16;
const LARGEST = 4096;
/** Beyond 65,536 tables they grow instead. */
const MOST_BITS = 16;
const FULLEST = 0.85;
const EMPTIEST = 0.35;
/** What is in use after a table was made to measure. */
const FITTING = 0.75;
const GROWTH = 1.125;

function newTable(bits: number, size: number): Table {
  return { places: newPlaces(size), count: 0, bits };
}

function newPlaces(size: number): Int32Array {
  return new Int32Array(PLACE * Math.max(SMALLEST, Math.ceil(size)));
}

function sizeOf({ places }: Table): number {
  return places.length / PLACE;
}

/** Files all anew. */
function resize(table: Table, size: number): void {
  const { places } = table;
  table.places = newPlaces(size);
  table.count = 0;
  each(places, (hash, ref) => put(table, hash, ref));
}

function each(places: Int32Array, use: (hash: number, ref: Ref) => void): void {
  for (let at = 0; at < places.length; at += PLACE) if (places[at + REF] !== 0) use(places[at]!, places[at + REF]!);
}

function put(table: Table, hash: number, ref: Ref): void {
  const { places } = table;
  let at = homeOf(hash, places);
  while (places[at + REF] !== 0) at = following(at, places);
  places[at] = hash;
  places[at + REF] = ref;
  table.count++;
}

function placeOf(places: Int32Array, hash: number, ref: Ref): number {
  let at = homeOf(hash, places);
  for (; places[at + REF] !== 0; at = following(at, places)) if (places[at + REF] === ref) return at;
  return -1;
}

/** Empties a place. Those behind it move up, unless that is before where a search for them begins. */
function takeOut(table: Table, place: number): void {
  const { places } = table;
  const { length } = places;
  let hole = place;
  for (let at = following(hole, places); places[at + REF] !== 0; at = following(at, places)) {
    const home = homeOf(places[at]!, places);
    if ((at - home + length) % length < (at - hole + length) % length) continue;
    places[hole] = places[at]!;
    places[hole + REF] = places[at + REF]!;
    hole = at;
  }
  places[hole + REF] = 0;
  table.count--;
}

/** By the end of the hash; tables are chosen by its beginning. */
function homeOf(hash: number, places: Int32Array): number {
  return PLACE * Math.floor(((hash & 0xffff) * (places.length / PLACE)) / 65_536);
}

function following(at: number, { length }: Int32Array): number {
  return at + PLACE === length ? 0 : at + PLACE;
}
