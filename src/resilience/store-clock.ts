// The time by the store's clock: asked now and then, and counted on in between.

import type { Events } from "../events.ts";
import type { SessionStore } from "../store.ts";
import { RemoteClock } from "../util/remote-clock.ts";

// A server's clock that is off by more than this is reported.
const REPORT_ABOVE_MS = 60_000;

/**
 * All expiries are instants of the store's clock, so the clocks of servers need not agree: one that is an hour off ends
 * nobody's session.
 *
 * A store in this process has no clock of its own, and `now` is this process's.
 */
export class StoreClock {
  readonly #remote: RemoteClock | undefined;

  constructor(store: SessionStore, events: Events) {
    if (store.time === undefined) return;
    this.#remote = new RemoteClock(
      () => store.time!(),
      (offset) => {
        if (Math.abs(offset) > REPORT_ABOVE_MS) events.emit("clockSkew", { offset });
      },
    );
  }

  /** The present by the store's clock, in milliseconds since 1970. Before the first comparison it is this process's time. */
  now(): number {
    return this.#remote === undefined ? Date.now() : this.#remote.now();
  }

  /** True if `now` needs no comparison with the store first. */
  get isReady(): boolean {
    return this.#remote === undefined || this.#remote.isReady;
  }

  /**
   * Resolves when `now` is the store's time. Compares the clocks again when that is due, without waiting for it.
   * @throws StoreError if the store can't be asked, and never could.
   */
  ready(): Promise<void> | undefined {
    return this.#remote?.ready();
  }
}
