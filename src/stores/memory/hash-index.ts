// A hash table of entries, outside of JavaScript's heap.

import type { Ref } from "./arena.ts";

/**
 * Finds entries by a 32-bit hash: open addressing with linear probing, in tables of at most 4,096 slots.
 *
 * A full table grows by a fifth, and one of the largest size splits in two by the next bit of the hash (extendible hashing).
 * So a million entries are never rehashed in one call. A slot takes 6 bytes, and 77 % of the slots are in use. Tag and
 * reference are side by side, so that a probe is one cache miss.
 */
export class HashIndex {
  /** The table for each prefix of a hash, `#depth` bits long. A table with a shorter prefix is here several times in a row. */
  #directory: Table[] = [newTable(1, 0), newTable(1, 0)];
  #depth = 1;
  readonly #hashOf: (ref: Ref) => number;

  /** `hashOf` gives the hash of an entry in the index. A split needs it. */
  constructor(hashOf: (ref: Ref) => number) {
    this.#hashOf = hashOf;
  }

  /**
   * The first entry with this hash, or the next one after `after`. 0: there is none. Entries with other hashes may be among
   * them.
   */
  find(hash: number, after: Ref = 0): Ref {
    const { slots } = this.#tableFor(hash);
    const tag = tagOf(hash);
    let skip = after;
    for (let slot = homeOf(tag, slots); slots[slot] !== 0; slot = nextSlot(slot, slots)) {
      if (slots[slot] !== tag) continue;
      const ref = refAt(slots, slot);
      if (skip === 0) return ref;
      if (ref === skip) skip = 0;
    }
    return 0;
  }

  add(hash: number, ref: Ref): void {
    let table = this.#tableFor(hash);
    while (table.count + 1 > sizeOf(table) * MAX_LOAD) {
      this.#makeRoom(table);
      table = this.#tableFor(hash);
    }
    insert(table, tagOf(hash), ref);
  }

  /** Puts `to` into the slot of `from`. False: `from` is not in the index. */
  replace(hash: number, from: Ref, to: Ref): boolean {
    const { slots } = this.#tableFor(hash);
    const slot = slotOf(slots, hash, from);
    if (slot < 0) return false;
    setRef(slots, slot, to);
    return true;
  }

  /** False: the entry is not in the index. */
  remove(hash: number, ref: Ref): boolean {
    const table = this.#tableFor(hash);
    const slot = slotOf(table.slots, hash, ref);
    if (slot < 0) return false;
    clearSlot(table, slot);
    if (sizeOf(table) > MIN_SLOTS && table.count < sizeOf(table) * MIN_LOAD) resize(table, table.count / TARGET_LOAD);
    return true;
  }

  /**
   * All entries, a table at a time. Entries may be added, removed and moved meanwhile. The order is that of the hashes, so
   * each entry that is there from the beginning to the end comes once.
   */
  *tables(): Generator<Ref[]> {
    for (let hash = 0; hash < 2 ** 32; ) {
      const { slots, depth } = this.#tableFor(hash);
      const range = 2 ** (32 - depth);
      hash = (Math.floor(hash / range) + 1) * range;
      const refs: Ref[] = [];
      forEach(slots, (_, ref) => refs.push(ref));
      yield refs;
    }
  }

  #tableFor(hash: number): Table {
    return this.#directory[hash >>> (32 - this.#depth)]!;
  }

  #makeRoom(table: Table): void {
    const larger = sizeOf(table) * GROWTH;
    if (larger <= MAX_SLOTS || table.depth === MAX_DEPTH) resize(table, larger);
    else this.#split(table);
  }

  #split(table: Table): void {
    if (table.depth === this.#depth) {
      this.#directory = this.#directory.flatMap((each) => [each, each]);
      this.#depth++;
    }
    const depth = table.depth + 1;
    const size = table.count / 2 / TARGET_LOAD;
    const halves = [newTable(depth, size), newTable(depth, size)] as const;
    forEach(table.slots, (tag, ref) => {
      const half = halves[(this.#hashOf(ref) >>> (32 - depth)) & 1]!;
      if (half.count + 1 > sizeOf(half) * MAX_LOAD) resize(half, sizeOf(half) * GROWTH);
      insert(half, tag, ref);
    });
    const first = this.#directory.indexOf(table);
    const copies = 2 ** (this.#depth - depth);
    this.#directory.fill(halves[0], first, first + copies).fill(halves[1], first + copies, first + 2 * copies);
  }
}

interface Table {
  /** Three words for each slot: the tag, which is the end of the hash, and the two halves of the reference. Tag 0: empty. */
  slots: Uint16Array;
  count: number;
  /** The length in bits of the prefix that all hashes of the table have in common. */
  readonly depth: number;
}

const SLOT_WORDS = 3;

const MIN_SLOTS = 16;
const MAX_SLOTS = 4096;
/** With 65,536 tables, a full table grows beyond MAX_SLOTS instead of splitting. */
const MAX_DEPTH = 16;
const MAX_LOAD = 0.85;
const MIN_LOAD = 0.35;
/** The load of a table that was made for a known number of entries. */
const TARGET_LOAD = 0.7;
const GROWTH = 1.2;

function newTable(depth: number, size: number): Table {
  return { slots: newSlots(size), count: 0, depth };
}

function newSlots(size: number): Uint16Array {
  return new Uint16Array(SLOT_WORDS * Math.max(MIN_SLOTS, Math.ceil(size)));
}

function sizeOf({ slots }: Table): number {
  return slots.length / SLOT_WORDS;
}

function resize(table: Table, size: number): void {
  const { slots } = table;
  table.slots = newSlots(size);
  table.count = 0;
  forEach(slots, (tag, ref) => insert(table, tag, ref));
}

function forEach(slots: Uint16Array, use: (tag: number, ref: Ref) => void): void {
  for (let slot = 0; slot < slots.length; slot += SLOT_WORDS) {
    if (slots[slot] !== 0) use(slots[slot]!, refAt(slots, slot));
  }
}

function refAt(slots: Uint16Array, slot: number): Ref {
  return slots[slot + 1]! | (slots[slot + 2]! << 16);
}

function setRef(slots: Uint16Array, slot: number, ref: Ref): void {
  slots[slot + 1] = ref;
  slots[slot + 2] = ref >>> 16;
}

function insert(table: Table, tag: number, ref: Ref): void {
  const { slots } = table;
  let slot = homeOf(tag, slots);
  while (slots[slot] !== 0) slot = nextSlot(slot, slots);
  slots[slot] = tag;
  setRef(slots, slot, ref);
  table.count++;
}

/** The slot of an entry, or -1. */
function slotOf(slots: Uint16Array, hash: number, ref: Ref): number {
  let slot = homeOf(tagOf(hash), slots);
  for (; slots[slot] !== 0; slot = nextSlot(slot, slots)) if (refAt(slots, slot) === ref) return slot;
  return -1;
}

/** Empties a slot. The entries after it move up, each as far as its home slot allows. */
function clearSlot(table: Table, cleared: number): void {
  const { slots } = table;
  const { length } = slots;
  let hole = cleared;
  for (let slot = nextSlot(hole, slots); slots[slot] !== 0; slot = nextSlot(slot, slots)) {
    const home = homeOf(slots[slot]!, slots);
    if ((slot - home + length) % length < (slot - hole + length) % length) continue;
    slots[hole] = slots[slot]!;
    setRef(slots, hole, refAt(slots, slot));
    hole = slot;
  }
  slots[hole] = 0;
  table.count--;
}

/** The end of the hash. Its beginning chooses the table. */
function tagOf(hash: number): number {
  return hash & 0xffff || 1;
}

/** The slot at which the search for a tag begins. */
function homeOf(tag: number, slots: Uint16Array): number {
  return SLOT_WORDS * Math.floor((tag * (slots.length / SLOT_WORDS)) / 65_536);
}

function nextSlot(slot: number, { length }: Uint16Array): number {
  return slot + SLOT_WORDS === length ? 0 : slot + SLOT_WORDS;
}
