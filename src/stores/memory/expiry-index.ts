// The sessions by their expiry.

import type { Arena, Ref } from "./arena.ts";

/**
 * Lists of entries by the second in which they may expire, so that a sweep looks only at what is due.
 *
 * The second of an entry far in the future is rounded down, to a 256th of the remaining time. So there are some hundred
 * lists, however many entries there are. When such a second comes, the sweep adds the list's entries again, with a finer
 * second. It does the same with entries that were extended meanwhile.
 */
export class ExpiryIndex {
  readonly #arena: Arena;
  readonly #next: number;
  readonly #previous: number;
  readonly #lists: List[] = [];
  readonly #freeNumbers: number[] = [];
  readonly #bySecond = new Map<number, List>();

  /**
   * `word`: the position of the two links in an entry: the next entry of its list (0: none) and the previous one. In the
   * first entry, the previous one is the number of the list, inverted to a negative number. So an entry need not store its
   * second.
   */
  constructor(arena: Arena, word: number) {
    this.#arena = arena;
    this.#next = word;
    this.#previous = word + 1;
  }

  /** Both times in milliseconds since 1970. */
  add(ref: Ref, expiresAt: number, now: number): void {
    const second = dueSecond(expiresAt, now);
    const { number, first } = this.#bySecond.get(second) ?? this.#createList(second);
    this.#link(ref, first);
    this.#link(~number, ref);
  }

  remove(ref: Ref): void {
    const next = this.#arena.get(ref, this.#next);
    const previous = this.#arena.get(ref, this.#previous);
    this.#link(previous, next);
    if (previous < 0 && next === 0) this.#removeList(this.#lists[~previous]!);
  }

  /** Updates the links of the neighbours, after the entry's bytes have moved. */
  moved(to: Ref): void {
    this.#link(this.#arena.get(to, this.#previous), to);
    this.#link(to, this.#arena.get(to, this.#next));
  }

  /** The seconds that have come, the earliest first. */
  dueSeconds(now: number): number[] {
    const seconds = [...this.#bySecond.keys()];
    return seconds.filter((second) => second * 1000 <= now && second < NEVER).sort((a, b) => a - b);
  }

  /** The first entry of a second. 0: there is none. */
  firstOf(second: number): Ref {
    return this.#bySecond.get(second)?.first ?? 0;
  }

  /** `before`: an entry, or an inverted list number. `after`: an entry, or 0 at the end. */
  #link(before: Ref, after: Ref): void {
    if (after !== 0) this.#arena.set(after, this.#previous, before);
    if (before > 0) this.#arena.set(before, this.#next, after);
    else this.#lists[~before]!.first = after;
  }

  #createList(second: number): List {
    const number = this.#freeNumbers.pop() ?? this.#lists.length;
    const list = { number, second, first: 0 };
    this.#lists[number] = list;
    this.#bySecond.set(second, list);
    return list;
  }

  #removeList({ number, second }: List): void {
    this.#bySecond.delete(second);
    this.#freeNumbers.push(number);
  }
}

/** The entries of one second. */
interface List {
  readonly number: number;
  readonly second: number;
  first: Ref;
}

/** In 2106, where 32 bits end. Entries that expire then or later are never due. */
const NEVER = 2 ** 32 - 1;

/** Never later than the second in which the entry expires. After the present second, unless the entry expires by then. */
function dueSecond(expiresAt: number, now: number): number {
  const second = Math.min(Math.ceil(expiresAt / 1000), NEVER);
  const remaining = Math.max(1, second - Math.floor(now / 1000));
  const width = 2 ** Math.max(0, 23 - Math.clz32(remaining));
  return second - (second % width);
}
