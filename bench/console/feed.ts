// A server of the console's page, with the figures of a farm that is larger than this machine could run.

import { once } from "node:events";
import { createReadStream, existsSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type ConsoleState, LATENCY_BOUNDS, type ServerTotals } from "../../src/console/protocol.ts";

const PAGE = fileURLToPath(new URL("../../dist/console/", import.meta.url));
const TYPES: Record<string, string> = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" }; // biome-ignore format: one line
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:";

export interface Load {
  servers: number;
  alive: number;
  /** Requests a second, of all servers. */
  requests: number;
}

/** Serves the page on a free port, and feeds it each second. `change` alters a state before it is sent. */
export async function startFeed(load: Load, change: (state: ConsoleState) => ConsoleState = (state) => state) {
  const listeners = new Set<ServerResponse>();
  const servers = Array.from({ length: load.servers }, (_, i) => simulatedServer(i, load));
  let { alive } = load;
  const startedAt = Date.now();
  const state = (): ConsoleState =>
    change({
      at: Date.now(),
      application: "shop",
      sender: "id-1",
      store: { name: "redis", status: "up", since: startedAt - 86_400_000, latency: 0.4, canList: true },
      alive: { count: alive, countedAt: startedAt },
      servers: servers.map(({ report }) => report()),
    });
  const timer = setInterval(() => {
    for (const { work } of servers) work();
    alive += Math.round((Math.random() - 0.48) * load.alive * 1e-4);
    for (const listener of listeners) send(listener, state());
  }, 1_000);

  const server = createServer((req, res) => {
    const path = req.url!.replace(/^\/admin\/sessions\//, "");
    if (path === "live") {
      res.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
      listeners.add(res);
      res.on("close", () => listeners.delete(res));
      return send(res, state());
    }
    const file = join(PAGE, path || "index.html");
    if (!existsSync(file)) return res.writeHead(404).end();
    res.writeHead(200, { "content-type": TYPES[extname(file)]!, "content-security-policy": POLICY });
    createReadStream(file).pipe(res);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/admin/sessions/`,
    async stop() {
      clearInterval(timer);
      server.close();
      server.closeAllConnections();
    },
  };
}

const send = (res: ServerResponse, state: ConsoleState) => res.write(`data: ${JSON.stringify(state)}\n\n`);

function simulatedServer(i: number, { servers, requests }: Load) {
  const startedAt = Date.now() - 3_600_000 * (i + 2);
  const latency = new Array<number>(LATENCY_BOUNDS.length + 1).fill(0);
  const ended = { destroyed: 0, expired: 0, revoked: 0, replaced: 0 };
  const totals = { requests: 0, started: 0, ended, storeCalls: 0, storeErrors: 0, latency, conflicts: 0, gone: 0, waits: 0, waited: 0, cacheHits: 0, cacheMisses: 0, forged: 0, unreadable: 0 } satisfies ServerTotals; // biome-ignore format: one line
  let turn = 0;
  let seenAt = Date.now();
  return {
    /** A second of work. */
    work() {
      turn++;
      seenAt = Date.now();
      const calm = 1 + 0.12 * Math.sin(turn / 23 + i) + 0.1 * (Math.random() - 0.5);
      const done = Math.round((requests / servers) * calm);
      totals.requests += done;
      totals.storeCalls += Math.round(done * 1.4);
      for (let call = 0; call < 200; call++) {
        const ms = 0.35 * Math.exp(Math.abs(gauss()) * 0.55) * (Math.random() < 0.02 ? 7 : 1);
        const bucket = LATENCY_BOUNDS.findIndex((bound) => ms <= bound);
        latency[bucket]! += Math.round((done * 1.4) / 200);
      }
      totals.started += Math.round(done * 0.03);
      ended.destroyed += Math.round(done * 0.006);
      ended.expired += Math.round(done * 0.021);
      ended.replaced += Math.round(done * 0.004);
      if (turn % 40 === 0) ended.revoked++;
      totals.conflicts += Math.round(done * 0.002);
      totals.waits += Math.round(done * 0.001);
      totals.waited += Math.round(done * 0.001) * 18;
      totals.cacheHits += Math.round(done * 0.3);
      totals.cacheMisses += Math.round(done * 0.7);
      if (turn % 7 === 0) totals.forged++;
    },
    report: () => ({
      id: `id-${i + 1}`,
      name: `web-${i + 1}`,
      startedAt,
      seenAt,
      status: "up" as const,
      storeUp: true,
      totals: structuredClone(totals),
    }),
  };
}

const gauss = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
