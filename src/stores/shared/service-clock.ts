// The clock of a web service, as the Date headers of its answers tell it.

/** The header has whole seconds. */
const HEADER_STEP_MS = 1_000;

/** This process's clock is used if it agrees with the service's to within this much: it is finer than the header. */
const AGREEMENT_MS = 2_000;

/** An older answer is not good enough for `time`. Between answers, a steady clock counts on. */
const MAX_AGE_MS = 10_000;

/**
 * Sessions of a store on a service live and end by the service's clock. Every answer of the service tells its time, so that
 * no request is sent only for that, but when there was none for a while.
 */
export class ServiceClock {
  /** The service's time when `performance.now()` was 0: not before the one and not after the other. */
  #earliest = -Infinity;
  #latest = Infinity;
  #heardAt = -Infinity;
  #wallAt = -Infinity;

  /**
   * Takes the time from an answer.
   *
   * @param date the answer's header. Anything that is not a date is left out.
   * @param asked when the request was sent, by `performance.now()`.
   */
  hear(date: unknown, asked: number): void {
    const time = typeof date === "string" ? Date.parse(date) : Number.NaN;
    if (Number.isNaN(time)) return;
    this.#heardAt = performance.now();
    this.#wallAt = Date.now();
    const earliest = time - this.#heardAt;
    const latest = time + HEADER_STEP_MS - asked;
    this.#earliest = Math.max(this.#earliest, earliest);
    this.#latest = Math.min(this.#latest, latest);
    if (this.#earliest <= this.#latest) return;
    // The service's clock was set, or the clocks have drifted apart.
    this.#earliest = earliest;
    this.#latest = latest;
  }

  /** True if an answer has told the time. */
  get isSet(): boolean {
    return this.#heardAt !== -Infinity;
  }

  /** The service's time in milliseconds since 1970. Before the first answer it is this process's time. */
  now(): number {
    const own = Date.now();
    if (!this.isSet) return own;
    const reckoned = (this.#earliest + this.#latest) / 2 + performance.now();
    return Math.abs(own - reckoned) <= AGREEMENT_MS ? own : Math.floor(reckoned);
  }

  /** The same. Sends a request first if there was no answer lately, or this process's clock was set since. */
  async time(sendRequest: () => Promise<unknown>): Promise<number> {
    const age = Math.max(performance.now() - this.#heardAt, Math.abs(Date.now() - this.#wallAt));
    if (age > MAX_AGE_MS) await sendRequest();
    return this.now();
  }
}
