// Checks that a history of reads and writes of a store has no stale reads.
import type { Operation } from "../fixtures/registers/file-process.ts";

/**
 * The reads that contradict a store where every acknowledged change is visible immediately: those of a state that had
 * ended before the read began, and those that found nothing while a state existed.
 *
 * Compare-and-swap puts the states of a key in order, so it is enough to know when each state certainly existed.
 */
export function staleReads(operations: Operation[]): Operation[] {
  return [...Map.groupBy(operations, ({ key }) => key).values()].flatMap(staleReadsOfKey);
}

/** The known lifetime of a state. */
interface Span {
  /** By then it had begun: its write was acknowledged, or a read had found it. */
  begun: number;
  /** By then it had ended: the change that ended it was acknowledged, or a read had found the next state. */
  ended: number;
  /** Until then it had not ended: no change had been requested. */
  stays: number;
}

function staleReadsOfKey(operations: Operation[]): Operation[] {
  const spans = new Map<number, Span>();
  function span(version: number): Span {
    const known = spans.get(version) ?? { begun: Infinity, ended: Infinity, stays: Infinity };
    spans.set(version, known);
    return known;
  }
  for (const { method, version, ifVersion, from, to } of operations) {
    if (version !== undefined) span(version).begun = Math.min(span(version).begun, to);
    const isRefused = method === "update" && version === undefined;
    if (ifVersion === undefined || isRefused) continue;
    span(ifVersion).ended = Math.min(span(ifVersion).ended, to);
    span(ifVersion).stays = Math.min(span(ifVersion).stays, from);
  }
  for (const version of [...spans.keys()].sort((one, other) => other - one)) {
    const next = spans.get(version + 1);
    if (next !== undefined) span(version).ended = Math.min(span(version).ended, next.begun, next.ended);
  }
  const sure = [...spans.values()].filter(({ begun, stays }) => begun < stays);
  return operations.filter(({ method, version, from, to }) => {
    if (method !== "read") return false;
    if (version !== undefined) return span(version).ended < from;
    return sure.some(({ begun, stays }) => begun < from && to < stays);
  });
}
