// A farm that exists in numbers only, as the console's page would see it.

import { type ConsoleState, LATENCY_BOUNDS, type ServerReport, type ServerTotals } from "../../src/console/protocol.ts";

export interface FarmSettings {
  servers: number;
  /** Sessions alive. */
  alive: number;
  /** Requests a second, of all servers. */
  requests: number;
  /** When the last server dies. Its requests go to the others. */
  deathAt?: number;
  /** When the store goes down. */
  outageAt?: number;
}

const LATE_AFTER_MS = 3_500;
const LOST_AFTER_MS = 16_000;
const CALLS_PER_REQUEST = 1.4;

/** Each call simulates the time since the last one, and returns the state after it. */
export function simulatedFarm(settings: FarmSettings, startAt: number): (at: number) => ConsoleState {
  const { deathAt = Number.POSITIVE_INFINITY, outageAt = Number.POSITIVE_INFINITY } = settings;
  const servers = Array.from({ length: settings.servers }, (_, i) => simulatedServer(i + 1, startAt));
  let { alive } = settings;
  return (at) => {
    const isDown = at >= outageAt;
    const living = servers.slice(0, at >= deathAt ? -1 : undefined);
    for (const server of living) alive += server.work(at, settings.requests / living.length, isDown);
    return {
      at,
      application: "shop",
      sender: "id-1",
      store: {
        name: "redis",
        status: isDown ? "down" : "up",
        since: isDown ? outageAt : startAt - 93_600_000,
        latency: 0.4,
        ...(isDown && { reason: "it can't be reached (ECONNREFUSED)" }),
        canList: true,
      },
      alive: { count: Math.round(alive), countedAt: at - (at % 10_000) },
      servers: servers.map(({ report }) => report(at, isDown)),
    };
  };
}

function simulatedServer(number: number, startAt: number) {
  const startedAt = startAt - 3_600_000 * (number + 1);
  const latency = new Array<number>(LATENCY_BOUNDS.length + 1).fill(0);
  const ended = { destroyed: 0, expired: 0, revoked: 0, replaced: 0 };
  const totals = {
    ...{ requests: 0, started: 0, ended, storeCalls: 0, storeErrors: 0, latency, conflicts: 0, gone: 0, waits: 0 },
    ...{ waited: 0, cacheHits: 0, cacheMisses: 0, forged: 0, unreadable: 0 },
  } satisfies ServerTotals;
  let seenAt = startAt;
  return {
    /** `usual`: its requests a second. Returns by how many sessions more are alive. */
    work(at: number, usual: number, isDown: boolean): number {
      const seconds = (at - seenAt) / 1_000;
      seenAt = at;
      const wave = 1 + 0.04 * Math.sin(at / 31_000 + number) + 0.02 * Math.sin(at / 7_000);
      const requests = some(usual * seconds * wave);
      totals.requests += requests;
      if (isDown) {
        totals.storeErrors += some(requests * 0.02);
        return 0;
      }
      const calls = some(requests * CALLS_PER_REQUEST);
      totals.storeCalls += calls;
      countLatencies(latency, calls);
      const [started, destroyed, expired] = [some(requests * 0.03), some(requests * 0.007), some(requests * 0.022)];
      totals.started += started;
      ended.destroyed += destroyed;
      ended.expired += expired;
      ended.replaced += some(requests * 0.004);
      ended.revoked += some(requests * 1e-5);
      totals.conflicts += some(requests * 0.002);
      totals.gone += some(requests * 1e-4);
      const waits = some(requests * 0.001);
      totals.waits += waits;
      totals.waited += waits * 18;
      totals.cacheHits += some(requests * 0.4);
      totals.cacheMisses += some(requests * 0.6);
      totals.forged += some(requests * 5e-5);
      return started - destroyed - expired;
    },
    report(at: number, isDown: boolean): ServerReport {
      const silence = at - seenAt;
      const status = silence > LOST_AFTER_MS ? "lost" : silence > LATE_AFTER_MS ? "late" : "up";
      const { id, name } = { id: `id-${number}`, name: `web-${number}` };
      return { id, name, startedAt, seenAt, status, storeUp: !isDown, totals: structuredClone(totals) };
    },
  };
}

/** A whole number of this mean. */
const some = (mean: number): number => Math.floor(mean + Math.random());

/** Most calls take half a millisecond; two in a hundred take several. */
function countLatencies(latency: number[], calls: number): void {
  const samples = 100;
  for (let i = 0; i < samples; i++) {
    const ms = 0.3 * Math.exp(1.2 * Math.random() ** 2) * (Math.random() < 0.02 ? 8 : 1);
    latency[LATENCY_BOUNDS.findIndex((bound) => ms <= bound)]! += some(calls / samples);
  }
}
