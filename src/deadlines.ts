import { StoreError } from "./errors.ts";

/** Milliseconds. A longer one would fire at once. */
export const LONGEST_TIMER = 2 ** 31 - 1;

interface Wait {
  dueAt: number;
  expire(): void;
}

/** All calls have the same time limit, so the first begun is the first due, and one timer serves them all. */
export class Deadlines {
  readonly #timeout: number;
  readonly #waiting = new Set<Wait>();
  #ticking = false;

  constructor(timeout: number) {
    this.#timeout = timeout;
  }

  /** What the call gives, unless it takes too long. */
  limit<T>(operation: string, call: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const wait = { dueAt: performance.now() + this.#timeout, expire: () => reject(this.#late(operation)) };
      this.#waiting.add(wait);
      if (!this.#ticking) this.#tickIn(this.#timeout);
      call.then(
        (value) => {
          this.#waiting.delete(wait);
          resolve(value);
        },
        (error) => {
          this.#waiting.delete(wait);
          reject(error);
        },
      );
    });
  }

  /** The same for a call that has only what is left of another's time. Such calls are few: each has its own timer. */
  async limitUntil<T>(dueAt: number, operation: string, call: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const delay = Math.min(dueAt - performance.now(), LONGEST_TIMER);
      timer = setTimeout(() => reject(this.#late(operation)), delay).unref();
    });
    try {
      return await Promise.race([call, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #late(operation: string): StoreError {
    return new StoreError(`coatcheck: the store did not ${operation} within ${this.#timeout} ms`);
  }

  #tickIn(delay: number): void {
    this.#ticking = true;
    setTimeout(() => this.#tick(), Math.min(delay, LONGEST_TIMER)).unref();
  }

  #tick(): void {
    this.#ticking = false;
    const now = performance.now();
    for (const wait of this.#waiting) {
      if (wait.dueAt > now) {
        this.#tickIn(wait.dueAt - now);
        return;
      }
      this.#waiting.delete(wait);
      wait.expire();
    }
  }
}
