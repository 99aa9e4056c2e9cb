// The header by which the load balancer tells the servers the state of the farm.
import type { IncomingMessage } from "node:http";
import type { FarmState } from "./state.ts";

const NAME = "x-farm";

export function farmHeader(state: FarmState): Record<string, string> {
  return { [NAME]: encodeURIComponent(JSON.stringify(state)) };
}

/** Undefined without a farm. */
export function farmOf({ headers }: IncomingMessage): FarmState | undefined {
  const header = headers[NAME];
  return header === undefined ? undefined : JSON.parse(decodeURIComponent(String(header)));
}
