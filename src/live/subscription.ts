// The subscription to a store's changes, for as long as sessions are watched.

import type { SessionChange, SessionStore } from "../store.ts";

/** Milliseconds to wait after a failed subscription before the next attempt. */
const RETRY_DELAY_MS = 1_000;

/** Begins with `start`, which may be called again and again, and ends with `stop`. It may begin again after that. */
export class Subscription {
  readonly #store: SessionStore;
  readonly #onChange: (change: SessionChange) => void;
  readonly #onListening: () => void;
  /** The present attempt. A former one that is still under way reports nothing. */
  #attempt: { isListening: boolean; readonly stopped: Promise<(() => Promise<void>) | undefined> } | undefined;
  #retryAt = 0;

  /** `onListening`: called when changes are announced, since some may have been missed before. */
  constructor(store: SessionStore, onChange: (change: SessionChange) => void, onListening: () => void) {
    this.#store = store;
    this.#onChange = onChange;
    this.#onListening = onListening;
  }

  /** True if every change is announced. */
  get isListening(): boolean {
    return this.#attempt?.isListening === true;
  }

  start(): void {
    if (this.#store.watch === undefined || this.#attempt !== undefined || performance.now() < this.#retryAt) return;
    const attempt = { isListening: false, stopped: this.#subscribe((listening) => setListening(listening)) };
    const setListening = (listening: boolean) => {
      if (this.#attempt !== attempt || attempt.isListening === listening) return;
      attempt.isListening = listening;
      if (listening) this.#onListening();
    };
    this.#attempt = attempt;
    attempt.stopped.then((stop) => {
      if (stop !== undefined || this.#attempt !== attempt) return;
      this.#attempt = undefined;
      this.#retryAt = performance.now() + RETRY_DELAY_MS;
    });
  }

  async stop(): Promise<void> {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    const stop = await attempt?.stopped;
    await stop?.().catch(() => {}); // a connection that is lost has no subscription
  }

  /** Resolves with what ends the subscription. Undefined: it has failed, which the resilient store has reported. */
  async #subscribe(setListening: (listening: boolean) => void): Promise<(() => Promise<void>) | undefined> {
    let isLost = false;
    let hasBegun = false;
    try {
      const stop = await this.#store.watch!(this.#onChange, (listening) => {
        isLost = !listening;
        if (hasBegun) setListening(listening);
      });
      hasBegun = true;
      setListening(!isLost);
      return stop;
    } catch {
      return undefined;
    }
  }
}
