// Metrics in the form of Prometheus, by the package prom-client.

import { subscribe } from "node:diagnostics_channel";
import { Counter, Gauge, register as globalRegister, Histogram, type Registry } from "prom-client";
import { type ChannelEvents, CoatcheckError, type Duration, OptionError, type Sessions } from "../index.ts";
import { milliseconds } from "../util/duration.ts";
import { checkNames, type OptionNames } from "../util/option-names.ts";

export interface PrometheusOptions {
  /** Where the metrics are registered. Default: prom-client's global registry. */
  register?: Registry;
  /**
   * How often the sessions that are alive are counted, at a scrape. Counting walks through all of them, so one server of a
   * farm is enough, and minutes apart. Default: false, they are not counted.
   */
  countEvery?: Duration | false;
}

const NAMES: OptionNames<PrometheusOptions> = { register: true, countEvery: true };

/** Seconds. A call to a store nearby takes less than a millisecond, and one that fails as long as `storeTimeout`. */
const BUCKETS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/**
 * Registers metrics of these sessions, and of all calls of this process to stores: `prometheus(sessions)`. Then
 * `await register.metrics()` of prom-client has them. Call it once for each `createSessions`, with a registry of its own each.
 *
 * @throws OptionError if an option is wrong, or if the registry has these metrics already.
 */
export function prometheus<Data extends object>(sessions: Sessions<Data>, options: PrometheusOptions = {}): void {
  checkNames("prometheus()", options, NAMES);
  const { register = globalRegister, countEvery = false } = options;
  if (register.getSingleMetric("coatcheck_sessions_started_total") !== undefined) {
    throw new OptionError(
      "register",
      register,
      "it has these metrics already: give another registry for other sessions.",
    );
  }
  const registers = [register];
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name: `coatcheck_${name}_total`, help, labelNames, registers });

  const started = counter("sessions_started", "Sessions that were stored for the first time.");
  sessions.on("start", () => started.inc());
  const ended = counter("sessions_ended", "Sessions that ended, by the reason.", ["reason"]);
  sessions.on("end", ({ reason }) => ended.inc({ reason }));

  const counted = {
    conflict: counter("conflicts", "Writes that another request came before, and that were replayed over its state."),
    lastWriterWins: counter("last_writer_wins", "Writes to a store without compare-and-swap."),
    gone: counter("gone", "Changes that were dropped, since their session had ended meanwhile."),
    takeover: counter("lease_takeovers", "Leases taken over from requests that had stopped renewing them."),
    leaseLost: counter("leases_lost", "Requests that lost their lease, and whose write was refused."),
    forged: counter("forged_tickets", "Cookies that were turned away."),
    duplicateCookies: counter("duplicate_cookies", "Requests with several cookies of the session's name."),
    unreadable: counter("unreadable", "Records or values that could not be opened."),
  } as const;
  for (const [name, metric] of Object.entries(counted)) sessions.on(name as keyof typeof counted, () => metric.inc());

  const waits = new Histogram({
    name: "coatcheck_lock_wait_seconds",
    help: "How long requests in mode exclusive waited for their session.",
    buckets: BUCKETS,
    registers,
  });
  sessions.on("wait", ({ waited }) => waits.observe(waited / 1_000));

  const errors = counter("store_errors", "Calls to the store that failed.", ["operation"]);
  sessions.on("storeError", ({ operation }) => errors.inc({ operation }));
  const up = new Gauge({ name: "coatcheck_store_up", help: "0 while the store keeps failing.", registers });
  up.set(1);
  sessions.on("storeDown", () => up.set(0));
  sessions.on("storeUp", () => up.set(1));
  const skew = new Gauge({
    name: "coatcheck_clock_offset_seconds",
    help: "How far this server's clock is ahead of the store's, if that is more than a minute.",
    registers,
  });
  sessions.on("clockSkew", ({ offset }) => skew.set(offset / 1_000));

  const calls = new Histogram({
    name: "coatcheck_store_call_duration_seconds",
    help: "How long calls to the store took.",
    labelNames: ["operation", "outcome"],
    buckets: BUCKETS,
    registers,
  });
  subscribe("coatcheck:storeCall", (message) => {
    const { operation, duration, error } = message as ChannelEvents["storeCall"];
    calls.observe({ operation, outcome: error === undefined ? "ok" : "error" }, duration / 1_000);
  });

  const cacheReads = counter("cache_reads", "Reads of cached(), by whether memory had the session.", ["result"]);
  subscribe("coatcheck:cacheRead", (message) => {
    cacheReads.inc({ result: (message as ChannelEvents["cacheRead"]).hit ? "hit" : "miss" });
  });

  if (countEvery !== false) countAlive(sessions, milliseconds("countEvery", countEvery), registers);
}

function countAlive<Data extends object>(sessions: Sessions<Data>, every: number, registers: Registry[]): void {
  let countedAt = Number.NEGATIVE_INFINITY;
  new Gauge({
    name: "coatcheck_sessions_alive",
    help: "Sessions that were alive when they were last counted.",
    registers,
    async collect() {
      if (performance.now() - countedAt < every) return;
      try {
        this.set(await sessions.count());
        countedAt = performance.now();
      } catch (error) {
        if (!(error instanceof CoatcheckError)) throw error; // a scrape goes on without the store
      }
    },
  });
}
