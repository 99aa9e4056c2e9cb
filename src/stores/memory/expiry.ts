import type { Arena, Ref } from "./arena.ts";
import { Links } from "./links.ts";

/**
 * Files entries by the second in which they may expire, so that finding the expired looks at seconds, not at all that
 * lives. The farther away, the coarser: to a 256th of the time that is left, so there are some hundred lists, however
 * many entries. When a coarse second comes, its entries are filed anew, finer; so are those that were extended meanwhile.
 */
export class Expiry {
  readonly #arena: Arena;
  readonly #links: Links;
  readonly #due: number;
  /** The first entry of each second's list. */
  readonly #firsts = new Map<number, Ref>();

  /** `word`: where the links are in an entry, and behind them the second. */
  constructor(arena: Arena, word: number) {
    this.#arena = arena;
    this.#links = new Links(arena, word);
    this.#due = word + 2;
  }

  /** All instants in milliseconds since 1970. */
  file(ref: Ref, expiresAt: number, now: number): void {
    const second = dueSecond(expiresAt, now);
    this.#arena.set(ref, this.#due, second);
    this.#firsts.set(second, this.#links.append(this.#firsts.get(second) ?? 0, ref));
  }

  unfile(ref: Ref): void {
    const second = this.#second(ref);
    const next = this.#links.remove(ref);
    if (next === 0) this.#firsts.delete(second);
    else if (this.#firsts.get(second) === ref) this.#firsts.set(second, next);
  }

  moved(from: Ref, to: Ref): void {
    this.#links.moved(from, to);
    const second = this.#second(to);
    if (this.#firsts.get(second) === from) this.#firsts.set(second, to);
  }

  /** The seconds that have come, the earliest first. */
  due(now: number): number[] {
    return [...this.#firsts.keys()].filter((second) => second * 1000 <= now && second < NEVER).sort((a, b) => a - b);
  }

  /** The first entry of a second; 0 if there is none. */
  first(second: number): Ref {
    return this.#firsts.get(second) ?? 0;
  }

  #second(ref: Ref): number {
    return this.#arena.get(ref, this.#due) >>> 0;
  }
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
