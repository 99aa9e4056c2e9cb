// Numbers of telemetry, against counts that the test takes on its own.

import assert from "node:assert/strict";
import { channel, subscribe, unsubscribe } from "node:diagnostics_channel";
import { EventEmitter } from "node:events";
import { afterEach, beforeEach, describe, test } from "node:test";
import { context, SpanStatusCode, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  AlwaysOnSampler,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { Registry } from "prom-client";
import { OptionError, type Sessions, StoreError } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { logTo } from "../../src/telemetry/log.ts";
import { openTelemetry } from "../../src/telemetry/opentelemetry.ts";
import { prometheus } from "../../src/telemetry/prometheus.ts";
import { Browser } from "../support/browser.ts";
import { setUp } from "../support/set-up.ts";

/** Makes a known number of everything. */
async function act({ sessions, store, browser }: ReturnType<typeof setUp>): Promise<void> {
  await browser.request((session) => session.set("n", 0));
  for (let i = 0; i < 3; i++) await new Browser(sessions).request((session) => session.set("n", i));
  const [one, other] = [await browser.open(), await browser.open()];
  one.update("n", (n) => (n as number) + 1);
  other.update("n", (n) => (n as number) + 1);
  // From two processes: no shared queue.
  await one.save();
  await one.commit();
  await other.commit();
  const leaver = new Browser(sessions);
  await leaver.request((session) => session.set("n", 1));
  await leaver.request((session) => session.destroy());
  await sessions.open(`__Host-sid=${"A".repeat(40)}`);
  store.before = () => {
    throw new Error("on purpose");
  };
  await assert.rejects(browser.open());
  store.before = undefined;
}

/** What has the events of sessions, as often and with such values as a test wants. */
function makeEvents(): { sessions: Sessions; emit(event: string, fields?: object): void } {
  const emitter = new EventEmitter();
  const on = (event: string, listener: (fields: object) => void) => {
    emitter.on(event, listener);
    return () => emitter.off(event, listener);
  };
  return { sessions: { on } as unknown as Sessions, emit: (event, fields = {}) => void emitter.emit(event, fields) };
}

const storeCall = channel("coatcheck:storeCall");
const cacheRead = channel("coatcheck:cacheRead");

describe("diagnostics channels", () => {
  test("report each call to the store, and each event", async () => {
    const calls: { operation: string; duration: number; error?: unknown }[] = [];
    const ends: unknown[] = [];
    const onCall = (message: unknown) => void calls.push(message as never);
    const onEnd = (message: unknown) => void ends.push(message);
    subscribe("coatcheck:storeCall", onCall);
    subscribe("coatcheck:end", onEnd);
    try {
      const made = setUp();
      await act(made);
      const asked = made.store.calls.filter((operation) => operation !== "claimExpired");
      assert.deepEqual(calls.map(({ operation }) => operation).sort(), [...asked].sort());
      assert.ok(calls.every(({ duration }) => duration >= 0 && duration < 10_000));
      assert.ok(calls.some(({ error }) => error instanceof StoreError));
      assert.equal(ends.length, 1);
    } finally {
      unsubscribe("coatcheck:storeCall", onCall);
      unsubscribe("coatcheck:end", onEnd);
    }
  });
});

describe("Prometheus", () => {
  test("counts what happened", async () => {
    const made = setUp();
    const register = new Registry();
    prometheus(made.sessions, { register, countEvery: 1 });
    const before = made.store.calls.length;
    await act(made);
    const calls = made.store.calls.length - before;
    const value = async (name: string, labels: Record<string, string> = {}) => {
      const { values } = await register.getSingleMetric(`coatcheck_${name}`)!.get();
      const matching = values.filter((one) =>
        Object.entries(labels).every(([label, wanted]) => one.labels[label as never] === wanted),
      );
      return matching.reduce((sum, one) => sum + one.value, 0);
    };
    assert.equal(await value("sessions_started_total"), 5);
    assert.equal(await value("sessions_ended_total", { reason: "destroyed" }), 1);
    assert.equal(await value("forged_tickets_total"), 1);
    assert.ok((await value("store_errors_total", { operation: "read" })) >= 1);
    assert.equal(await value("store_up"), 1);
    const text = await register.metrics();
    const counts = [...text.matchAll(/^coatcheck_store_call_duration_seconds_count\{.*\} (\d+)$/gm)];
    assert.equal(
      counts.reduce((sum, [, count]) => sum + Number(count), 0),
      calls,
    );
    assert.match(text, /^coatcheck_sessions_alive 4$/m);
    assert.throws(() => prometheus(made.sessions, { register }), OptionError);
    assert.throws(() => prometheus(made.sessions, { registry: register } as never), /register/);
  });

  test("a scrape goes on while the store is down", async () => {
    const made = setUp();
    const register = new Registry();
    prometheus(made.sessions, { register, countEvery: 1 });
    let asked = 0;
    made.sessions.count = async () => {
      asked++;
      throw new StoreError("coatcheck: the store is down, on purpose");
    };
    assert.match(await register.metrics(), /coatcheck_store_errors_total/);
    assert.equal(asked, 1);
  });

  test("has times in seconds, the state of the store, and what each call and read was", async () => {
    const { sessions, emit } = makeEvents();
    const register = new Registry();
    prometheus(sessions, { register });
    const lines = async () => (await register.metrics()).split("\n").filter((line) => !line.startsWith("#"));
    emit("wait", { waited: 1_500 });
    emit("clockSkew", { offset: 90_000 });
    emit("storeDown");
    storeCall.publish({ operation: "probe", duration: 250 });
    storeCall.publish({ operation: "probe", duration: 750, error: new Error("on purpose") });
    for (const hit of [true, true, false]) cacheRead.publish({ hit });
    const found = await lines();
    for (const line of [
      "coatcheck_lock_wait_seconds_sum 1.5",
      "coatcheck_clock_offset_seconds 90",
      "coatcheck_store_up 0",
      'coatcheck_store_call_duration_seconds_sum{operation="probe",outcome="ok"} 0.25',
      'coatcheck_store_call_duration_seconds_sum{operation="probe",outcome="error"} 0.75',
      'coatcheck_cache_reads_total{result="hit"} 2',
      'coatcheck_cache_reads_total{result="miss"} 1',
    ]) {
      assert.ok(found.includes(line), `${line} is not in:\n${found.join("\n")}`);
    }
    emit("storeUp");
    assert.ok((await lines()).includes("coatcheck_store_up 1"));
  });
});

describe("OpenTelemetry", () => {
  const spans = new InMemorySpanExporter();
  const tracers = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spans })] });
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const meters = new MeterProvider({ readers: [reader] });

  beforeEach(() => context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()));
  afterEach(async () => {
    context.disable();
    spans.reset();
    await meters.shutdown();
  });

  test("has a span for each call under the request's span, and values that agree", async () => {
    const made = setUp();
    const tracer = tracers.getTracer("test");
    openTelemetry(made.sessions, { tracer, meter: meters.getMeter("test") });
    const before = made.store.calls.length;
    await tracer.startActiveSpan("request", async (span) => {
      await act(made);
      span.end();
    });
    const calls = made.store.calls.length - before;
    const finished = spans.getFinishedSpans();
    const request = finished.find(({ name }) => name === "request")!;
    const ofStore = finished.filter(({ name }) => name !== "request");
    assert.equal(ofStore.length, calls);
    assert.ok(ofStore.every(({ parentSpanContext }) => parentSpanContext?.spanId === request.spanContext().spanId));
    assert.equal(request.events.filter(({ name }) => name === "session.start").length, 5);
    const [end] = request.events.filter(({ name }) => name === "session.end");
    assert.match(String(end!.attributes!["session.id"]), /^[\w-]{24}$/);

    await meters.forceFlush();
    const metrics = exporter
      .getMetrics()
      .at(-1)!
      .scopeMetrics.flatMap(({ metrics }) => metrics);
    const named = (name: string) =>
      metrics.find(({ descriptor }) => descriptor.name === name)!.dataPoints as unknown as { value: never }[];
    assert.equal(named("coatcheck.sessions.started")[0]!.value, 5);
    const durations = named("db.client.operation.duration") as unknown as { value: { count: number } }[];
    assert.equal(
      durations.reduce((sum, { value }) => sum + value.count, 0),
      calls,
    );
  });

  test("makes no span under a request that is not recorded, and counts all the same", async () => {
    const made = setUp();
    const own = new PeriodicExportingMetricReader({
      exporter: new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE),
      exportIntervalMillis: 3_600_000,
    });
    const provider = new MeterProvider({ readers: [own] });
    // This one would record whatever is around it.
    const always = new TracerProvider({
      sampler: new AlwaysOnSampler(),
      spanProcessors: [new SimpleSpanProcessor({ exporter: spans })],
    });
    openTelemetry(made.sessions, { tracer: always.getTracer("unsampled"), meter: provider.getMeter("unsampled") });
    const never = new TracerProvider({ sampler: new TraceIdRatioBasedSampler(0) }).getTracer("requests");
    const before = made.store.calls.length;
    await never.startActiveSpan("request", async (span) => {
      await act(made);
      span.end();
    });
    const named = spans
      .getFinishedSpans()
      .filter(({ instrumentationScope }) => instrumentationScope.name === "unsampled");
    assert.deepEqual(named, []);
    const { resourceMetrics } = await own.collect();
    const durations = resourceMetrics.scopeMetrics
      .flatMap(({ metrics }) => metrics)
      .find(({ descriptor }) => descriptor.name === "db.client.operation.duration")!;
    const counts = durations.dataPoints.map(({ value }) => (value as { count: number }).count);
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      made.store.calls.length - before,
    );
    await provider.shutdown();
  });

  test("has times in seconds, failures with their type, and what each read of the cache was", async () => {
    const { sessions, emit } = makeEvents();
    const own = new PeriodicExportingMetricReader({
      exporter: new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE),
      exportIntervalMillis: 3_600_000,
    });
    const provider = new MeterProvider({ readers: [own] });
    openTelemetry(sessions, { tracer: tracers.getTracer("units"), meter: provider.getMeter("units") });
    emit("wait", { waited: 1_500 });
    storeCall.publish({ operation: "probe", duration: 250 });
    storeCall.publish({ operation: "probe", duration: 250, error: new RangeError("on purpose") });
    storeCall.publish({ operation: "probe", duration: 250, error: "on purpose" });
    for (const hit of [true, true, false]) cacheRead.publish({ hit });
    const { resourceMetrics } = await own.collect();
    const points = (name: string) =>
      resourceMetrics.scopeMetrics
        .flatMap(({ metrics }) => metrics)
        .find(({ descriptor }) => descriptor.name === name)!
        .dataPoints.map(({ attributes, value }) => [attributes, (value as { sum?: number }).sum ?? value]);
    assert.deepEqual(points("coatcheck.lock.wait"), [[{}, 1.5]]);
    const probe = { "db.operation.name": "probe" };
    assert.deepEqual(points("db.client.operation.duration"), [
      [probe, 0.25],
      [{ ...probe, "error.type": "RangeError" }, 0.25],
      [{ ...probe, "error.type": "_OTHER" }, 0.25],
    ]);
    assert.deepEqual(points("coatcheck.cache.reads"), [
      [{ "coatcheck.result": "hit" }, 2],
      [{ "coatcheck.result": "miss" }, 1],
    ]);
    const found = spans.getFinishedSpans().filter(({ instrumentationScope }) => instrumentationScope.name === "units");
    assert.deepEqual(
      found.map(({ status, duration, attributes }) => [status.code, duration, attributes["error.type"]]),
      [
        [SpanStatusCode.UNSET, [0, 250_000_000], undefined],
        [SpanStatusCode.ERROR, [0, 250_000_000], "RangeError"],
        [SpanStatusCode.ERROR, [0, 250_000_000], "_OTHER"],
      ],
    );
    await provider.shutdown();
  });

  test("with spansFrom, only slow calls and failures have a span, and all count", async () => {
    const { sessions } = makeEvents();
    const own = new PeriodicExportingMetricReader({
      exporter: new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE),
      exportIntervalMillis: 3_600_000,
    });
    const provider = new MeterProvider({ readers: [own] });
    const tracer = tracers.getTracer("slow");
    openTelemetry(sessions, { tracer, meter: provider.getMeter("slow"), spansFrom: "20ms" });
    for (const duration of [19.9, 20, 21]) storeCall.publish({ operation: "probe", duration });
    storeCall.publish({ operation: "probe", duration: 1, error: new RangeError("on purpose") });
    const found = spans.getFinishedSpans().filter(({ instrumentationScope }) => instrumentationScope.name === "slow");
    assert.deepEqual(
      found.map(({ status, duration: [, nanoseconds] }) => [status.code, nanoseconds]),
      [
        [SpanStatusCode.UNSET, 20_000_000],
        [SpanStatusCode.UNSET, 21_000_000],
        [SpanStatusCode.ERROR, 1_000_000],
      ],
    );
    const { resourceMetrics } = await own.collect();
    const counts = resourceMetrics.scopeMetrics
      .flatMap(({ metrics }) => metrics)
      .filter(({ descriptor }) => descriptor.name === "db.client.operation.duration")
      .flatMap(({ dataPoints }) => dataPoints.map(({ value }) => (value as { count: number }).count));
    assert.deepEqual(counts, [3, 1]); // those that failed have a type
    await provider.shutdown();
    assert.throws(
      () => openTelemetry(sessions, { spansFrom: "soon" as never }),
      (error: Error) => error instanceof OptionError && /spansFrom/.test(error.message) && /soon/.test(error.message),
    );
  });

  test("without an SDK it does nothing, and breaks nothing", async () => {
    const made = setUp();
    openTelemetry(made.sessions);
    await act(made);
    assert.equal(trace.getActiveSpan(), undefined);
  });
});

describe("logs", () => {
  for (const shape of ["pino", "console"]) {
    test(`to a logger of the shape of ${shape}: no value and no ticket`, async () => {
      const made = setUp();
      const lines: [level: string, text: string][] = [];
      const write =
        (level: string) =>
        (...parts: unknown[]) =>
          void lines.push([level, JSON.stringify(parts)]);
      const logger = {
        info: write("info"),
        warn: write("warn"),
        error: write("error"),
        ...(shape === "pino" && { child() {} }),
      };
      const stop = logTo(made.sessions, logger);
      await made.browser.request((session) => session.set("card", "4111 1111 1111 1111"));
      const ticket = made.browser.cookie!.split("=")[1]!;
      await act(made);
      await made.browser.request((session) => session.destroy());
      const all = JSON.stringify(lines);
      assert.doesNotMatch(all, /4111/);
      assert.ok(!all.includes(ticket));
      assert.ok(lines.some(([level, text]) => level === "info" && /session ended/.test(text)));
      assert.ok(lines.some(([level, text]) => level === "warn" && /a call to the store failed/.test(text)));
      const count = lines.length;
      stop();
      await new Browser(made.sessions).request((session) => session.set("n", 1));
      assert.equal(lines.length, count);
    });
  }
});

test("logs: pino gets the fields first, console the message, each with the level of the event", () => {
  for (const shape of ["pino", "console"]) {
    const { sessions, emit } = makeEvents();
    const calls: unknown[][] = [];
    const logger = {
      info: (...parts: unknown[]) => void calls.push(["info", ...parts]),
      warn: (...parts: unknown[]) => void calls.push(["warn", ...parts]),
      error: (...parts: unknown[]) => void calls.push(["error", ...parts]),
      ...(shape === "pino" && { child() {} }),
    };
    logTo(sessions, logger);
    emit("storeDown", { error: "on purpose" });
    emit("storeUp");
    const [down, up] = [{ error: "on purpose", event: "storeDown" }, { event: "storeUp" }];
    const inOrder = (fields: object, message: string) => (shape === "pino" ? [fields, message] : [message, fields]);
    assert.deepEqual(calls, [
      ["error", ...inOrder(down, "the store is down")],
      ["info", ...inOrder(up, "the store is up again")],
    ]);
  }
});

describe("health()", () => {
  test("is up, or down with the reason", async () => {
    const { sessions, store } = setUp({ storeTimeout: 200 });
    const up = await sessions.health();
    assert.equal(up.status, "up");
    assert.ok(up.latency >= 0);
    store.before = () => {
      throw new Error("on purpose");
    };
    const down = await sessions.health();
    assert.equal(down.status, "down");
    assert.ok(down.error instanceof StoreError);
    store.before = () => new Promise(() => {});
    assert.equal((await sessions.health()).status, "down");
  });

  test("of a store in this process", async () => {
    const { sessions } = setUp({ store: memory() });
    assert.equal((await sessions.health()).status, "up");
  });
});
