// Classifies the errors of PostgreSQL.

import type { StoreFailure } from "../../errors.ts";
import { NOT_APPLIED, writesRefused } from "../shared/sql/errors.ts";

const READ_ONLY_TRANSACTION = "25006";
const SERIALIZATION_FAILURE = "40001";
const DEADLOCK_DETECTED = "40P01";
const INSUFFICIENT_PRIVILEGE = "42501";
const UNDEFINED_TABLE = "42P01";
const DISK_FULL = "53100";

/** Refusals that hold for every write, and not for reads. */
const WRITE_REFUSALS = [READ_ONLY_TRANSACTION, INSUFFICIENT_PRIVILEGE, DISK_FULL];

/** Errors that end the connection, whatever language the server writes their severity in. */
const ENDS_CONNECTION = /^(08|57P|25P03|25P04)/;

/** True if the server rolled a statement back because of others, so that it may be run again. */
export function isDeadlock(error: unknown): boolean {
  // Under stricter isolation levels, the second one stands where the default level would have gone on.
  return [DEADLOCK_DETECTED, SERIALIZATION_FAILURE].includes(codeOf(error) ?? "");
}

export function isMissingTable(error: unknown): boolean {
  return codeOf(error) === UNDEFINED_TABLE;
}

/** True if the server takes no writes: it is a standby, or has been made read-only. */
export function isReadOnly(error: unknown): boolean {
  return codeOf(error) === READ_ONLY_TRANSACTION;
}

/**
 * True if the server itself refused a statement, and the connection can be used again. The server has undone the statement,
 * since each one is a transaction of its own.
 */
export function isServerAnswer(error: unknown): boolean {
  const { code, severity } = (error ?? {}) as { code?: string; severity?: string };
  if (code === undefined || severity === undefined) return false;
  return !["FATAL", "PANIC"].includes(severity) && !ENDS_CONNECTION.test(code);
}

/** True for a StoreError that says that the server refused a statement, rolled it back, and keeps running. */
export function isRefusal(error: unknown): boolean {
  return isServerAnswer((error as { cause?: unknown }).cause);
}

/** What is known of an operation whose statement failed with this error. */
export function failureOf(error: unknown, operation: string): StoreFailure {
  if (WRITE_REFUSALS.includes(codeOf(error) ?? "")) return writesRefused(operation);
  return isServerAnswer(error) ? NOT_APPLIED : {};
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string } | null)?.code;
}
