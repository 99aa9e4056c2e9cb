// Reports of the chaos test, as text.
import type { CampaignResult } from "./campaign.ts";
import type { Anomaly, Violation } from "./checker/violation.ts";
import { line } from "./history.ts";

export interface Totals {
  operations: number;
  unknown: number;
  faults: number;
  lostByStore: number;
  anomalies: Map<Anomaly, number>;
}

/** The anomalies in every report, even if there are none. */
const COUNTED: readonly Anomaly[] = [
  ...(["lost update", "revived session", "lost session", "lock overlap", "stale read"] as const),
  ...(["torn read", "foreign data", "impossible value"] as const),
];

const SHOWN_VIOLATIONS = 5;
const SHOWN_OPERATIONS = 20;

export function totalsOf({ history, faults, violations, lostByStore }: CampaignResult): Totals {
  const count = (name: Anomaly) => violations.filter(({ anomaly }) => anomaly === name).length;
  return {
    operations: history.operations.length,
    unknown: history.operations.filter(({ outcome }) => outcome === "unknown").length,
    faults: sum([...faults.values()]),
    lostByStore: lostByStore.length,
    anomalies: new Map(COUNTED.map((name) => [name, count(name)])),
  };
}

export function combine(totals: readonly Totals[]): Totals {
  return {
    operations: sum(totals.map(({ operations }) => operations)),
    unknown: sum(totals.map(({ unknown }) => unknown)),
    faults: sum(totals.map(({ faults }) => faults)),
    lostByStore: sum(totals.map(({ lostByStore }) => lostByStore)),
    anomalies: new Map(COUNTED.map((name) => [name, sum(totals.map(({ anomalies }) => anomalies.get(name)!))])),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, number) => all + number, 0);
}

/** One line: `12,345 operations, 67 faults, 89 unknown outcomes, 0 lost updates, …`. */
export function describeTotals({ operations, unknown, faults, lostByStore, anomalies }: Totals): string {
  const count = (number: number, what: string) =>
    `${number.toLocaleString("en")} ${what}${number === 1 || what.endsWith("data") ? "" : "s"}`;
  return [
    count(operations, "operation"),
    count(faults, "fault"),
    count(unknown, "unknown outcome"),
    ...Array.from(anomalies, ([name, number]) => count(number, name)),
    ...(lostByStore > 0 ? [`${lostByStore} losses that the store's guarantees allow`] : []),
  ].join(", ");
}

/** The violations with the fewest operations, each with its operations in the order of their calls. */
export function describeViolations({ violations, history, output }: CampaignResult): string {
  const start = history.operations.reduce((first, { call }) => Math.min(first, call), Infinity);
  const shortest = [...violations].sort((a, b) => a.operations.length - b.operations.length);
  return [
    ...shortest.slice(0, SHOWN_VIOLATIONS).map((violation) => describe(violation, start)),
    ...(violations.length > SHOWN_VIOLATIONS ? [`… and ${violations.length - SHOWN_VIOLATIONS} more`] : []),
    ...(output ? [`The last output of the servers:\n${output.slice(-2_000)}`] : []),
  ].join("\n\n");
}

function describe({ anomaly, message, operations }: Violation, start: number): string {
  const inOrder = [...new Set(operations)].sort((a, b) => a.call - b.call).slice(-SHOWN_OPERATIONS);
  return [`${anomaly}: ${message}`, ...inOrder.map((operation) => `  ${line(operation, start)}`)].join("\n");
}
