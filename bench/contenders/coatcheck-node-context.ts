// The contender: coatcheck on node:http, in a context of OpenTelemetry to which it reports nothing.
import { withTelemetry } from "./with-telemetry.ts";

export default withTelemetry("in a context of OpenTelemetry", async (sessions) => {
  const { turnOnOpenTelemetry } = await import("./opentelemetry.ts");
  return turnOnOpenTelemetry(sessions, { isRecorded: true, reports: false });
});
