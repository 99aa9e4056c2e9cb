// Classifies the errors of Cosmos DB, and converts them to those of coatcheck.

import { type CoatcheckError, StoreError, type StoreFailure, storeTimeoutError, toStoreError } from "../../errors.ts";
import { valueTooLarge } from "../shared/value-too-large.ts";

const SERVICE = "Cosmos DB";

/** The largest value. An item of 2 MiB holds it in base64, beside its other properties. */
export const MAX_VALUE_BYTES = 1_500_000;

/** How the service refuses a request: there is no such item, its condition does not hold, or it exists already. */
export type Refusal = "missing" | "changed" | "exists";

/** What a request does. The refusal of a patch whose condition never holds is read. */
export type Effect = "read" | "write";

/** Codes of Node's for a request that found no server. */
const NOT_SENT = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"];

/** Refusals that do not say whether the request was applied: a timeout, a partition that moves, a conflict inside. */
const UNCERTAIN = [408, 410, 449];

/** The substatus of 403 for a region that takes no writes, as the former one after a failover. */
const WRITE_FORBIDDEN = 3;

/** An error of the client. */
export interface ClientError {
  name?: string;
  message?: string;
  code?: number | string;
  substatus?: number;
  headers?: Record<string, unknown>;
}

export function isRefusal(refusal: Refusal, { code, substatus }: ClientError): boolean {
  if (refusal === "changed") return code === 412;
  if (refusal === "exists") return code === 409;
  // With a substatus it is the container that is missing, or a replica that lags.
  return code === 404 && !substatus;
}

/** True if the connection broke, or the service is busy or restarting. The client itself retries after throttling. */
export function isTransient({ code, name }: ClientError): boolean {
  return name === "RestError" || code === 503 || code === 449 || code === 410;
}

/** True if the request did not reach the service, or the service has refused it and so changed nothing. */
export function isCertainlyRefused({ code }: ClientError): boolean {
  if (typeof code !== "number") return NOT_SENT.includes(code ?? "");
  return code >= 400 && code < 500 && !UNCERTAIN.includes(code);
}

/**
 * The error that the store throws for a client's error.
 *
 * @param mayBeApplied whether the request, or an earlier one that it repeats, may have changed a session.
 */
export function toCosmosError(
  operation: string,
  error: unknown,
  timeout: number,
  effect: Effect,
  mayBeApplied: boolean,
): CoatcheckError {
  const { name, code, substatus } = error as ClientError;
  const refusesWrites = effect === "write" && code === 403 && substatus === WRITE_FORBIDDEN;
  const failure: StoreFailure = mayBeApplied ? {} : { applied: false, ...(refusesWrites && { refusesWrites }) };
  if (name === "AbortError" || (name === "TimeoutError" && code !== "TimeoutError")) {
    return new StoreError(storeTimeoutError(SERVICE, operation, timeout).message, error, failure);
  }
  if (code === 413) return tooLarge(undefined, error);
  const reason =
    code === 429 ? "429. Give the container more throughput" : typeof code === "number" && status(code, substatus);
  return toStoreError(SERVICE, operation, error, reason || undefined, failure);
}

/** The error for an answer to a read that the client does not throw. */
export function statusError(operation: string, code: number, substatus?: number): CoatcheckError {
  return toStoreError(SERVICE, operation, undefined, status(code, substatus), { applied: false });
}

/** The error of a read that comes after a write of unknown outcome: it says nothing of the write. */
export function ofUnknownOutcome(error: unknown): unknown {
  return error instanceof StoreError ? new StoreError(error.message, error.cause) : error;
}

export function tooLarge(bytes?: number, cause?: unknown): CoatcheckError {
  return valueTooLarge(`an item of ${SERVICE}`, MAX_VALUE_BYTES, bytes, cause);
}

/** The error for an operation that others kept getting ahead of. */
export function contentionError(operation: string, key: string, attempts: number): CoatcheckError {
  const reason = `session ${key} was changed by others during each of ${attempts} attempts`;
  return toStoreError(SERVICE, operation, undefined, reason);
}

function status(code: number, substatus: number | undefined): string {
  return substatus ? `${code}, substatus ${substatus}` : String(code);
}
