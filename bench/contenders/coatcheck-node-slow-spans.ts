// The contender: coatcheck on node:http, with OpenTelemetry, whose requests are recorded, but only slow calls have spans.
import { withTelemetry } from "./with-telemetry.ts";

export default withTelemetry("OpenTelemetry, spansFrom", async (sessions) => {
  const { turnOnOpenTelemetry } = await import("./opentelemetry.ts");
  return turnOnOpenTelemetry(sessions, { isRecorded: true, reports: true, spansFrom: "20ms" });
});
