// Arithmetic with what servers have counted.

import { NO_TOTALS, type ServerTotals } from "../protocol.ts";

/** Totals whose numbers are each made of the two at the same place. */
function zip(a: ServerTotals, b: ServerTotals, join: (a: number, b: number) => number): ServerTotals {
  return {
    requests: join(a.requests, b.requests),
    started: join(a.started, b.started),
    ended: {
      destroyed: join(a.ended.destroyed, b.ended.destroyed),
      expired: join(a.ended.expired, b.ended.expired),
      revoked: join(a.ended.revoked, b.ended.revoked),
      replaced: join(a.ended.replaced, b.ended.replaced),
    },
    storeCalls: join(a.storeCalls, b.storeCalls),
    storeErrors: join(a.storeErrors, b.storeErrors),
    latency: a.latency.map((count, i) => join(count, b.latency[i] ?? 0)),
    conflicts: join(a.conflicts, b.conflicts),
    gone: join(a.gone, b.gone),
    waits: join(a.waits, b.waits),
    waited: join(a.waited, b.waited),
    cacheHits: join(a.cacheHits, b.cacheHits),
    cacheMisses: join(a.cacheMisses, b.cacheMisses),
    forged: join(a.forged, b.forged),
    unreadable: join(a.unreadable, b.unreadable),
  };
}

export const sum = (a: ServerTotals, b: ServerTotals): ServerTotals => zip(a, b, (a, b) => a + b);

export const difference = (a: ServerTotals, b: ServerTotals): ServerTotals => zip(a, b, (a, b) => a - b);

export const scaled = (totals: ServerTotals, factor: number): ServerTotals => zip(totals, NO_TOTALS, (a) => a * factor);

export function endedOf({ ended }: ServerTotals): number {
  return ended.destroyed + ended.expired + ended.revoked + ended.replaced;
}
