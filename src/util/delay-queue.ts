// Many delays of the same length, on one timer.

import { type Linked, LinkedQueue } from "./linked-queue.ts";
import { MAX_TIMER_MS, unref } from "./timers.ts";

/** An item that waits for its delay to pass. */
export interface Delayed<Item> extends Linked<Item> {
  /** When the delay has passed, by `performance.now()`. */
  dueAt: number;
}

/**
 * All delays are of the same length, so the first item to come is the first due, and one timer serves all of them. The
 * timer does not keep the process alive.
 */
export class DelayQueue<Item extends Delayed<Item>> {
  readonly #delay: number;
  readonly #onDue: (item: Item) => void;
  readonly #queue = new LinkedQueue<Item>();
  #ticking = false;

  /** `delay` is in milliseconds. `onDue` gets each item whose delay has passed; it may add items. */
  constructor(delay: number, onDue: (item: Item) => void) {
    this.#delay = delay;
    this.#onDue = onDue;
  }

  /** Starts the item's delay. `dueAt` must be the present plus the delay. */
  add(item: Item): void {
    this.#queue.append(item);
    if (!this.#ticking) this.#tickIn(this.#delay);
  }

  /** Does nothing if the item is not waiting. */
  remove(item: Item): void {
    this.#queue.remove(item);
  }

  #tickIn(delay: number): void {
    this.#ticking = true;
    unref(setTimeout(() => this.#tick(), Math.min(delay, MAX_TIMER_MS)));
  }

  #tick(): void {
    const now = performance.now();
    let first = this.#queue.first;
    for (; first !== undefined && first.dueAt <= now; first = this.#queue.first) {
      this.#queue.remove(first);
      this.#onDue(first);
    }
    this.#ticking = false;
    if (first !== undefined) this.#tickIn(first.dueAt - now);
  }
}
