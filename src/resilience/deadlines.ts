// The time limits of store calls, on one timer.

import { type StoreError, storeTimeoutError } from "../errors.ts";
import { type Delayed, DelayQueue } from "../util/delay-queue.ts";
import { MAX_TIMER_MS, TIMERS_END_WITH_REQUEST, unref } from "../util/timers.ts";

/** The deadline of a call that is under way. */
export interface Deadline extends Delayed<Deadline> {
  readonly operation: string;
  /** Undefined once the call has ended. */
  expire: ((late: StoreError) => void) | undefined;
  timer: NodeJS.Timeout | undefined;
}

/** Limits the time of calls. */
export class Deadlines {
  readonly #timeout: number;
  readonly #queue: DelayQueue<Deadline>;

  /** `timeout`: milliseconds that each call may take. */
  constructor(timeout: number) {
    this.#timeout = timeout;
    this.#queue = new DelayQueue(timeout, (deadline) => this.#expire(deadline));
  }

  /**
   * Calls `expire` unless the call ends in time. `until`, by `performance.now()`, is the deadline of an operation that this
   * call is a part of. Such calls are few: each has its own timer.
   */
  begin(operation: string, expire: (late: StoreError) => void, until?: number): Deadline {
    const now = performance.now();
    const dueAt = until ?? now + this.#timeout;
    const deadline: Deadline = { operation, dueAt, expire, before: undefined, after: undefined, timer: undefined };
    if (until === undefined && !TIMERS_END_WITH_REQUEST) this.#queue.add(deadline);
    else deadline.timer = unref(setTimeout(() => this.#expire(deadline), Math.min(deadline.dueAt - now, MAX_TIMER_MS)));
    return deadline;
  }

  /** Ends a call. False: its deadline has passed. */
  end(deadline: Deadline): boolean {
    if (deadline.expire === undefined) return false;
    deadline.expire = undefined;
    clearTimeout(deadline.timer);
    this.#queue.remove(deadline);
    return true;
  }

  #expire(deadline: Deadline): void {
    const { operation, expire } = deadline;
    if (this.end(deadline)) expire!(storeTimeoutError("the store", operation, this.#timeout));
  }
}
