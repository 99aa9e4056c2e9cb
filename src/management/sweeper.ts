// Sweeps: removes expired sessions at an interval, with pauses.

import { setTimeout as sleep } from "node:timers/promises";
import { isKey } from "../cookies/ticket.ts";
import { CapabilityError } from "../errors.ts";
import { openWithoutTicket, type RecordContext } from "../records/record-store.ts";
import type { StoreClock } from "../resilience/store-clock.ts";
import type { InFlight } from "../util/in-flight.ts";
import { MAX_TIMER_MS, TIMERS_END_WITH_REQUEST, unref } from "../util/timers.ts";

/** What sweeping needs of the application. */
export interface SweeperContext extends RecordContext {
  readonly clock: StoreClock;
  readonly inFlight: InFlight;
}

const BATCH = 100;
// After each batch the sweep pauses for this many times as long as the batch took: a backlog of expired sessions must not
// take the store from the requests. So a sweep uses a fifth of the time, and less where the store is busy.
const PAUSE_SHARE = 4;
const MAX_PAUSE_MS = 1_000;

/** Every server of a farm sweeps. Random pauses keep them from sweeping all at the same moment. */
export class Sweeper {
  readonly #context: SweeperContext;
  readonly #interval: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  /** `interval` is in milliseconds; undefined: no regular sweeps. */
  constructor(context: SweeperContext, interval: number | undefined) {
    this.#context = context;
    this.#interval = interval;
    this.#schedule();
  }

  /** Removes what has expired, and returns the number of sessions that this call removed. */
  sweep(): Promise<number> {
    return this.#context.inFlight.track(this.#sweep());
  }

  /** Ends regular sweeps. A sweep under way ends with its present batch. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  async #sweep(): Promise<number> {
    const { store, clock, events } = this.#context;
    if (store.claimExpired === undefined) throw new CapabilityError("sessions.sweep()", "claimExpired");
    await clock.ready();
    let total = 0;
    for (;;) {
      const began = performance.now();
      const claimed = await store.claimExpired(clock.now(), BATCH);
      const sessions = claimed.filter(({ key }) => isKey(key));
      if (events.hasListeners("end")) {
        for (const session of sessions) {
          events.ended(session.key, "expired", openWithoutTicket(this.#context, session.key, session));
        }
      }
      total += sessions.length;
      if (claimed.length < BATCH || this.#isStopped) return total;
      await sleep(Math.min(PAUSE_SHARE * (performance.now() - began), MAX_PAUSE_MS));
    }
  }

  #schedule(): void {
    if (this.#isStopped || this.#interval === undefined || this.#context.store.claimExpired === undefined) return;
    const pause = this.#interval * (0.75 + Math.random() / 2);
    // A failed sweep is reported by the resilient store, and the next one tries again.
    const sweep = () => void this.sweep().then(next, next);
    const next = () => this.#schedule();
    try {
      this.#timer = unref(setTimeout(sweep, Math.min(pause, MAX_TIMER_MS)));
    } catch (error) {
      // workerd begins no timer while a module loads. There, a cron trigger calls `sweep`.
      if (!TIMERS_END_WITH_REQUEST) throw error;
    }
  }
}
