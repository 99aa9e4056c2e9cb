// The last five minutes of some figures, in memory of a fixed size.

export const HISTORY_SECONDS = 300;

/** Named figures over time. What is older than five minutes, or than `capacity` entries, is overwritten. */
export class History<Name extends string> {
  readonly #times: Float64Array;
  readonly #values: Readonly<Record<Name, Float64Array>>;
  /** Entries that were ever pushed. The next one goes to this place, modulo the capacity. */
  #pushed = 0;

  constructor(names: readonly Name[], capacity = HISTORY_SECONDS + 60) {
    this.#times = new Float64Array(capacity);
    this.#values = Object.fromEntries(names.map((name) => [name, new Float64Array(capacity)])) as never;
  }

  /** Adds an entry. `time` in seconds. A figure that is undefined is not known, and a gap in its line. */
  push(time: number, figures: Readonly<Record<Name, number | undefined>>): void {
    const place = this.#pushed++ % this.#times.length;
    this.#times[place] = time;
    for (const name in this.#values) this.#values[name][place] = figures[name] ?? Number.NaN;
  }

  /** The time of the last entry in seconds. */
  get end(): number {
    return this.#pushed === 0 ? 0 : this.#times[(this.#pushed - 1) % this.#times.length]!;
  }

  /** The times of the entries, oldest first. */
  times(): number[] {
    return this.#places().map((place) => this.#times[place]!);
  }

  /** A figure's values, as many as there are times. Null: not known. */
  values(name: Name): (number | null)[] {
    return this.#places().map((place) => {
      const value = this.#values[name][place]!;
      return Number.isNaN(value) ? null : value;
    });
  }

  /** The sum of a figure over the five minutes. */
  sum(name: Name): number {
    return this.values(name).reduce<number>((sum, value) => sum + (value ?? 0), 0);
  }

  #places(): number[] {
    const capacity = this.#times.length;
    const places: number[] = [];
    for (let i = Math.max(0, this.#pushed - capacity); i < this.#pushed; i++) {
      if (this.#times[i % capacity]! >= this.end - HISTORY_SECONDS) places.push(i % capacity);
    }
    return places;
  }
}
