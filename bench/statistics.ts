// Estimates from samples: medians, differences and ratios, with confidence intervals.
/** A median with its 95 % confidence interval. */
export interface Estimate {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  /** False if the samples are too few for such an interval. */
  readonly sound: boolean;
}

/** The median of the values, with the distribution-free interval from their order. */
export function estimate(values: readonly number[]): Estimate {
  return middle(
    values.toSorted((a, b) => a - b),
    binomial(values.length),
  );
}

/**
 * The difference between `large` and `small`: the median of all differences (the Hodges-Lehmann estimator), with the
 * distribution-free interval from the rank sums (the Mann-Whitney test).
 */
export function difference(large: readonly number[], small: readonly number[]): Estimate {
  return middle(
    large.flatMap((one) => small.map((other) => one - other)).sort((a, b) => a - b),
    rankSums(large.length, small.length),
  );
}

export type Ratio =
  /** The two intervals overlap, or the samples are too few for intervals: the medians' ratio is noise. */
  | { kind: "noise" }
  /** The smaller value may be 0, so only a lower bound of the ratio is known. */
  | { kind: "at least"; low: number }
  | { kind: "ratio"; ratio: number; low: number; high: number };

/** The ratio of `large` to `small`, if the intervals tell them apart. */
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

/** The ratio from samples instead of estimates, by the difference of logarithms. For values well above 0. */
export function directRatio(large: readonly number[], small: readonly number[]): Ratio {
  const { median, low, high, sound } = difference(large.map(Math.log), small.map(Math.log));
  if (!sound || (low <= 0 && high >= 0)) return { kind: "noise" };
  return { kind: "ratio", ratio: Math.exp(median), low: Math.exp(low), high: Math.exp(high) };
}

/** Half the interval, as a share of the median. */
export function noise({ median, low, high }: Estimate): number {
  return (high - low) / 2 / Math.abs(median);
}

/** `probabilities`: how likely it is that 0, 1, 2 … of the values lie below the estimated value. */
function middle(sorted: readonly number[], probabilities: readonly number[]): Estimate {
  // Leaves out at most 2.5 % at each end.
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

/** How likely it is that 0, 1, 2 … of the m × n pairs are in one order, if the two samples do not differ. */
function rankSums(m: number, n: number): number[] {
  // The number of ways to choose m of m + n positions, by the number of pairs out of order: Gauss's binomial coefficient.
  let counts = [1];
  for (let i = 1; i <= m; i++) counts = divided(multiplied(counts, n + i), i);
  const all = counts.reduce((sum, one) => sum + one, 0);
  return counts.map((one) => one / all);
}

/** Multiplies a polynomial by 1 - q^by. */
function multiplied(counts: readonly number[], by: number): number[] {
  return Array.from({ length: counts.length + by }, (_, k) => (counts[k] ?? 0) - (counts[k - by] ?? 0));
}

/** Divides a polynomial by 1 - q^by, of which it is a multiple. */
function divided(counts: readonly number[], by: number): number[] {
  const quotient: number[] = [];
  for (let k = 0; k < counts.length - by; k++) quotient.push(counts[k]! + (quotient[k - by] ?? 0));
  return quotient;
}
