import type { Arena, Ref } from "./arena.ts";

/**
 * Files entries by the second in which they may expire, so that finding the expired looks at seconds, not at all that
 * lives. The farther away, the coarser: to a 256th of the time that is left, so there are some hundred lists, however
 * many entries. When a coarse second comes, its entries are filed anew, finer; so are those that were extended meanwhile.
 */
export class Expiry {
  readonly #arena: Arena;
  readonly #next: number;
  readonly #previous: number;
  readonly #lists: List[] = [];
  readonly #freeNumbers: number[] = [];
  readonly #bySecond = new Map<number, List>();

  /**
   * `word`: where the two links are in an entry, the next one of its list (0: none) and the one before. The first has its
   * list's number there, as a negative one, so that no entry has to know its second.
   */
  constructor(arena: Arena, word: number) {
    this.#arena = arena;
    this.#next = word;
    this.#previous = word + 1;
  }

  /** All instants in milliseconds since 1970. */
  file(ref: Ref, expiresAt: number, now: number): void {
    const second = dueSecond(expiresAt, now);
    const { number, first } = this.#bySecond.get(second) ?? this.#begin(second);
    this.#join(ref, first);
    this.#join(~number, ref);
  }

  unfile(ref: Ref): void {
    const next = this.#arena.get(ref, this.#next);
    const previous = this.#arena.get(ref, this.#previous);
    this.#join(previous, next);
    if (previous < 0 && next === 0) this.#end(this.#lists[~previous]!);
  }

  /** The entry's bytes, links among them, are somewhere else now: tells the neighbours. */
  moved(to: Ref): void {
    this.#join(this.#arena.get(to, this.#previous), to);
    this.#join(to, this.#arena.get(to, this.#next));
  }

  /** The seconds that have come, the earliest first. */
  due(now: number): number[] {
    const seconds = [...this.#bySecond.keys()];
    return seconds.filter((second) => second * 1000 <= now && second < NEVER).sort((a, b) => a - b);
  }

  /** The first entry of a second; 0 if there is none. */
  first(second: number): Ref {
    return this.#bySecond.get(second)?.first ?? 0;
  }

  /** `before`: an entry, or a list as a negative number. `after`: an entry, or 0 at the end. */
  #join(before: Ref, after: Ref): void {
    if (after !== 0) this.#arena.set(after, this.#previous, before);
    if (before > 0) this.#arena.set(before, this.#next, after);
    else this.#lists[~before]!.first = after;
  }

  #begin(second: number): List {
    const number = this.#freeNumbers.pop() ?? this.#lists.length;
    const list = { number, second, first: 0 };
    this.#lists[number] = list;
    this.#bySecond.set(second, list);
    return list;
  }

  #end({ number, second }: List): void {
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

/** Beyond what 32 bits hold, in 2106: not swept. */
const NEVER = 2 ** 32 - 1;

/** Never later than the second in which the entry expires; later than now, unless that is now or earlier. */
function dueSecond(expiresAt: number, now: number): number {
  const second = Math.min(Math.ceil(expiresAt / 1000), NEVER);
  const left = Math.max(1, second - Math.floor(now / 1000));
  const width = 2 ** Math.max(0, 23 - Math.clz32(left));
  return second - (second % width);
}
