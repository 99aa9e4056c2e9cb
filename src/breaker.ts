import { StoreError } from "./errors.ts";
import type { Events } from "./events.ts";

const FAILURES_TO_OPEN = 5;
// A connection that breaks fails many calls at one moment, and is there again in the next.
const FAILING_FOR = 100;
const FIRST_PAUSE = 100;
// With what a client takes to connect again, service is back within a second of the store.
const LONGEST_PAUSE = 600;

/**
 * Keeps calls from a store that is known to be down. It opens after several failures in a row, over a while: then calls
 * fail at once, but for one after each pause, a probe, which shows whether the store is back. The first success closes it.
 */
export class Breaker {
  readonly #events: Events;
  #failures = 0;
  #failingSince = 0;
  #wellAt = 0;
  #openedAt: number | undefined;
  #pause = 0;
  #probeAt = 0;

  constructor(events: Events) {
    this.#events = events;
  }

  get isOpen(): boolean {
    return this.#openedAt !== undefined;
  }

  /** @throws StoreError if the store is not to be asked. */
  admit(operation: string): void {
    if (!this.isOpen) return;
    if (performance.now() < this.#probeAt) {
      throw new StoreError(`coatcheck: the store is down; not asked to ${operation}`);
    }
    // If the probe fails, or still hangs by then, the next one has its turn.
    this.#waitForProbe(Math.min(this.#pause * 2, LONGEST_PAUSE));
  }

  /** `asked`: when the call began that the store has answered, by `performance.now()`. */
  succeeded(asked: number): void {
    this.#failures = 0;
    if (asked > this.#wellAt) this.#wellAt = asked;
    if (this.#openedAt === undefined) return;
    const downFor = Math.round(performance.now() - this.#openedAt);
    this.#openedAt = undefined;
    this.#events.emit("storeUp", { downFor });
  }

  /** `since`: when the store began to fail this call, by `performance.now()`. */
  failed(error: StoreError, since: number): void {
    if (this.isOpen) return;
    const now = performance.now();
    // What one broken connection leaves unanswered says nothing about a store that has answered others meanwhile.
    if (this.#failures++ === 0) this.#failingSince = Math.max(since, this.#wellAt);
    if (this.#failures < FAILURES_TO_OPEN || now - this.#failingSince < FAILING_FOR) return;
    this.#openedAt = now;
    this.#waitForProbe(FIRST_PAUSE);
    this.#events.emit("storeDown", { error });
  }

  /** Never all servers of a farm at the same moment. */
  #waitForProbe(pause: number): void {
    this.#pause = pause;
    this.#probeAt = performance.now() + pause * (0.5 + Math.random() / 2);
  }
}
