/** A median, and the interval that holds it. */
export interface Estimate {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly samples: number;
}

/**
 * The interval is the distribution-free one from the order of the samples: it holds the true median 19 times in 20.
 * Of fewer than six samples none can say that; then it is all of them.
 */
export function estimate(values: readonly number[]): Estimate {
  const sorted = values.toSorted((a, b) => a - b);
  const n = sorted.length;
  const skip = skippable(n);
  return { median: medianOf(sorted), low: sorted[skip]!, high: sorted[n - 1 - skip]!, samples: n };
}

export type Ratio =
  /** The two intervals overlap: whatever the medians say is noise. */
  | { kind: "noise" }
  /** The smaller one may be nothing at all, so only the least ratio is known. */
  | { kind: "at least"; low: number }
  | { kind: "ratio"; ratio: number; low: number; high: number };

/** How many times `small` goes into `large`, if the measurement can tell. */
export function ratio(large: Estimate, small: Estimate): Ratio {
  if (large.low <= small.high && small.low <= large.high) return { kind: "noise" };
  if (small.low <= 0) return { kind: "at least", low: large.low / small.high };
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

/** How many samples at either end the interval can do without: P(Binomial(n, 1/2) < k + 1) stays within 1/40. */
function skippable(n: number): number {
  let below = 0;
  let term = 0.5 ** n;
  for (let k = 0; k < n / 2; k++) {
    below += term;
    if (below > 0.025) return Math.max(0, k - 1);
    term *= (n - k) / (k + 1);
  }
  return 0;
}
