// Counts what happens on this server, for its reports.

import { type ChannelListener, subscribe, unsubscribe } from "node:diagnostics_channel";
import type { ChannelEvents, EndReason, SessionEvents } from "../events.ts";
import { LATENCY_BOUNDS, type ServerTotals } from "./protocol.ts";

/** What it listens to. */
interface Source {
  on<Name extends keyof SessionEvents>(name: Name, listener: (event: SessionEvents[Name]) => void): () => void;
}

type Counts = Record<keyof Omit<ServerTotals, "ended" | "latency">, number>;

/** Events are of these sessions. Requests, calls to the store and reads of a cache are of the whole process. */
export class Totals {
  readonly #stops: (() => void)[];
  readonly #ended: Record<EndReason, number> = { destroyed: 0, expired: 0, revoked: 0, replaced: 0 };
  readonly #latency: number[] = Array.from({ length: LATENCY_BOUNDS.length + 1 }, () => 0);
  readonly #counts: Counts = {
    requests: 0,
    started: 0,
    storeCalls: 0,
    storeErrors: 0,
    conflicts: 0,
    gone: 0,
    waits: 0,
    waited: 0,
    cacheHits: 0,
    cacheMisses: 0,
    forged: 0,
    unreadable: 0,
  };

  constructor(source: Source) {
    const counts = this.#counts;
    this.#stops = [
      source.on("start", () => counts.started++),
      source.on("end", ({ reason }) => this.#ended[reason]++),
      source.on("conflict", () => counts.conflicts++),
      source.on("gone", () => counts.gone++),
      source.on("wait", ({ waited }) => {
        counts.waits++;
        counts.waited += waited;
      }),
      source.on("forged", () => counts.forged++),
      source.on("unreadable", () => counts.unreadable++),
      source.on("storeError", () => counts.storeErrors++),
      onChannel("open", () => counts.requests++),
      onChannel("storeCall", ({ duration }) => {
        counts.storeCalls++;
        const bound = LATENCY_BOUNDS.findIndex((bound) => duration <= bound);
        this.#latency[bound === -1 ? LATENCY_BOUNDS.length : bound]!++;
      }),
      onChannel("cacheRead", ({ hit }) => void (hit ? counts.cacheHits++ : counts.cacheMisses++)),
    ];
  }

  snapshot(): ServerTotals {
    return { ...this.#counts, ended: { ...this.#ended }, latency: [...this.#latency] };
  }

  close(): void {
    for (const stop of this.#stops) stop();
  }
}

/** Sessions that the server has started, less those that it has ended. */
export function balanceOf({ started, ended }: ServerTotals): number {
  return started - Object.values(ended).reduce((sum, count) => sum + count, 0);
}

function onChannel<Name extends "open" | "storeCall" | "cacheRead">(
  name: Name,
  listener: (event: ChannelEvents[Name]) => void,
): () => void {
  const received: ChannelListener = (message) => listener(message as ChannelEvents[Name]);
  subscribe(`coatcheck:${name}`, received);
  return () => void unsubscribe(`coatcheck:${name}`, received);
}
