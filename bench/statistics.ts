/** A value, and the interval that holds it 19 times in 20. */
export interface Estimate {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  /** False of too few samples: not even all of them hold the value 19 times in 20. */
  readonly sound: boolean;
}

/** The interval is the distribution-free one from the order of the samples. */
export function estimate(values: readonly number[]): Estimate {
  return middle(
    values.toSorted((a, b) => a - b),
    binomial(values.length),
  );
}

/**
 * How much larger the `large` are than the `small`: the median of all differences (Hodges and Lehmann's), with the
 * distribution-free interval from the rank sums (Mann and Whitney's).
 */
export function difference(large: readonly number[], small: readonly number[]): Estimate {
  return middle(
    large.flatMap((one) => small.map((other) => one - other)).sort((a, b) => a - b),
    rankSums(large.length, small.length),
  );
}

export type Ratio =
  /** The two intervals overlap, or there are too few samples for intervals: whatever the medians say is noise. */
  | { kind: "noise" }
  /** The smaller one may be nothing at all, so only the least ratio is known. */
  | { kind: "at least"; low: number }
  | { kind: "ratio"; ratio: number; low: number; high: number };

/** How many times `small` goes into `large`, if the measurement can tell. */
export function ratio(large: Estimate, small: Estimate): Ratio {
  if (!large.sound || !small.sound) return { kind: "noise" };
  if (large.low <= small.high && small.low <= large.high) return { kind: "noise" };
  if (small.low <= 0) return small.high <= 0 ? { kind: "noise" } : { kind: "at least", low: large.low / small.high };
  return {
    kind: "ratio",
    ratio: large.median / small.median,
    low: large.low / small.high,
    high: large.high / small.low,
  };
}

/** The same of samples instead of estimates, which are far from nothing: by the difference of their logarithms. */
export function directRatio(large: readonly number[], small: readonly number[]): Ratio {
  const { median, low, high, sound } = difference(large.map(Math.log), small.map(Math.log));
  if (!sound || (low <= 0 && high >= 0)) return { kind: "noise" };
  return { kind: "ratio", ratio: Math.exp(median), low: Math.exp(low), high: Math.exp(high) };
}

/** Half the interval, as a share of the median. */
export function noise({ median, low, high }: Estimate): number {
  return (high - low) / 2 / Math.abs(median);
}

/** `probabilities` says how likely it is that 0, 1, 2 … of the values lie below what is estimated. */
function middle(sorted: readonly number[], probabilities: readonly number[]): Estimate {
  // What is left out at each end stays within one in 40.
  let below = 0;
  let skip = -1;
  for (; skip < sorted.length / 2 - 1; skip++) {
    below += probabilities[skip + 1]!;
    if (below > 0.025) break;
  }
  const sound = skip >= 0;
  skip = Math.max(skip, 0);
  const half = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
  return { median, low: sorted[skip]!, high: sorted[sorted.length - 1 - skip]!, sound };
}

/** How likely it is that 0, 1, 2 … of n samples lie below their median. */
function binomial(n: number): number[] {
  const row = [0.5 ** n];
  for (let k = 0; k < n; k++) row.push((row[k]! * (n - k)) / (k + 1));
  return row;
}

/** How likely it is that 0, 1, 2 … of the m × n pairs are in one order, if the two samples don't differ. */
function rankSums(m: number, n: number): number[] {
  // Ways to choose m of m + n places, by the number of pairs out of order: Gauss's binomial coefficient.
  let ways = [1];
  for (let i = 1; i <= m; i++) ways = divided(multiplied(ways, n + i), i);
  const all = ways.reduce((sum, one) => sum + one, 0);
  return ways.map((one) => one / all);
}

/** Times 1 - q^by. */
function multiplied(ways: readonly number[], by: number): number[] {
  return Array.from({ length: ways.length + by }, (_, k) => (ways[k] ?? 0) - (ways[k - by] ?? 0));
}

/** By 1 - q^by, which goes without a remainder. */
function divided(ways: readonly number[], by: number): number[] {
  const quotient: number[] = [];
  for (let k = 0; k < ways.length - by; k++) quotient.push(ways[k]! + (quotient[k - by] ?? 0));
  return quotient;
}
