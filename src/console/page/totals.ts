// Arithmetic with what servers have counted.

import { LATENCY_BOUNDS, type ServerTotals } from "../protocol.ts";

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

export const scaled = (totals: ServerTotals, factor: number): ServerTotals => zip(totals, NONE, (a) => a * factor);

/** Nothing was counted. The last latency is of calls that took longer than every bound. */
export const NONE: ServerTotals = {
  requests: 0,
  started: 0,
  ended: { destroyed: 0, expired: 0, revoked: 0, replaced: 0 },
  storeCalls: 0,
  storeErrors: 0,
  latency: new Array<number>(LATENCY_BOUNDS.length + 1).fill(0),
  conflicts: 0,
  gone: 0,
  waits: 0,
  waited: 0,
  cacheHits: 0,
  cacheMisses: 0,
  forged: 0,
  unreadable: 0,
};

export function endedOf({ ended }: ServerTotals): number {
  return ended.destroyed + ended.expired + ended.revoked + ended.replaced;
}
