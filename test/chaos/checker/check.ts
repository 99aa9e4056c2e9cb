// The checker: decides whether a history can come from sessions that lose nothing.
import { type History, type Operation, REGISTERS, type SessionLimits } from "../history.ts";
import { checkLog, checkTags } from "./collections.ts";
import { checkCounter } from "./counters.ts";
import { Lives } from "./lives.ts";
import { checkRegister } from "./registers.ts";
import { checkTurns } from "./serial.ts";
import { sessionHistories } from "./session-history.ts";
import type { Violation } from "./violation.ts";

type Spans = readonly (readonly [from: number, to: number])[];

export interface CheckResult {
  /** What no correct store and core allow. */
  violations: Violation[];
  /** Losses of acknowledged writes that the store's own guarantees allow. */
  lostByStore: Violation[];
}

export function check({ operations, lossy = [], stale = [], ...limits }: History): CheckResult {
  const violations = violationsOf(operations, limits, stale);
  if (violations.length === 0 || lossy.length === 0) return { violations, lostByStore: [] };
  // Checks again, with unknown outcomes for everything that the store may have lost.
  const weakened = operations.map((operation) => (mayBeLost(operation, lossy) ? asUnknown(operation) : operation));
  const remaining = violationsOf(weakened, limits, stale);
  const names = new Set(remaining.map(nameOf));
  return { violations: remaining, lostByStore: violations.filter((violation) => !names.has(nameOf(violation))) };
}

function violationsOf(operations: Operation[], limits: SessionLimits, stale: Spans): Violation[] {
  // What an operation reads while the store may answer with an earlier state says nothing. What it writes counts.
  const isRead = (operation: Operation) => !overlaps(operation, stale);
  const lives = new Lives(operations, limits);
  const violations = lives.violations(operations.filter(isRead));
  for (const history of sessionHistories(operations, lives, isRead).values()) {
    for (const key of REGISTERS) violations.push(...checkRegister(key, history));
    violations.push(
      ...checkCounter("n", "increment", history),
      ...checkCounter("hits", "count", history),
      ...checkLog(history),
      ...checkTags(history),
      ...checkTurns(history),
    );
  }
  return distinct(violations);
}

/** One violation often shows in many reads. */
function distinct(violations: Violation[]): Violation[] {
  return [...new Map(violations.toReversed().map((violation) => [nameOf(violation), violation])).values()].reverse();
}

function mayBeLost(operation: Operation, lossy: Spans): boolean {
  return operation.kind !== "census" && Number.isFinite(operation.end) && overlaps(operation, lossy);
}

function overlaps({ call, end }: Operation, spans: Spans): boolean {
  return spans.some(([from, to]) => end > from && call < to);
}

/** The same operation as if it had not been answered. If it found no session, it began its own. */
function asUnknown({ seen: _, sent, ...operation }: Operation): Operation {
  const found = sent !== undefined && operation.id !== undefined ? { sent } : {};
  return { ...operation, ...found, outcome: "unknown", end: Infinity };
}

function nameOf({ anomaly, message }: Violation): string {
  return `${anomaly}: ${message}`;
}
