// The contender: coatcheck on node:http, with Prometheus.
import { withTelemetry } from "./with-telemetry.ts";

export default withTelemetry("Prometheus", async (sessions) => {
  const { prometheus } = await import("../../src/telemetry/prometheus.ts");
  prometheus(sessions);
  return (handler) => handler;
});
