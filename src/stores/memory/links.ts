import type { Arena, Ref } from "./arena.ts";

/**
 * Lists whose links lie in the entries: two words, the next entry and the one before. A list is a ring, and whoever has
 * it holds its first entry (0: the list is empty).
 */
export class Links {
  readonly #arena: Arena;
  readonly #next: number;
  readonly #previous: number;

  /** `word`: where the two words are in an entry. */
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

  /** Puts the entry at the end, and gives the list's first. */
  append(first: Ref, ref: Ref): Ref {
    if (first === 0) {
      this.#join(ref, ref);
      return ref;
    }
    this.#join(this.last(first), ref);
    this.#join(ref, first);
    return first;
  }

  /** Takes the entry out, and gives the one behind it, which is the list's first if the entry was. */
  remove(ref: Ref): Ref {
    const next = this.next(ref);
    if (next === ref) return 0;
    this.#join(this.#arena.get(ref, this.#previous), next);
    return next;
  }

  /** The entry's bytes, links among them, are somewhere else now: tells the neighbours. */
  moved(from: Ref, to: Ref): void {
    const next = this.next(to);
    const previous = this.#arena.get(to, this.#previous);
    this.#join(next === from ? to : previous, to);
    this.#join(to, next === from ? to : next);
  }

  #join(before: Ref, after: Ref): void {
    this.#arena.set(before, this.#next, after);
    this.#arena.set(after, this.#previous, before);
  }
}
