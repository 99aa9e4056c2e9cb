// The contender: coatcheck on node:http, with OpenTelemetry, whose requests are not recorded.
import { withTelemetry } from "./with-telemetry.ts";

export default withTelemetry("OpenTelemetry, not sampled", async (sessions) => {
  const { turnOnOpenTelemetry } = await import("./opentelemetry.ts");
  return turnOnOpenTelemetry(sessions, { isRecorded: false, reports: true });
});
