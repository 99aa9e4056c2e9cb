// Turns OpenTelemetry on, with its SDK, for the contenders that have it.
import type { IncomingMessage, ServerResponse } from "node:http";
import { context, type Span, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  BatchSpanProcessor,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import type { Duration, Sessions } from "../../src/index.ts";
import { openTelemetry } from "../../src/telemetry/opentelemetry.ts";
import type { Fields } from "../session-data.ts";

type Handler = (req: IncomingMessage, res: ServerResponse) => unknown;

/** Sends nothing, since what an exporter costs is not ours. */
const nowhere: SpanExporter = {
  export: (_, done) => done({ code: 0 }),
  shutdown: async () => {},
};

/**
 * Each request runs in the context of one span, which is recorded or not. A span for each request is the business of the
 * framework's instrumentation, and would be measured with coatcheck's. `reports`: false for the same context without
 * coatcheck's spans and metrics, so that what it costs is not counted as theirs.
 */
export function turnOnOpenTelemetry(
  sessions: Sessions<Fields>,
  { isRecorded, reports, spansFrom }: { isRecorded: boolean; reports: boolean; spansFrom?: Duration },
): (handler: Handler) => Handler {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 60_000 });
  const tracers = new TracerProvider({
    sampler: new TraceIdRatioBasedSampler(Number(isRecorded)),
    spanProcessors: [new BatchSpanProcessor({ exporter: nowhere })],
  });
  const tracer = tracers.getTracer("bench");
  const meter = new MeterProvider({ readers: [reader] }).getMeter("bench");
  if (reports) openTelemetry(sessions, { meter, tracer, ...(spansFrom && { spansFrom }) });
  const request: Span = tracer.startSpan("request");
  const active = trace.setSpan(context.active(), request);
  return (handler) => (req, res) => context.with(active, handler, undefined, req, res);
}
