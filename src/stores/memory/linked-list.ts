// Doubly linked lists of entries, with the links in the entries.

import type { Arena, Ref } from "./arena.ts";

/**
 * Operations on intrusive, circular lists. An entry has two words for its links: the next entry and the previous one. A
 * list is known by its first entry, which the caller keeps; 0 is the empty list.
 */
export class LinkedLists {
  readonly #arena: Arena;
  readonly #next: number;
  readonly #previous: number;

  /** `word`: the position of the two links in an entry. */
  constructor(arena: Arena, word: number) {
    this.#arena = arena;
    this.#next = word;
    this.#previous = word + 1;
  }

  next(ref: Ref): Ref {
    return this.#arena.get(ref, this.#next);
  }

  last(first: Ref): Ref {
    return first === 0 ? 0 : this.#arena.get(first, this.#previous);
  }

  /** Adds the entry at the end, and gives the first entry of the list. */
  append(first: Ref, ref: Ref): Ref {
    if (first === 0) {
      this.#link(ref, ref);
      return ref;
    }
    this.#link(this.last(first), ref);
    this.#link(ref, first);
    return first;
  }

  /** Removes the entry, and gives the one after it, which is the new first one if the entry was the first. */
  remove(ref: Ref): Ref {
    const next = this.next(ref);
    if (next === ref) return 0;
    this.#link(this.#arena.get(ref, this.#previous), next);
    return next;
  }

  /** Updates the links of the neighbours, after the entry's bytes have moved. */
  moved(from: Ref, to: Ref): void {
    const next = this.next(to);
    const previous = this.#arena.get(to, this.#previous);
    this.#link(next === from ? to : previous, to);
    this.#link(to, next === from ? to : next);
  }

  #link(before: Ref, after: Ref): void {
    this.#arena.set(before, this.#next, after);
    this.#arena.set(after, this.#previous, before);
  }
}
