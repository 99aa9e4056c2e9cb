// The rates of one server: differences of its totals over the last seconds.

import { NO_TOTALS, type ServerReport, type ServerTotals } from "../protocol.ts";
import { percentile } from "./latency.ts";
import { difference, scaled } from "./totals.ts";

const RATE_MS = 5_000;
/** Over less time a rate says nothing. */
const LEAST_MS = 500;
/** Percentiles need more calls than rates do. */
const LATENCY_MS = 10_000;

interface Sample {
  at: number;
  totals: ServerTotals;
}

export class ServerRates {
  /** Oldest first. One is older than the longest span, unless the server is young. */
  readonly #samples: Sample[];

  /** Of a server that started a moment ago all counts are recent. Those of another one are of times that are not known. */
  constructor({ startedAt, seenAt, totals }: ServerReport) {
    const isYoung = seenAt - startedAt <= LATENCY_MS;
    this.#samples = isYoung && seenAt > startedAt ? [{ at: startedAt, totals: NO_TOTALS }] : [{ at: seenAt, totals }];
  }

  /** Takes a report, and returns what was counted since the last one. */
  add({ seenAt, totals }: ServerReport): ServerTotals {
    const last = this.#samples.at(-1)!;
    if (seenAt <= last.at) return NO_TOTALS;
    this.#samples.push({ at: seenAt, totals });
    while (this.#samples.length > 2 && this.#samples[1]!.at <= seenAt - LATENCY_MS) this.#samples.shift();
    return difference(totals, last.totals);
  }

  /** What it counts in a second. Undefined: it has only just begun to report. */
  rates(): ServerTotals | undefined {
    const { ms, counts } = this.#counted(RATE_MS);
    return ms < LEAST_MS ? undefined : scaled(counts, 1000 / ms);
  }

  /** The latencies of its recent calls. */
  latency(): readonly number[] {
    return this.#counted(LATENCY_MS).counts.latency;
  }

  percentile(share: number): number | undefined {
    return percentile(this.latency(), share);
  }

  #counted(span: number): { ms: number; counts: ServerTotals } {
    const last = this.#samples.at(-1)!;
    const first = this.#samples.findLast(({ at }) => at <= last.at - span) ?? this.#samples[0]!;
    return { ms: last.at - first.at, counts: difference(last.totals, first.totals) };
  }
}
