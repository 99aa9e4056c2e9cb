// The contender: coatcheck on node:http, with OpenTelemetry, whose requests are recorded.
import { withTelemetry } from "./with-telemetry.ts";

export default withTelemetry("OpenTelemetry", async (sessions) => {
  const { turnOnOpenTelemetry } = await import("./opentelemetry.ts");
  return turnOnOpenTelemetry(sessions, { isRecorded: true, reports: true });
});
