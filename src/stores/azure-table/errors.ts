// Classifies the errors of Azure Table storage, and converts them to those of coatcheck.

import { type CoatcheckError, StoreError, type StoreFailure, storeTimeoutError, toStoreError } from "../../errors.ts";
import { valueTooLarge } from "../shared/value-too-large.ts";

const SERVICE = "Azure Table storage";

/** The largest property of an entity. */
export const CHUNK_BYTES = 65_536;

/** The largest value. An entity of 1 MiB holds it beside its keys, names and owner. */
export const MAX_VALUE_BYTES = 15 * CHUNK_BYTES;

/** Operations that change a session. A row of an index is none. */
const WRITES = ["create", "update", "delete", "touch"];

/** Codes of the service for an account that may not write, or a region that takes no writes. Reads may go on. */
const WRITE_REFUSALS = ["AuthorizationPermissionMismatch", "InsufficientAccountPermissions"];

/** Codes of Node's for a request that found no server. */
const NOT_SENT = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"];

/** How the service refuses a request: there is no such entity, its ETag differs, or it exists already. */
export type Refusal = "missing" | "changed" | "exists";

/** An error of the client. The service and its emulator put the error code into different properties. */
export interface ClientError {
  name?: string;
  code?: string;
  statusCode?: number;
  message?: string;
  details?: { errorCode?: string; odataError?: { code?: string } };
}

export function isRefusal(refusal: Refusal, error: unknown): boolean {
  const { statusCode } = error as ClientError;
  if (refusal === "changed") return statusCode === 412;
  // The code matters: 404 may also be a missing table, and 409 a table that is being deleted.
  if (refusal === "exists") return statusCode === 409 && codeOf(error) === "EntityAlreadyExists";
  return statusCode === 404 && ["ResourceNotFound", "EntityNotFound"].includes(codeOf(error) ?? "");
}

/** True if the connection broke, or the service is busy, restarting or overloaded. */
export function isTransient(error: unknown): boolean {
  const { statusCode, name } = error as ClientError;
  if (statusCode === undefined) return name === "RestError";
  return statusCode === 408 || statusCode === 429 || statusCode >= 500;
}

/** True if the request did not reach the service, or the service has refused it and so changed nothing. */
export function isCertainlyRefused(error: unknown): boolean {
  const { statusCode, code } = error as ClientError;
  if (statusCode === undefined) return NOT_SENT.includes(code ?? "");
  return statusCode >= 400 && statusCode < 500 && statusCode !== 408;
}

/**
 * The error that the store throws for a client's error.
 *
 * @param mayBeApplied whether the request, or an earlier one that it repeats, may have been applied.
 */
export function toTableError(
  operation: string,
  error: unknown,
  timeout: number,
  mayBeApplied: boolean,
): CoatcheckError {
  const { name, statusCode } = error as ClientError;
  const failure = failureOf(operation, error, mayBeApplied);
  if (name === "AbortError" || name === "TimeoutError") {
    return new StoreError(storeTimeoutError(SERVICE, operation, timeout).message, error, failure);
  }
  const code = codeOf(error);
  if (statusCode === 413 || code === "EntityTooLarge" || code === "RequestBodyTooLarge")
    return tooLarge(undefined, error);
  const reason = statusCode === undefined ? undefined : [statusCode, code].filter(Boolean).join(" ");
  return toStoreError(SERVICE, operation, error, reason, failure);
}

/** The error of a read that comes after a write of unknown outcome: it says nothing of the write. */
export function ofUnknownOutcome(error: unknown): unknown {
  return error instanceof StoreError ? new StoreError(error.message, error.cause) : error;
}

function failureOf(operation: string, error: unknown, mayBeApplied: boolean): StoreFailure {
  const isWrite = WRITES.includes(operation);
  if (isWrite && mayBeApplied) return {};
  const refusesWrites = isWrite && WRITE_REFUSALS.includes(codeOf(error) ?? "");
  return refusesWrites ? { applied: false, refusesWrites: true } : { applied: false };
}

export function tooLarge(bytes?: number, cause?: unknown): CoatcheckError {
  return valueTooLarge(`an entity of ${SERVICE}`, MAX_VALUE_BYTES, bytes, cause);
}

/** The error for an operation that others kept getting ahead of. */
export function contentionError(operation: string, key: string, attempts: number): CoatcheckError {
  const reason = `session ${key} was changed by others during each of ${attempts} attempts`;
  return toStoreError(SERVICE, operation, undefined, reason);
}

function codeOf(error: unknown): string | undefined {
  const { code, details, message } = error as ClientError;
  return details?.odataError?.code ?? details?.errorCode ?? /"code":\s*"(\w+)"/.exec(message ?? "")?.[1] ?? code;
}
