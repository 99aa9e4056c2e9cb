// Removes expired sessions of stores that need it, now and then.

import type { StoreClock } from "../../resilience/store-clock.ts";
import type { SessionStore } from "../../store.ts";

const INTERVAL_MS = 30_000;
const BATCH = 100;

export class Sweeps {
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(store: SessionStore, clock: StoreClock) {
    if (store.claimExpired === undefined) return;
    const sweep = async () => {
      await clock.ready();
      while ((await store.claimExpired!(clock.now(), BATCH)).length === BATCH);
    };
    // Servers of a farm do it at different moments. A failure is reported by the requests that meet it.
    const next = () => {
      if (this.#isStopped) return;
      this.#timer = setTimeout(() => sweep().then(next, next), INTERVAL_MS * (0.75 + Math.random() / 2)).unref();
    };
    next();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }
}
