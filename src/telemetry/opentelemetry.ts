// Spans and metrics of OpenTelemetry, after its semantic conventions.

import { subscribe } from "node:diagnostics_channel";
import { type Attributes, type Meter, metrics, SpanKind, SpanStatusCode, type Tracer, trace } from "@opentelemetry/api";
import type { ChannelEvents, Duration, Sessions } from "../index.ts";
import { milliseconds } from "../util/duration.ts";
import { checkNames, type OptionNames } from "../util/option-names.ts";

export interface OpenTelemetryOptions {
  /** Default: the global meter provider's, under the name "coatcheck". */
  meter?: Meter;
  /** Default: the global tracer provider's, under the name "coatcheck". */
  tracer?: Tracer;
  /**
   * Calls to the store that take at least this long have a span, and those that fail. A span takes the SDK three microseconds,
   * more than all the rest. Default: every call has one.
   */
  spansFrom?: Duration;
}

/** What is said of each call of an operation, made once. */
interface OperationAttributes {
  name: string;
  span: Attributes;
  /** Few, since the SDK sorts and joins them for each value. */
  metric: Attributes;
}

function attributesOf(operation: string): OperationAttributes {
  const metric = { "db.operation.name": operation };
  return { name: `${operation} sessions`, span: { ...metric, "db.collection.name": "sessions" }, metric };
}

const NAMES: OptionNames<OpenTelemetryOptions> = { meter: true, tracer: true, spansFrom: true };

/**
 * Reports to OpenTelemetry: `openTelemetry(sessions)`, after the SDK is set up.
 *
 * - Each call to the store is a value of `db.client.operation.duration`, and a span of kind client under the request's if that
 *   is recorded.
 * - `session.start` and `session.end` are events of the request's span, with the public id as `session.id`.
 * - Counters begin with `coatcheck.`: sessions started and ended, conflicts, dropped changes, forged tickets, lease takeovers,
 *   reads of `cached()`.
 *
 * Calls to stores are those of the whole process, so call it once, or with a tracer and a meter of their own.
 *
 * @throws OptionError if an option is misspelt, or `spansFrom` is no duration.
 * @see https://opentelemetry.io/docs/specs/semconv/database/database-metrics/
 * @see https://opentelemetry.io/docs/specs/semconv/general/session/
 */
export function openTelemetry<Data extends object>(sessions: Sessions<Data>, options: OpenTelemetryOptions = {}): void {
  checkNames("openTelemetry()", options, NAMES);
  const { meter = metrics.getMeter("coatcheck"), tracer = trace.getTracer("coatcheck") } = options;
  const spansFrom = options.spansFrom === undefined ? 0 : milliseconds("spansFrom", options.spansFrom);

  const durations = meter.createHistogram("db.client.operation.duration", {
    description: "How long calls to the store took.",
    unit: "s",
    advice: { explicitBucketBoundaries: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10] },
  });
  const operations = new Map<string, OperationAttributes>();
  subscribe("coatcheck:storeCall", (message) => {
    const { operation, duration, error } = message as ChannelEvents["storeCall"];
    let attributes = operations.get(operation);
    if (attributes === undefined) {
      attributes = attributesOf(operation);
      operations.set(operation, attributes);
    }
    const failure = error === undefined ? undefined : { "error.type": error instanceof Error ? error.name : "_OTHER" };
    durations.record(duration / 1_000, failure ? { ...attributes.metric, ...failure } : attributes.metric);
    if (duration < spansFrom && failure === undefined) return;
    // A span under one that is not recorded would not be, either, and its making is most of what this costs.
    if (trace.getActiveSpan()?.isRecording() === false) return;
    const endTime = Date.now();
    const span = tracer.startSpan(attributes.name, {
      kind: SpanKind.CLIENT,
      startTime: endTime - duration,
      attributes: failure ? { ...attributes.span, ...failure } : attributes.span,
    });
    if (failure !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end(endTime);
  });

  const cacheReads = meter.createCounter("coatcheck.cache.reads", {
    description: "Reads of cached(), by whether memory had the session.",
  });
  subscribe("coatcheck:cacheRead", (message) => {
    cacheReads.add(1, { "coatcheck.result": (message as ChannelEvents["cacheRead"]).hit ? "hit" : "miss" });
  });

  const started = meter.createCounter("coatcheck.sessions.started", { unit: "{session}" });
  sessions.on("start", ({ id }) => {
    started.add(1);
    trace.getActiveSpan()?.addEvent("session.start", { "session.id": id });
  });
  const ended = meter.createCounter("coatcheck.sessions.ended", { unit: "{session}" });
  sessions.on("end", ({ id, reason }) => {
    ended.add(1, { "coatcheck.reason": reason });
    trace.getActiveSpan()?.addEvent("session.end", { "session.id": id, "coatcheck.reason": reason });
  });

  const waits = meter.createHistogram("coatcheck.lock.wait", {
    description: "How long requests in mode exclusive waited for their session.",
    unit: "s",
  });
  sessions.on("wait", ({ waited }) => waits.record(waited / 1_000));

  const counters = {
    conflict: "coatcheck.conflicts",
    lastWriterWins: "coatcheck.last_writer_wins",
    gone: "coatcheck.gone",
    takeover: "coatcheck.lease.takeovers",
    leaseLost: "coatcheck.lease.lost",
    forged: "coatcheck.forged_tickets",
    duplicateCookies: "coatcheck.duplicate_cookies",
    unreadable: "coatcheck.unreadable",
  } as const;
  for (const [event, name] of Object.entries(counters)) {
    const counter = meter.createCounter(name);
    sessions.on(event as keyof typeof counters, () => counter.add(1));
  }
}
