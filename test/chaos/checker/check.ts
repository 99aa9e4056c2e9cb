import { type History, type Operation, REGISTERS } from "../history.ts";
import { checkLog, checkTags } from "./collections.ts";
import { checkCounter } from "./counters.ts";
import { Lives } from "./lives.ts";
import { checkRegister } from "./registers.ts";
import { checkTurns } from "./serial.ts";
import { sessionHistories } from "./session-history.ts";
import type { Violation } from "./violation.ts";

export interface Verdict {
  /** What must not have happened. */
  violations: Violation[];
  /** What happened because the store lost what it had acknowledged, as it says that it may. */
  lostByStore: Violation[];
}

/** Decides whether a history can be one of sessions that lose nothing. */
export function check({ operations, lossy = [], noticedAfter = 0 }: History): Verdict {
  const violations = violationsOf(operations, noticedAfter);
  if (violations.length === 0 || lossy.length === 0) return { violations, lostByStore: [] };
  // The same again, believing nothing that was answered while the store may have lost it.
  const doubted = operations.map((operation) => (isDoubtful(operation, lossy) ? doubt(operation) : operation));
  const remaining = violationsOf(doubted, noticedAfter);
  const names = new Set(remaining.map(nameOf));
  return { violations: remaining, lostByStore: violations.filter((violation) => !names.has(nameOf(violation))) };
}

function violationsOf(operations: Operation[], noticedAfter: number): Violation[] {
  const lives = new Lives(operations, noticedAfter);
  const violations = lives.violations(operations);
  for (const history of sessionHistories(operations, lives).values()) {
    for (const key of REGISTERS) violations.push(...checkRegister(key, history));
    violations.push(
      ...checkCounter("n", "increment", history),
      ...checkCounter("hits", "count", history),
      ...checkLog(history),
      ...checkTags(history),
      ...checkTurns(history),
    );
  }
  return once(violations);
}

/** What one fault does shows in many reads. */
function once(violations: Violation[]): Violation[] {
  return [...new Map(violations.toReversed().map((violation) => [nameOf(violation), violation])).values()].reverse();
}

function isDoubtful({ call, end, kind }: Operation, lossy: [number, number][]): boolean {
  return kind !== "census" && lossy.some(([from, to]) => end > from && call < to && Number.isFinite(end));
}

/** Its answer is there, and proves nothing. */
function doubt({ seen: _, ...operation }: Operation): Operation {
  return { ...operation, outcome: "unknown", end: Infinity };
}

function nameOf({ wrong, message }: Violation): string {
  return `${wrong}: ${message}`;
}
