// Classifies the errors of SQL Server, and converts them to those of coatcheck.

import { type CoatcheckError, reasonOf, type StoreFailure, toStoreError } from "../../errors.ts";
import { missingTable, NOT_APPLIED, writesRefused } from "../shared/sql/errors.ts";
import type { TableNames } from "../shared/sql/table.ts";

/** The server's name, for messages. */
export const SERVICE = "SQL Server";

const INVALID_OBJECT_NAME = 208;
const DUPLICATE_INDEX_KEY = 2601;
const DUPLICATE_CONSTRAINT_KEY = 2627;

/** A deadlock, and a conflict under snapshot isolation. */
const ROLLED_BACK_FOR_OTHERS = [1205, 3960];

/** The server is a replica, or was the primary before a failover. */
const READ_ONLY_DATABASE = 3906;

/** Every write is refused, and the database still answers reads: it is read-only, full, or over its quota. */
const REFUSES_WRITES = [READ_ONLY_DATABASE, 1101, 1105, 9002, 40544];

/** The database is not available on this server: it is starting, failing over, or elsewhere. */
const NOT_AVAILABLE = [922, 927, 952, 976, 978, 979, 982, 983, 40613];

/** The statement was refused before it changed anything: permissions, limits, locks. */
const REFUSED = [229, 262, 916, 1222, 4060, 10928, 10929, 18456, INVALID_OBJECT_NAME, ...ROLLED_BACK_FOR_OTHERS];

/** Errors of this class and above end the connection. */
const MIN_FATAL_CLASS = 20;

/** What the store reads of a client's error. */
interface ClientError {
  name?: string;
  message?: string;
  number?: number;
  class?: number;
  /** Errors that the server has sent before this one. The last is often a general one. */
  precedingErrors?: ClientError[];
  /** What the client's own error wraps. One without a message has several. */
  originalError?: { errors?: unknown[] };
}

/** True if the server rolled a statement back because of others, so that it may be run again. */
export function isDeadlock(error: unknown): boolean {
  return hasNumber(error, ROLLED_BACK_FOR_OTHERS);
}

export function isDuplicateKey(error: unknown): boolean {
  return hasNumber(error, [DUPLICATE_INDEX_KEY, DUPLICATE_CONSTRAINT_KEY]);
}

/** True for an error that says that the server refused a statement, rolled it back, and keeps the connection. */
export function isRefusal(error: unknown): boolean {
  const { number, class: severity, cause } = (error ?? {}) as ClientError & { cause?: unknown };
  if (number === undefined) return cause !== undefined && isRefusal(cause);
  return severity === undefined || severity < MIN_FATAL_CLASS;
}

/** True if another server may have become the primary, so that it is time to connect again. */
export function callsForReconnection(error: unknown): boolean {
  return hasNumber(error, [READ_ONLY_DATABASE, ...NOT_AVAILABLE]);
}

/** The error that the store throws for a client's error. */
export function toMssqlError(operation: string, error: unknown, { label }: TableNames): CoatcheckError {
  const reason = hasNumber(error, [INVALID_OBJECT_NAME]) ? missingTable(label) : reasonFor(error as ClientError);
  return toStoreError(SERVICE, operation, error, reason, failureOf(operation, error));
}

function failureOf(operation: string, error: unknown): StoreFailure {
  if (hasNumber(error, REFUSES_WRITES)) return writesRefused(operation);
  const isRefused = hasNumber(error, [...NOT_AVAILABLE, ...REFUSED, DUPLICATE_INDEX_KEY, DUPLICATE_CONSTRAINT_KEY]);
  return isRefused || wasNotSent(error) ? NOT_APPLIED : {};
}

/** True if there was no connection for the statement. The error of a connection that breaks under it has another name. */
function wasNotSent(error: unknown): boolean {
  return (error as ClientError)?.name === "ConnectionError" || error?.constructor?.name === "TimeoutError";
}

/** The first of the server's errors says what is wrong; those after it say what failed because of it. */
function reasonFor(error: ClientError): string {
  const causes = error?.precedingErrors ?? [];
  const texts = [...causes, error].map((cause) => {
    const parts = cause?.message ? [] : (cause?.originalError?.errors ?? []);
    return parts.length === 0 ? reasonOf(cause) : parts.map(reasonOf).join(" ");
  });
  return [...new Set(texts)].join(" ");
}

function hasNumber(error: unknown, numbers: number[]): boolean {
  return numbersOf(error).some((number) => numbers.includes(number));
}

/** The server's error numbers. A StoreError has them in its cause. */
function numbersOf(error: unknown): number[] {
  const { number, precedingErrors = [], cause } = (error ?? {}) as ClientError & { cause?: unknown };
  if (number === undefined) return cause === undefined ? [] : numbersOf(cause);
  return [...precedingErrors.flatMap(numbersOf), number];
}
