import { StoreError } from "./errors.ts";

/** Milliseconds. A longer one would fire at once. */
export const LONGEST_TIMER = 2 ** 31 - 1;

/** A call that is under way. */
export interface Wait {
  readonly operation: string;
  readonly dueAt: number;
  /** Undefined once it has ended. */
  expire: ((late: StoreError) => void) | undefined;
  before: Wait | undefined;
  after: Wait | undefined;
  timer: NodeJS.Timeout | undefined;
}

/**
 * All calls have the same time limit, so the first begun is the first due, and one timer serves them all.
 *
 * They stand in a list whose links are cut when they leave: a Set would keep them alive long after (docs/decisions.md,
 * "What comes and goes is not kept in a Set").
 */
export class Deadlines {
  readonly #timeout: number;
  #first: Wait | undefined;
  #last: Wait | undefined;
  #ticking = false;

  constructor(timeout: number) {
    this.#timeout = timeout;
  }

  /**
   * Calls `expire` unless the call ends in time. With `until`, by `performance.now()`, it has only what is left of another's
   * time. Such calls are few: each has its own timer.
   */
  begin(operation: string, expire: (late: StoreError) => void, until?: number): Wait {
    const now = performance.now();
    const dueAt = until ?? now + this.#timeout;
    const wait: Wait = { operation, dueAt, expire, before: undefined, after: undefined, timer: undefined };
    if (until === undefined) this.#append(wait);
    else wait.timer = setTimeout(() => this.#expire(wait), Math.min(until - now, LONGEST_TIMER)).unref();
    return wait;
  }

  /** The call has ended. False: too late. */
  end(wait: Wait): boolean {
    if (wait.expire === undefined) return false;
    wait.expire = undefined;
    clearTimeout(wait.timer);
    this.#remove(wait);
    return true;
  }

  #append(wait: Wait): void {
    wait.before = this.#last;
    if (this.#last === undefined) this.#first = wait;
    else this.#last.after = wait;
    this.#last = wait;
    if (!this.#ticking) this.#tickIn(this.#timeout);
  }

  #remove(wait: Wait): void {
    const { before, after } = wait;
    if (before !== undefined) before.after = after;
    else if (this.#first === wait) this.#first = after;
    if (after !== undefined) after.before = before;
    else if (this.#last === wait) this.#last = before;
    wait.before = undefined;
    wait.after = undefined;
  }

  #expire(wait: Wait): void {
    const { operation, expire } = wait;
    if (this.end(wait)) expire!(new StoreError(`coatcheck: the store did not ${operation} within ${this.#timeout} ms`));
  }

  #tickIn(delay: number): void {
    this.#ticking = true;
    setTimeout(() => this.#tick(), Math.min(delay, LONGEST_TIMER)).unref();
  }

  #tick(): void {
    this.#ticking = false;
    const now = performance.now();
    while (this.#first !== undefined) {
      if (this.#first.dueAt > now) {
        this.#tickIn(this.#first.dueAt - now);
        return;
      }
      this.#expire(this.#first);
    }
  }
}
