import type { SessionChange, SessionStore } from "../../store.ts";

/** How long a store that could not be listened to is left alone, in milliseconds. */
const PAUSE = 1_000;

/**
 * Listens to what a store announces, from the first time that somebody asks whether it does. `turn` is told when
 * announcements may be missed (false) and when they come again (true).
 */
export class Announcements {
  readonly #store: SessionStore;
  readonly #hear: (change: SessionChange) => void;
  readonly #turn: (listening: boolean) => void;
  #state: "idle" | "starting" | "listening" | "lost" | "closed" = "idle";
  #startAt = 0;
  #stop: (() => Promise<void>) | undefined;

  constructor(store: SessionStore, hear: (change: SessionChange) => void, turn: (listening: boolean) => void) {
    this.#store = store;
    this.#hear = hear;
    this.#turn = turn;
  }

  /** True if every change is announced. Nobody waits for the start. */
  get heard(): boolean {
    if (this.#state === "idle" && Date.now() >= this.#startAt) this.#start();
    return this.#state === "listening";
  }

  async close(): Promise<void> {
    this.#state = "closed";
    await this.#stop?.().catch(() => {}); // the store is closed next, and with it what it holds
  }

  async #start(): Promise<void> {
    this.#state = "starting";
    let lost = false;
    let stop: () => Promise<void>;
    try {
      stop = await this.#store.watch!(this.#hear, (listening) => {
        lost = !listening;
        if (this.#stop !== undefined) this.#become(lost ? "lost" : "listening");
      });
    } catch {
      this.#startAt = Date.now() + PAUSE;
      this.#become("idle");
      return;
    }
    this.#stop = stop;
    if (this.#is("closed")) await this.close();
    else this.#become(lost ? "lost" : "listening");
  }

  #become(state: "idle" | "listening" | "lost"): void {
    if (this.#is("closed") || this.#is(state)) return;
    this.#state = state;
    this.#turn(state === "listening");
  }

  #is(state: string): boolean {
    return this.#state === state;
  }
}
