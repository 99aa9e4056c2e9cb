import type { Deed } from "../fixtures/registers/hand.ts";

/**
 * The reads that can't be explained by sessions of which everybody sees each acknowledged change at once: those of a state
 * that had ended before they began, and those of nothing while a state was there.
 *
 * Compare-and-swap puts the states of a key in an order, so it is enough to know of each when it was there for certain.
 */
export function staleReads(deeds: Deed[]): Deed[] {
  return [...Map.groupBy(deeds, ({ key }) => key).values()].flatMap(staleReadsOfKey);
}

/** What is known of a state from outside. */
interface Span {
  /** It had begun: its write was acknowledged, or somebody had read it. */
  begun: number;
  /** It had ended: the change that ended it was acknowledged, or somebody had seen the next state. */
  ended: number;
  /** Until then it can't have ended: nobody had asked for that. */
  stays: number;
}

function staleReadsOfKey(deeds: Deed[]): Deed[] {
  const spans = new Map<number, Span>();
  function span(version: number): Span {
    const known = spans.get(version) ?? { begun: Infinity, ended: Infinity, stays: Infinity };
    spans.set(version, known);
    return known;
  }
  for (const { does, version, old, from, to } of deeds) {
    if (version !== undefined) span(version).begun = Math.min(span(version).begun, to);
    const isRefused = does === "update" && version === undefined;
    if (old === undefined || isRefused) continue;
    span(old).ended = Math.min(span(old).ended, to);
    span(old).stays = Math.min(span(old).stays, from);
  }
  for (const version of [...spans.keys()].sort((one, other) => other - one)) {
    const next = spans.get(version + 1);
    if (next !== undefined) span(version).ended = Math.min(span(version).ended, next.begun, next.ended);
  }
  const sure = [...spans.values()].filter(({ begun, stays }) => begun < stays);
  return deeds.filter(({ does, version, from, to }) => {
    if (does !== "read") return false;
    if (version !== undefined) return span(version).ended < from;
    return sure.some(({ begun, stays }) => begun < from && to < stays);
  });
}
