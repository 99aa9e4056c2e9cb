// Percentiles of a histogram of latencies.

import { LATENCY_BOUNDS } from "../protocol.ts";

/** The latency in milliseconds that this share of the calls did not exceed. Undefined: no call was counted. */
export function percentile(counts: readonly number[], share: number): number | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total <= 0) return undefined;
  let left = total * share;
  for (const [i, count] of counts.entries()) {
    if (count > 0 && left <= count) return within(i, left / count);
    left -= count;
  }
  return LATENCY_BOUNDS.at(-1);
}

/** The place in a bucket, as if its calls lay evenly in it. */
function within(bucket: number, share: number): number {
  const upper = LATENCY_BOUNDS[bucket] ?? LATENCY_BOUNDS.at(-1)!;
  const lower = bucket === 0 ? 0 : (LATENCY_BOUNDS[bucket - 1] ?? upper);
  return lower + (upper - lower) * share;
}
