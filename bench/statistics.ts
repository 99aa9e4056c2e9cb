/** A value, and the interval that holds it 19 times in 20. */
export interface Estimate {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly samples: number;
}

/** Of fewer, not even all of them hold the median 19 times in 20. */
const LEAST_SAMPLES = 6;

/** The interval is the distribution-free one from the order of the samples. */
export function estimate(values: readonly number[]): Estimate {
  const sorted = values.toSorted((a, b) => a - b);
  const skip = lowTail(binomial(sorted.length));
  return {
    median: medianOf(sorted),
    low: sorted[skip]!,
    high: sorted[sorted.length - 1 - skip]!,
    samples: sorted.length,
  };
}

/**
 * How much larger the `large` are than the `small`: the median of all differences (Hodges and Lehmann's), with the
 * distribution-free interval from the rank sums (Mann and Whitney's).
 */
export function difference(large: readonly number[], small: readonly number[]): Estimate {
  const sorted = large.flatMap((one) => small.map((other) => one - other)).sort((a, b) => a - b);
  const skip = lowTail(rankSums(large.length, small.length));
  return {
    median: medianOf(sorted),
    low: sorted[skip]!,
    high: sorted[sorted.length - 1 - skip]!,
    samples: Math.min(large.length, small.length),
  };
}

export type Ratio =
  /** The two intervals overlap, or there are too few samples for intervals: whatever the medians say is noise. */
  | { kind: "noise" }
  /** The smaller one may be nothing at all, so only the least ratio is known. */
  | { kind: "at least"; low: number }
  | { kind: "ratio"; ratio: number; low: number; high: number };

/** How many times `small` goes into `large`, if the measurement can tell. */
export function ratio(large: Estimate, small: Estimate): Ratio {
  if (Math.min(large.samples, small.samples) < LEAST_SAMPLES) return { kind: "noise" };
  if (large.low <= small.high && small.low <= large.high) return { kind: "noise" };
  if (small.low <= 0) return small.high <= 0 ? { kind: "noise" } : { kind: "at least", low: large.low / small.high };
  return {
    kind: "ratio",
    ratio: large.median / small.median,
    low: large.low / small.high,
    high: large.high / small.low,
  };
}

/** Half the interval, as a share of the median. */
export function noise({ median, low, high }: Estimate): number {
  return (high - low) / 2 / Math.abs(median);
}

function medianOf(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** How many of the least may be left out so that what is left out stays within one in 40. */
function lowTail(probabilities: readonly number[]): number {
  let below = 0;
  let k = 0;
  for (; k < probabilities.length / 2; k++) {
    below += probabilities[k]!;
    if (below > 0.025) break;
  }
  return Math.max(0, k - 1);
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
