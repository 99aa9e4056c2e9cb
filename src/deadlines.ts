import { StoreError } from "./errors.ts";
import { type Linked, LinkedQueue } from "./linked-queue.ts";

/** Milliseconds. A longer one would fire at once. */
export const LONGEST_TIMER = 2 ** 31 - 1;

/** A call that is under way. */
export interface Wait extends Linked<Wait> {
  readonly operation: string;
  readonly dueAt: number;
  /** Undefined once it has ended. */
  expire: ((late: StoreError) => void) | undefined;
  timer: NodeJS.Timeout | undefined;
}

/** All calls have the same time limit, so the first begun is the first due, and one timer serves them all. */
export class Deadlines {
  readonly #timeout: number;
  readonly #waiting = new LinkedQueue<Wait>();
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
    this.#waiting.remove(wait);
    return true;
  }

  #append(wait: Wait): void {
    this.#waiting.append(wait);
    if (!this.#ticking) this.#tickIn(this.#timeout);
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
    const now = performance.now();
    let first = this.#waiting.first;
    // Who is told that he waits in vain may begin to wait anew.
    for (; first !== undefined && first.dueAt <= now; first = this.#waiting.first) this.#expire(first);
    this.#ticking = false;
    if (first !== undefined) this.#tickIn(first.dueAt - now);
  }
}
