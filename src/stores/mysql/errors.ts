// Classifies the errors of MySQL.

import type { StoreFailure } from "../../errors.ts";
import { NOT_APPLIED, writesRefused } from "../shared/sql/errors.ts";

const ER_CHECKREAD = 1020;
const ER_DISK_FULL = 1021;
const ER_UNKNOWN_COM_ERROR = 1047;
const ER_SERVER_SHUTDOWN = 1053;
const ER_DUP_ENTRY = 1062;
const ER_RECORD_FILE_FULL = 1114;
const ER_TABLEACCESS_DENIED_ERROR = 1142;
const ER_NO_SUCH_TABLE = 1146;
const ER_LOCK_WAIT_TIMEOUT = 1205;
const ER_LOCK_DEADLOCK = 1213;
const ER_OPTION_PREVENTS_STATEMENT = 1290;
const ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION = 1792;
const ER_READ_ONLY_MODE = 1836;
const ER_CONNECTION_KILLED = 1927;

/** The server is a replica, or has been made read-only. Aurora's former writer answers so after a failover. */
const READ_ONLY = [ER_OPTION_PREVENTS_STATEMENT, ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION, ER_READ_ONLY_MODE];

/** Refusals that hold for every write, and not for reads. */
const WRITE_REFUSALS = [...READ_ONLY, ER_DISK_FULL, ER_RECORD_FILE_FULL, ER_TABLEACCESS_DENIED_ERROR];

/** Refusals of one statement, which the server has undone. */
const REFUSALS = [ER_CHECKREAD, ER_UNKNOWN_COM_ERROR, ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK];

/** The server ends the connection or, as a node that a Galera Cluster has cut off, answers nothing else on it. */
const ENDS_CONNECTION = [ER_UNKNOWN_COM_ERROR, ER_SERVER_SHUTDOWN, ER_CONNECTION_KILLED];

/**
 * True if the server rolled a statement back because of others, so that it may be run again. MariaDB reports
 * `ER_CHECKREAD` for a row that has changed since the transaction read it.
 */
export function isDeadlock(error: unknown): boolean {
  return errnoOf(error) === ER_LOCK_DEADLOCK || errnoOf(error) === ER_CHECKREAD;
}

export function isDuplicateKey(error: unknown): boolean {
  return errnoOf(error) === ER_DUP_ENTRY;
}

export function isMissingTable(error: unknown): boolean {
  return errnoOf(error) === ER_NO_SUCH_TABLE;
}

/** True if the server takes no writes. */
export function isReadOnly(error: unknown): boolean {
  return READ_ONLY.includes(errnoOf(error)!);
}

/** True if the server sent the error, so that the connection can be used again. False if the connection is broken or late. */
export function isServerAnswer(error: unknown): boolean {
  return (error as { sqlState?: string } | null)?.sqlState !== undefined && !ENDS_CONNECTION.includes(errnoOf(error)!);
}

/**
 * True for a StoreError that says that the server refused a statement for its data, a constraint or its syntax, rolled it
 * back, and keeps running. Other errors may also come after a change was applied.
 */
export function isRefusal(error: unknown): boolean {
  return isRefusedStatement((error as { cause?: unknown }).cause);
}

/** What is known of an operation whose statement failed with this error. */
export function failureOf(error: unknown, operation: string): StoreFailure {
  const errno = errnoOf(error)!;
  if (WRITE_REFUSALS.includes(errno)) return writesRefused(operation);
  return REFUSALS.includes(errno) || isRefusedStatement(error) ? NOT_APPLIED : {};
}

function isRefusedStatement(error: unknown): boolean {
  return /^(22|23|42)/.test((error as { sqlState?: string } | null)?.sqlState ?? "");
}

/** The server's error number. A StoreError has it in its cause. */
function errnoOf(error: unknown): number | undefined {
  const { errno, cause } = (error ?? {}) as { errno?: number; cause?: { errno?: number } };
  return errno ?? cause?.errno;
}
