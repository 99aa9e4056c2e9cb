import type { Ref } from "./arena.ts";

/**
 * Finds entries by a 32-bit hash: open addressing with linear probing, in tables of at most 4,096 places.
 *
 * A table that is full grows by a fifth, and one that can't grow splits in two by the next bit of the hash (extendible
 * hashing). So a million entries are never filed anew at once, and a place takes 6 bytes, of which 77 % are in use.
 */
export class HashIndex {
  /** The table for each beginning of a hash, `#bits` long. A table may stand at several neighbouring places. */
  #tables: Table[] = [];
  #bits = 1;
  readonly #hashOf: (ref: Ref) => number;

  /** `hashOf` gives the hash of an entry that is in the index, for a split. */
  constructor(hashOf: (ref: Ref) => number) {
    this.#hashOf = hashOf;
    this.#tables = [newTable(1, 0), newTable(1, 0)];
  }

  /** The first entry with this hash, or the one behind `after`; 0 if there is none. Other hashes' may be among them. */
  find(hash: number, after: Ref = 0): Ref {
    const { tags, refs } = this.#tableFor(hash);
    const tag = tagOf(hash);
    let skip = after;
    for (let at = homeOf(tag, tags.length); tags[at] !== 0; at = following(at, tags.length)) {
      if (tags[at] !== tag) continue;
      const ref = refs[at]!;
      if (skip === 0) return ref;
      if (ref === skip) skip = 0;
    }
    return 0;
  }

  add(hash: number, ref: Ref): void {
    let table = this.#tableFor(hash);
    while (table.count + 1 > table.tags.length * FULLEST) {
      this.#makeRoom(table);
      table = this.#tableFor(hash);
    }
    put(table, tagOf(hash), ref);
  }

  /** Puts `to` in the place of `from`. False if that is not in the index. */
  replace(hash: number, from: Ref, to: Ref): boolean {
    const table = this.#tableFor(hash);
    const at = placeOf(table, hash, from);
    if (at < 0) return false;
    table.refs[at] = to;
    return true;
  }

  /** False if the entry is not in the index. */
  remove(hash: number, ref: Ref): boolean {
    const table = this.#tableFor(hash);
    const at = placeOf(table, hash, ref);
    if (at < 0) return false;
    takeOut(table, at);
    if (table.tags.length > SMALLEST && table.count < table.tags.length * EMPTIEST) resize(table);
    return true;
  }

  /**
   * All entries, a table at a time. Entries may come, go and move meanwhile: a hash keeps its place in the order, so those
   * that were there from the beginning come once.
   */
  *tables(): Generator<Ref[]> {
    for (let hash = 0; hash < 2 ** 32; ) {
      const { refs, tags, bits } = this.#tableFor(hash);
      const size = 2 ** (32 - bits);
      hash = (Math.floor(hash / size) + 1) * size;
      yield Array.from(refs).filter((_, at) => tags[at] !== 0);
    }
  }

  #tableFor(hash: number): Table {
    return this.#tables[hash >>> (32 - this.#bits)]!;
  }

  #makeRoom(table: Table): void {
    if (table.tags.length * GROWTH <= LARGEST || table.bits === MOST_BITS) resize(table, GROWTH);
    else this.#split(table);
  }

  #split(table: Table): void {
    if (table.bits === this.#bits) {
      this.#tables = this.#tables.flatMap((each) => [each, each]);
      this.#bits++;
    }
    const bits = table.bits + 1;
    const halves = [newTable(bits, table.count / 2), newTable(bits, table.count / 2)] as const;
    table.tags.forEach((tag, at) => {
      if (tag === 0) return;
      const ref = table.refs[at]!;
      const half = halves[(this.#hashOf(ref) >>> (32 - bits)) & 1]!;
      if (half.count + 1 > half.tags.length * FULLEST) resize(half, GROWTH);
      put(half, tag, ref);
    });
    const first = this.#tables.indexOf(table);
    const each = 2 ** (this.#bits - bits);
    this.#tables.fill(halves[0], first, first + each).fill(halves[1], first + each, first + 2 * each);
  }
}

interface Table {
  /** Another part of the hash for each place, never 0; 0 for a free place. Apart from the references, so that more are near. */
  tags: Uint16Array;
  refs: Int32Array;
  count: number;
  /** How many bits its hashes begin with in common. */
  readonly bits: number;
}

const SMALLEST = 16;
const LARGEST = 4096;
/** Beyond 65,536 tables they grow instead. */
const MOST_BITS = 16;
const FULLEST = 0.85;
const EMPTIEST = 0.35;
/** What is in use after a table was made to measure. */
const FITTING = 0.7;
const GROWTH = 1.2;

function newTable(bits: number, expected: number): Table {
  const size = Math.max(SMALLEST, Math.ceil(expected / FITTING));
  return { tags: new Uint16Array(size), refs: new Int32Array(size), count: 0, bits };
}

/** Files all in a new table, `growth` times as large or, without it, as large as it should be. */
function resize(table: Table, growth?: number): void {
  const { tags, refs, count } = table;
  const fresh = newTable(table.bits, growth === undefined ? count : tags.length * growth * FITTING);
  table.tags = fresh.tags;
  table.refs = fresh.refs;
  table.count = 0;
  tags.forEach((tag, at) => {
    if (tag !== 0) put(table, tag, refs[at]!);
  });
}

function put(table: Table, tag: number, ref: Ref): void {
  const { tags, refs } = table;
  let at = homeOf(tag, tags.length);
  while (tags[at] !== 0) at = following(at, tags.length);
  tags[at] = tag;
  refs[at] = ref;
  table.count++;
}

function placeOf({ tags, refs }: Table, hash: number, ref: Ref): number {
  let at = homeOf(tagOf(hash), tags.length);
  for (; tags[at] !== 0; at = following(at, tags.length)) if (refs[at] === ref) return at;
  return -1;
}

/** Empties a place. Those behind it move up, unless that is before where a search for them begins. */
function takeOut(table: Table, place: number): void {
  const { tags, refs } = table;
  const size = tags.length;
  let hole = place;
  for (let at = following(hole, size); tags[at] !== 0; at = following(at, size)) {
    const home = homeOf(tags[at]!, size);
    if ((at - home + size) % size < (at - hole + size) % size) continue;
    tags[hole] = tags[at]!;
    refs[hole] = refs[at]!;
    hole = at;
  }
  tags[hole] = 0;
  table.count--;
}

/** The end of the hash; tables are chosen by its beginning. */
function tagOf(hash: number): number {
  return hash & 0xffff || 1;
}

function homeOf(tag: number, size: number): number {
  return Math.floor((tag * size) / 65_536);
}

function following(at: number, size: number): number {
  return at + 1 === size ? 0 : at + 1;
}
