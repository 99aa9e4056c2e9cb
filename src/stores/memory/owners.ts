import type { Arena, Ref } from "./arena.ts";
import { HashIndex } from "./hash-index.ts";
import { hashText } from "./key.ts";
import { Links } from "./links.ts";

/** The entries of each owner, as a list that is found by the owner's name. */
export class Owners {
  readonly #arena: Arena;
  readonly #links: Links;
  readonly #hash: number;
  /** The first entry of each list. */
  readonly #firsts: HashIndex;
  readonly #ownerOf: (ref: Ref) => string | undefined;

  /** `word`: where the links are in an entry that has an owner, and behind them the hash of the name. */
  constructor(arena: Arena, word: number, ownerOf: (ref: Ref) => string | undefined) {
    this.#arena = arena;
    this.#links = new Links(arena, word);
    this.#hash = word + 2;
    this.#ownerOf = ownerOf;
    this.#firsts = new HashIndex((ref) => arena.get(ref, this.#hash));
  }

  add(ref: Ref, owner: string): void {
    const hash = hashText(owner);
    this.#arena.set(ref, this.#hash, hash);
    const first = this.#first(hash, owner);
    this.#links.append(first, ref);
    if (first === 0) this.#firsts.add(hash, ref);
  }

  remove(ref: Ref): void {
    const hash = this.#arena.get(ref, this.#hash);
    const next = this.#links.remove(ref);
    if (next === 0) this.#firsts.remove(hash, ref);
    else this.#firsts.replace(hash, ref, next);
  }

  moved(from: Ref, to: Ref): void {
    this.#links.moved(from, to);
    this.#firsts.replace(this.#arena.get(to, this.#hash), from, to);
  }

  of(owner: string): Ref[] {
    const first = this.#first(hashText(owner), owner);
    const refs: Ref[] = [];
    for (let ref = first; ref !== 0; ref = this.#links.next(ref)) {
      refs.push(ref);
      if (ref === this.#links.last(first)) break;
    }
    return refs;
  }

  #first(hash: number, owner: string): Ref {
    let ref = this.#firsts.find(hash);
    while (ref !== 0 && this.#ownerOf(ref) !== owner) ref = this.#firsts.find(hash, ref);
    return ref;
  }
}
