import type { Operation } from "../history.ts";
import type { SessionHistory, Write } from "./session-history.ts";
import type { Violation } from "./violation.ts";

/**
 * A counter that only grows by one: each read is at least what was surely counted before it, and at most what may have
 * been by its end; and the same counted from the reads before it.
 */
export function checkCounter(
  key: "n" | "hits",
  kind: "increment" | "count",
  { root, reads, writes }: SessionHistory,
): Violation[] {
  const counts = writes.filter(({ operation }) => operation.kind === kind);
  const looks = reads
    .flatMap((read) => (typeof read.seen![key] === "number" ? [{ read, value: read.seen![key] }] : []))
    .sort((a, b) => a.read.call - b.read.call);
  const byEnd = [...looks].sort((a, b) => a.read.end - b.read.end);
  const violations: Violation[] = [];
  // What is wrong itself says nothing about others.
  const wrong = new Set<(typeof looks)[number]>();
  let before = 0;
  let highest: (typeof looks)[number] | undefined;
  let latest: (typeof looks)[number] | undefined;
  for (const look of looks) {
    for (; before < byEnd.length && byEnd[before]!.read.end < look.read.call; before++) {
      if (wrong.has(byEnd[before]!)) continue;
      latest = byEnd[before]!;
      if (highest === undefined || latest.value >= highest.value) highest = latest;
    }
    const from = [undefined, latest, highest].map((earlier) => bounds(counts, earlier, look.read));
    const least = from.reduce((a, b) => (b.least > a.least ? b : a));
    const most = from.reduce((a, b) => (b.most < a.most ? b : a));
    if (look.value < least.least || look.value > most.most) wrong.add(look);
    const operations = (base: Operation | undefined) => [...(base ? [base] : []), look.read];
    if (look.value < least.least) {
      const recovers = looks.some(({ read, value }) => read.call > look.read.end && value >= least.least);
      violations.push({
        wrong: recovers ? "stale read" : "lost update",
        message: `"${key}" of session ${root} was ${look.value}, and ${least.least} were counted`,
        operations: [...least.counted, ...operations(least.base)],
      });
      // What is lost once is missing from all that follows.
      if (!recovers) break;
    } else if (look.value > most.most) {
      violations.push({
        wrong: "impossible value",
        message: `"${key}" of session ${root} was ${look.value}, and at most ${most.most} can have been counted`,
        operations: operations(most.base),
      });
    }
  }
  return violations;
}

/** What a read can be, going by what another read before it saw. */
function bounds(counts: Write[], earlier: { read: Operation; value: number } | undefined, read: Operation) {
  const { value: base = 0, read: origin } = earlier ?? {};
  const [from, to] = [origin?.end ?? -Infinity, origin?.call ?? -Infinity];
  const counted = counts.filter(({ call, end }) => call > from && end < read.call).map(({ operation }) => operation);
  const possible = counts.filter(({ call, end }) => end > to && call < read.end).length;
  return { least: base + counted.length, most: base + possible, counted, base: origin };
}
