import type { SessionStore } from "./store.ts";

// How long to wait between two looks at a session: from the first pause on, each is about twice the one before.
const FIRST_PAUSE = 1;
const LONGEST_PAUSE = 64;
// With word of changes, a look is only for what the word may have missed.
const PAUSE_WITH_WORD = 1_000;

/** Wakes those who wait for a session to change: by the store's word where it gives one, else after growing pauses. */
export class Bell {
  readonly #store: SessionStore;
  /** Of the requests that wait for a session, only the head of the line watches it. */
  readonly #watchers = new Map<string, Watcher>();
  #listening = false;
  #subscription: Promise<(() => Promise<void>) | undefined> | undefined;

  constructor(store: SessionStore) {
    this.#store = store;
  }

  /** Subscribes when somebody waits for the first time: most applications never do. */
  watch(key: string): Watcher {
    this.#subscription ??= this.#subscribe();
    const watcher = new Watcher(
      () => this.#listening,
      () => this.#watchers.delete(key),
    );
    this.#watchers.set(key, watcher);
    return watcher;
  }

  async close(): Promise<void> {
    const stop = await this.#subscription;
    await stop?.();
  }

  async #subscribe() {
    try {
      const stop = await this.#store.watch?.(
        ({ key }) => this.#watchers.get(key)?.ring(),
        (listening) => this.#hear(listening),
      );
      this.#hear(stop !== undefined);
      return stop;
    } catch {
      this.#subscription = undefined; // reported by the guard; whoever waits next tries again
      return undefined;
    }
  }

  /** What changed before word of it came has to be looked for. */
  #hear(listening: boolean): void {
    this.#listening = listening;
    for (const watcher of this.#watchers.values()) watcher.ring();
  }
}

/** One who waits. What rings between two waits ends the second at once, so nothing is missed while it looks. */
export class Watcher {
  readonly stop: () => void;
  readonly #isListening: () => boolean;
  #rung = false;
  #wake: (() => void) | undefined;
  #pauses = 0;

  constructor(isListening: () => boolean, stop: () => void) {
    this.#isListening = isListening;
    this.stop = stop;
  }

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Resolves when the session has changed, or may have, and after `atMost` milliseconds in any case. */
  async wait(atMost: number): Promise<void> {
    if (!this.#rung) {
      const growing = Math.min(FIRST_PAUSE * 2 ** this.#pauses++, LONGEST_PAUSE) * (0.5 + Math.random());
      const pause = this.#isListening() ? PAUSE_WITH_WORD : growing;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(pause, atMost));
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
    this.#rung = false;
  }
}
