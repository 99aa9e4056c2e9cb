// Counts what happens on this server, for its reports.

import type { ChannelListener } from "node:diagnostics_channel";
import { type ChannelEvents, channelOf, type SessionEvents } from "../events.ts";
import { copyOf, LATENCY_BOUNDS, NO_TOTALS, type ServerTotals } from "./protocol.ts";

/** What it listens to. */
interface Source {
  on<Name extends keyof SessionEvents>(name: Name, listener: (event: SessionEvents[Name]) => void): () => void;
}

/** Events are of these sessions. Requests, calls to the store and reads of a cache are of the whole process. */
export class Totals {
  readonly #stops: (() => void)[];
  readonly #counts = copyOf(NO_TOTALS);

  constructor(source: Source) {
    const counts = this.#counts;
    this.#stops = [
      source.on("start", () => counts.started++),
      source.on("end", ({ reason }) => counts.ended[reason]++),
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
        counts.latency[bound === -1 ? LATENCY_BOUNDS.length : bound]!++;
      }),
      onChannel("cacheRead", ({ hit }) => void (hit ? counts.cacheHits++ : counts.cacheMisses++)),
    ];
  }

  snapshot(): ServerTotals {
    return copyOf(this.#counts);
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
  const channel = channelOf(name);
  channel.subscribe(received);
  return () => void channel.unsubscribe(received);
}
