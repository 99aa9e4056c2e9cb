// The circuit breaker of one store.

import { StoreError } from "../errors.ts";
import type { Events } from "../events.ts";

const FAILURES_TO_OPEN = 5;
// A broken connection fails many calls at one moment, and is there again in the next.
const MIN_FAILING_MS = 100;
const BASE_BACKOFF_MS = 100;
// Together with the time that a client needs to reconnect, sessions are back within a second of the store.
const MAX_BACKOFF_MS = 600;

/**
 * Keeps calls from a store that is known to be down. It opens after several failures in a row, over a while. While it is
 * open, calls fail immediately; after each pause one call is let through as a probe. The first success closes it.
 */
export class CircuitBreaker {
  readonly #events: Events;
  #failures = 0;
  #failingSince = 0;
  #wellAt = 0;
  #openedAt: number | undefined;
  #pause = 0;
  #probeAt = 0;
  #lastFailure: StoreError | undefined;

  constructor(events: Events) {
    this.#events = events;
  }

  get isOpen(): boolean {
    return this.#openedAt !== undefined;
  }

  /** @throws StoreError with the last failure's reason and cause, if the store is not to be asked. */
  admit(operation: string): void {
    if (!this.isOpen) return;
    if (performance.now() < this.#probeAt) {
      const { message, cause } = this.#lastFailure!;
      throw new StoreError(
        `coatcheck: cannot ${operation}: the store is down (circuit breaker open). Last failure: ${message.replace("coatcheck: ", "")}`,
        cause ?? this.#lastFailure,
        { applied: false },
      );
    }
    // If this probe fails, or still hangs by then, the next one is let through.
    this.#waitForProbe(Math.min(this.#pause * 2, MAX_BACKOFF_MS));
  }

  /** `asked`: when the answered call began, by `performance.now()`. */
  succeeded(asked: number): void {
    this.#failures = 0;
    this.#lastFailure = undefined;
    if (asked > this.#wellAt) this.#wellAt = asked;
    if (this.#openedAt === undefined) return;
    const downFor = Math.round(performance.now() - this.#openedAt);
    this.#openedAt = undefined;
    this.#events.emit("storeUp", { downFor });
  }

  /** `since`: when the store began to fail this call, by `performance.now()`. */
  failed(error: StoreError, since: number): void {
    this.#lastFailure = error;
    if (this.isOpen) return;
    const now = performance.now();
    // Calls that a broken connection left unanswered say nothing about a store that has answered others meanwhile.
    if (this.#failures++ === 0) this.#failingSince = Math.max(since, this.#wellAt);
    if (this.#failures < FAILURES_TO_OPEN || now - this.#failingSince < MIN_FAILING_MS) return;
    this.#openedAt = now;
    this.#waitForProbe(BASE_BACKOFF_MS);
    this.#events.emit("storeDown", { error });
  }

  /** The pause is random, so that the servers of a farm do not probe at the same moment. */
  #waitForProbe(pause: number): void {
    this.#pause = pause;
    this.#probeAt = performance.now() + pause * (0.5 + Math.random() / 2);
  }
}
