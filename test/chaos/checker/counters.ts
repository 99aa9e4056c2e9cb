// Checks the counters of a session.
import type { Operation } from "../history.ts";
import type { SessionHistory, Write } from "./session-history.ts";
import type { Violation } from "./violation.ts";

/**
 * A counter only grows, by one at a time. A read is at least the number of increments that certainly ended before it began,
 * and at most the number that may have happened by its end. The same holds for the increments since an earlier read.
 */
export function checkCounter(
  key: "n" | "hits",
  kind: "increment" | "count",
  { root, reads, writes }: SessionHistory,
): Violation[] {
  const counts = writes.filter(({ operation }) => operation.kind === kind);
  const observations = reads
    .flatMap((read) => (typeof read.seen![key] === "number" ? [{ read, value: read.seen![key] }] : []))
    .sort((a, b) => a.read.call - b.read.call);
  const byEnd = [...observations].sort((a, b) => a.read.end - b.read.end);
  const violations: Violation[] = [];
  // A wrong read says nothing about the reads after it.
  const wrong = new Set<(typeof observations)[number]>();
  let before = 0;
  let highest: (typeof observations)[number] | undefined;
  let latest: (typeof observations)[number] | undefined;
  for (const observation of observations) {
    for (; before < byEnd.length && byEnd[before]!.read.end < observation.read.call; before++) {
      if (wrong.has(byEnd[before]!)) continue;
      latest = byEnd[before]!;
      if (highest === undefined || latest.value >= highest.value) highest = latest;
    }
    const from = [undefined, latest, highest].map((earlier) => bounds(counts, earlier, observation.read));
    const least = from.reduce((a, b) => (b.least > a.least ? b : a));
    const most = from.reduce((a, b) => (b.most < a.most ? b : a));
    if (observation.value < least.least || observation.value > most.most) wrong.add(observation);
    const operations = (base: Operation | undefined) => [...(base ? [base] : []), observation.read];
    if (observation.value < least.least) {
      const recovers = observations.some(({ read, value }) => read.call > observation.read.end && value >= least.least);
      violations.push({
        anomaly: recovers ? "stale read" : "lost update",
        message: `"${key}" of session ${root} was ${observation.value} after at least ${least.least} increments`,
        operations: [...least.counted, ...operations(least.base)],
      });
      // A lost increment is missing from all later reads.
      if (!recovers) break;
    } else if (observation.value > most.most) {
      violations.push({
        anomaly: "impossible value",
        message: `"${key}" of session ${root} was ${observation.value} after at most ${most.most} increments`,
        operations: operations(most.base),
      });
    }
  }
  return violations;
}

/** The least and the most that a read can see, given what an earlier read saw. */
function bounds(counts: Write[], earlier: { read: Operation; value: number } | undefined, read: Operation) {
  const { value: base = 0, read: origin } = earlier ?? {};
  const [from, to] = [origin?.end ?? -Infinity, origin?.call ?? -Infinity];
  const counted = counts.filter(({ call, end }) => call > from && end < read.call).map(({ operation }) => operation);
  const possible = counts.filter(({ call, end }) => end > to && call < read.end).length;
  return { least: base + counted.length, most: base + possible, counted, base: origin };
}
