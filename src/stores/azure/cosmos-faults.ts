import { CoatcheckError, StoreError } from "../../errors.ts";
import { tooLarge } from "./cosmos-item.ts";

export type Refusal = "missing" | "changed" | "exists";

/** What the client throws. */
export interface Failure {
  name?: string;
  message?: string;
  code?: number | string;
  substatus?: number;
  headers?: Record<string, unknown>;
}

export function isRefusal(refusal: Refusal, { code, substatus }: Failure): boolean {
  if (refusal === "changed") return code === 412;
  if (refusal === "exists") return code === 409;
  // With a substatus it is the container that is missing, or a replica that lags.
  return code === 404 && !substatus;
}

/** Faults of the connection and of a server that is busy or restarting. Timeouts and throttling are the client's. */
export function isPassing({ code, name }: Failure): boolean {
  return name === "RestError" || code === 503 || code === 449 || code === 410;
}

export function asStoreError(what: string, error: unknown, timeout: number): CoatcheckError {
  if (error instanceof CoatcheckError) return error;
  const { name, message, code, substatus } = error as Failure;
  if (name === "AbortError" || (name === "TimeoutError" && code !== "TimeoutError")) {
    return new StoreError(`coatcheck: Cosmos DB did not ${what} within ${timeout} ms`, error);
  }
  if (code === 413) return tooLarge(undefined, error);
  const reason = typeof code === "number" ? `${code}${substatus ? `, substatus ${substatus}` : ""}` : message;
  const throttled = code === 429 ? ". The container needs more throughput" : "";
  return new StoreError(`coatcheck: Cosmos DB failed to ${what}: ${reason}${throttled}`, error);
}
