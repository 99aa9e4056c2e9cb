// The clock of another machine, as this process reckons it.

// How long a comparison of the clocks is good, in milliseconds. Two quartz clocks drift apart by some 6 ms in that time.
const COMPARE_EVERY_MS = 60_000;
// A comparison is off by at most half of the time that the answer took. After a slow answer, as while this process starts,
// the clocks are compared again soon.
const GOOD_ERROR_MS = 100;
const COMPARE_AGAIN_MS = 1_000;
// How fast a comparison becomes less exact.
const DRIFT = 1 / 1_000;
// The wall clock and the steady one differ by more than this after a jump: the clock was set, or the machine was asleep.
const JUMP_MS = 1_000;

/**
 * The other machine is asked for its time now and then. Between, a steady clock counts on, which nobody can set: a wall
 * clock that is wrong, or that jumps, does not matter.
 */
export class RemoteClock {
  readonly #ask: () => Promise<number>;
  readonly #onCompared: (offset: number) => void;
  /** The other machine's time when `performance.now()` was 0. Undefined: not known yet. */
  #origin: number | undefined;
  /** The same of this process's wall clock, when they were compared. */
  #wallOrigin = 0;
  #comparedAt = 0;
  /** By how many milliseconds the comparison may have been off. */
  #error = 0;
  #dueAt = 0;
  #comparing: Promise<void> | undefined;

  /**
   * `ask` gives the other machine's time, in milliseconds since 1970. `onCompared` gets the milliseconds by which this
   * process's wall clock is ahead.
   */
  constructor(ask: () => Promise<number>, onCompared: (offset: number) => void = () => {}) {
    this.#ask = ask;
    this.#onCompared = onCompared;
  }

  /** The other machine's time, in milliseconds since 1970. Before the first comparison it is this process's time. */
  now(): number {
    return this.#origin === undefined ? Date.now() : Math.floor(this.#origin + performance.now());
  }

  /** True if `now` needs no comparison first. */
  get isReady(): boolean {
    return this.#origin !== undefined && !this.#hasJumped();
  }

  /**
   * Resolves when `now` is the other machine's time. Compares the clocks again when that is due, without waiting for it.
   * Rejects if the other machine can't be asked, and never could.
   */
  ready(): Promise<void> | undefined {
    if (!this.isReady) return this.#compare();
    if (performance.now() > this.#dueAt) this.#compare().catch(() => {}); // the old one is good
    return undefined;
  }

  #compare(): Promise<void> {
    this.#comparing ??= this.#askForTime().finally(() => {
      this.#comparing = undefined;
    });
    return this.#comparing;
  }

  async #askForTime(): Promise<void> {
    const asked = performance.now();
    this.#dueAt = asked + COMPARE_EVERY_MS; // also after a failure, or each call would ask again
    const time = await this.#ask();
    const answered = performance.now();
    const error = (answered - asked) / 2;
    if (error > GOOD_ERROR_MS) this.#dueAt = answered + COMPARE_AGAIN_MS;
    if (this.isReady && error > this.#error + DRIFT * (asked - this.#comparedAt)) return; // the earlier one is better
    this.#comparedAt = asked;
    this.#error = error;
    this.#origin = time - (asked + answered) / 2;
    this.#wallOrigin = Date.now() - answered;
    this.#onCompared(Math.round(this.#wallOrigin - this.#origin));
  }

  #hasJumped(): boolean {
    return Math.abs(Date.now() - performance.now() - this.#wallOrigin) > JUMP_MS;
  }
}
