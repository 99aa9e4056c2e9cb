// The sessions of each owner.

import type { Arena, Ref } from "./arena.ts";
import { HashIndex } from "./hash-index.ts";
import { LinkedLists } from "./linked-list.ts";
import { hashText } from "./packed-key.ts";

/** For each owner, a list of the owner's entries. A hash index finds its first entry. */
export class OwnerIndex {
  readonly #arena: Arena;
  readonly #lists: LinkedLists;
  /** The position of the owner's hash in an entry. */
  readonly #hashWord: number;
  readonly #firsts: HashIndex;
  readonly #ownerOf: (ref: Ref) => string | undefined;

  /** `word`: the position, in an entry with an owner, of the list's links and the owner's hash after them. */
  constructor(arena: Arena, word: number, ownerOf: (ref: Ref) => string | undefined) {
    this.#arena = arena;
    this.#lists = new LinkedLists(arena, word);
    this.#hashWord = word + 2;
    this.#ownerOf = ownerOf;
    this.#firsts = new HashIndex((ref) => arena.get(ref, this.#hashWord));
  }

  add(ref: Ref, owner: string): void {
    const hash = hashText(owner);
    this.#arena.set(ref, this.#hashWord, hash);
    const first = this.#firstOf(hash, owner);
    this.#lists.append(first, ref);
    if (first === 0) this.#firsts.add(hash, ref);
  }

  remove(ref: Ref): void {
    const hash = this.#arena.get(ref, this.#hashWord);
    const next = this.#lists.remove(ref);
    if (next === 0) this.#firsts.remove(hash, ref);
    // Without effect unless the entry is the first one of its list.
    else this.#firsts.replace(hash, ref, next);
  }

  /** Updates the index, after the entry's bytes have moved. */
  moved(from: Ref, to: Ref): void {
    this.#lists.moved(from, to);
    this.#firsts.replace(this.#arena.get(to, this.#hashWord), from, to);
  }

  entriesOf(owner: string): Ref[] {
    const first = this.#firstOf(hashText(owner), owner);
    const refs: Ref[] = [];
    for (let ref = first; ref !== 0; ref = this.#lists.next(ref)) {
      refs.push(ref);
      if (ref === this.#lists.last(first)) break;
    }
    return refs;
  }

  #firstOf(hash: number, owner: string): Ref {
    let ref = this.#firsts.find(hash);
    while (ref !== 0 && this.#ownerOf(ref) !== owner) ref = this.#firsts.find(hash, ref);
    return ref;
  }
}
