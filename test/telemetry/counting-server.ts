// node counting-server.ts <settings as JSON>: one server of a farm, with both kinds of telemetry.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { Registry } from "prom-client";
import { session } from "../../src/adapters/node.ts";
import { cached } from "../../src/compose/cached/index.ts";
import { createSessions, type Duration, type Mode, type Session, type SessionStore } from "../../src/index.ts";
import { type RedisOptions, redis } from "../../src/stores/redis/index.ts";
import { openTelemetry } from "../../src/telemetry/opentelemetry.ts";
import { prometheus } from "../../src/telemetry/prometheus.ts";

export interface CountingSettings {
  port: number;
  secret: string;
  redis: RedisOptions & { url: string };
  idleTimeout: Duration;
}

interface Data {
  n: number;
  list: number[];
}

const { port, secret, redis: options, idleTimeout } = JSON.parse(process.argv[2]!) as CountingSettings;
const store = redis(options);
/** Reads that Redis has answered. */
let reads = 0;
const counted: SessionStore = {
  ...store,
  async read(...call) {
    const found = await store.read(...call);
    reads++;
    return found;
  },
};
const sessions = createSessions<Data>({
  store: cached(counted, { maxAge: "1h", onListening() {} }),
  secret,
  idleTimeout,
  sweepInterval: false,
  cookie: { secure: "auto" },
  exclusive: { lease: "1s", maxWait: "30s" },
});
const register = new Registry();
prometheus(sessions, { register, countEvery: 1 });
const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
openTelemetry(sessions, { meter: new MeterProvider({ readers: [reader] }).getMeter("test") });

/** Requests that are held until another request lets them go on, by the name in their address. */
const held = new Map<string, () => void>();

const ACTIONS: Record<string, (session: Session<Data>, argument: string) => unknown> = {
  begin: (session) => session.set("n", 0),
  read: (session) => session.get("n"),
  count: (session) => session.update("n", (n = 0) => n + 1),
  login: (session) => session.regenerate(),
  logout: (session) => session.destroy(),
  /** Reads its session, and writes only when it is let go. */
  async hold(session, name) {
    session.get("n");
    await new Promise<void>((resolve) => held.set(name, resolve));
    session.update("n", (n = 0) => n + 1);
  },
};

const withSession = (mode: Mode) =>
  session(sessions, { mode: () => mode })(async (req, res) => {
    const [, , action, argument] = req.url!.split("/");
    await ACTIONS[action!]!(req.session, argument ?? "");
    res.end(req.session.id);
  });
const handlers: Record<string, (req: IncomingMessage, res: ServerResponse, argument: string) => unknown> = {
  merge: withSession("merge"),
  exclusive: withSession("exclusive"),
  async go(_, res, name) {
    held.get(name)!();
    res.end();
  },
  isHeld: (_, res, name) => res.end(String(held.has(name))),
  reads: (_, res) => res.end(String(reads)),
  revoke: async (_, res, id) => res.end(String(await sessions.revoke(id))),
  sweep: async (_, res) => res.end(String(await sessions.sweep())),
  metrics: async (_, res) => res.end(await register.metrics()),
  async otel(_, res) {
    await reader.forceFlush();
    const metrics =
      exporter
        .getMetrics()
        .at(-1)
        ?.scopeMetrics.flatMap((scope) => scope.metrics) ?? [];
    const points = metrics.flatMap(({ descriptor: { name }, dataPoints }) =>
      dataPoints.map(({ value, attributes }) => ({
        name,
        attributes,
        value: typeof value === "number" ? value : (value as { count: number }).count,
      })),
    );
    res.end(JSON.stringify(points));
  },
};

createServer((req, res) => {
  const [, kind, argument] = req.url!.split("/");
  handlers[kind!]!(req, res, argument ?? "");
}).listen(port, "127.0.0.1", () => process.send!("ready"));
process.on("disconnect", () => process.exit());
