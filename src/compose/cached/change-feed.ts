// The change feed: a subscription to what a store announces.

import type { SessionChange, SessionStore } from "../../store.ts";

/** Milliseconds to wait after a failed subscription before the next attempt. */
const RETRY_DELAY_MS = 1_000;

/**
 * Subscribes to a store's changes when `isListening` is first asked for. `onListening` is called with false when changes
 * may be missed, and with true when they are announced again.
 */
export class ChangeFeed {
  readonly #store: SessionStore;
  readonly #onChange: (change: SessionChange) => void;
  readonly #onListening: (listening: boolean) => void;
  #state: "idle" | "starting" | "listening" | "lost" | "closed" = "idle";
  #startAt = 0;
  #stop: (() => Promise<void>) | undefined;

  constructor(
    store: SessionStore,
    onChange: (change: SessionChange) => void,
    onListening: (listening: boolean) => void,
  ) {
    this.#store = store;
    this.#onChange = onChange;
    this.#onListening = onListening;
  }

  /** True if every change is announced. The first call starts the subscription in the background. */
  get isListening(): boolean {
    if (this.#state === "idle" && Date.now() >= this.#startAt) this.#start();
    return this.#state === "listening";
  }

  async close(): Promise<void> {
    this.#state = "closed";
    await this.#stop?.().catch(() => {}); // the store is closed next, and its connections with it
  }

  async #start(): Promise<void> {
    this.#state = "starting";
    let isLost = false;
    let stop: () => Promise<void>;
    try {
      stop = await this.#store.watch!(this.#onChange, (listening) => {
        isLost = !listening;
        if (this.#stop !== undefined) this.#setState(isLost ? "lost" : "listening");
      });
    } catch {
      this.#startAt = Date.now() + RETRY_DELAY_MS;
      this.#setState("idle");
      return;
    }
    this.#stop = stop;
    if (this.#is("closed")) await this.close();
    else this.#setState(isLost ? "lost" : "listening");
  }

  #setState(state: "idle" | "listening" | "lost"): void {
    if (this.#is("closed") || this.#is(state)) return;
    this.#state = state;
    this.#onListening(state === "listening");
  }

  #is(state: string): boolean {
    return this.#state === state;
  }
}
