// Wakes requests that wait for a session to change.

import type { SessionStore } from "../store.ts";

// Without notifications: the first pause between two reads of a session. Each next one is about twice as long.
const BASE_BACKOFF_MS = 1;
const MAX_BACKOFF_MS = 64;
// With notifications, a read only finds what a notification may have missed.
const RECHECK_MS = 1_000;

/** Notifies by the store's `watch` where there is one, and else lets waiters look again after growing pauses. */
export class ChangeNotifier {
  readonly #store: SessionStore;
  /** Of the requests that wait for a session, few watch it: the head of the queue, and one for each key that is made. */
  readonly #waiters = new Map<string, Set<ChangeWaiter>>();
  #isListening = false;
  #subscription: Promise<(() => Promise<void>) | undefined> | undefined;

  constructor(store: SessionStore) {
    this.#store = store;
  }

  /** Subscribes with the first waiter: most applications never have one. */
  watch(key: string): ChangeWaiter {
    this.#subscription ??= this.#subscribe();
    const waiters = this.#waiters.get(key) ?? new Set();
    this.#waiters.set(key, waiters);
    const waiter = new ChangeWaiter(
      () => this.#isListening,
      () => {
        waiters.delete(waiter);
        if (waiters.size === 0 && this.#waiters.get(key) === waiters) this.#waiters.delete(key);
      },
    );
    waiters.add(waiter);
    return waiter;
  }

  async close(): Promise<void> {
    const stop = await this.#subscription;
    await stop?.();
  }

  async #subscribe() {
    try {
      const stop = await this.#store.watch?.(
        ({ key }) => {
          for (const waiter of this.#waiters.get(key) ?? []) waiter.notify();
        },
        (isListening) => this.#setListening(isListening),
      );
      this.#setListening(stop !== undefined);
      return stop;
    } catch {
      this.#subscription = undefined; // reported by the resilient store; the next waiter tries again
      return undefined;
    }
  }

  /** Changes from before it listens have to be looked for. */
  #setListening(isListening: boolean): void {
    this.#isListening = isListening;
    for (const waiters of this.#waiters.values()) for (const waiter of waiters) waiter.notify();
  }
}

/** Waits for one session. A notification between two waits ends the next one immediately, so none is missed. */
export class ChangeWaiter {
  readonly stop: () => void;
  readonly #isListening: () => boolean;
  #isNotified = false;
  #wake: (() => void) | undefined;
  #pauses = 0;

  constructor(isListening: () => boolean, stop: () => void) {
    this.#isListening = isListening;
    this.stop = stop;
  }

  notify(): void {
    this.#isNotified = true;
    this.#wake?.();
  }

  /** Resolves when the session has changed, or may have, and after `maxMs` milliseconds in any case. */
  async wait(maxMs: number): Promise<void> {
    if (!this.#isNotified) {
      const backoff = Math.min(BASE_BACKOFF_MS * 2 ** this.#pauses++, MAX_BACKOFF_MS) * (0.5 + Math.random());
      const pause = this.#isListening() ? RECHECK_MS : backoff;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(pause, maxMs));
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
    this.#isNotified = false;
  }
}
