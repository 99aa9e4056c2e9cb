// Classifies the errors of SQLite.

import type { StoreFailure } from "../../errors.ts";
import { NOT_APPLIED, writesRefused } from "../shared/sql/errors.ts";

const SQLITE_ERROR = 1;
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_NOMEM = 7;
const SQLITE_READONLY = 8;
const SQLITE_INTERRUPT = 9;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_TOOBIG = 18;
const SQLITE_CONSTRAINT = 19;
const SQLITE_MISMATCH = 20;

/** After these, a statement has changed nothing. After an error of the disk, its change may still turn up. */
const REFUSALS = [SQLITE_ERROR, SQLITE_BUSY, SQLITE_LOCKED, SQLITE_TOOBIG, SQLITE_CONSTRAINT, SQLITE_MISMATCH];

/** Refusals that hold for every write, and not for reads. */
const WRITE_REFUSALS = [SQLITE_READONLY, SQLITE_FULL];

/** SQLite may have rolled the whole transaction back, and later statements would no longer be part of it. */
const ENDS_TRANSACTION = [SQLITE_BUSY, SQLITE_NOMEM, SQLITE_INTERRUPT, SQLITE_IOERR, SQLITE_CORRUPT, SQLITE_FULL];

/** The path of the open database leads to another file, or to none. What is written now is lost. */
export class LostFileError extends Error {
  constructor(path: string) {
    super(
      `the file ${path} was deleted, moved or replaced while it was open. Put it back, or restart the process to begin with an empty one`,
    );
  }
}

export function isSqliteError(error: unknown): error is { errcode: number } {
  return typeof (error as { errcode?: unknown } | null)?.errcode === "number";
}

/** True if another connection, of this process or another, holds the lock. */
export function isBusy(error: unknown): boolean {
  return hasCode(error, [SQLITE_BUSY, SQLITE_LOCKED]);
}

/** True if a transaction may have ended because one of its statements failed with this error. */
export function endsTransaction(error: unknown): boolean {
  return hasCode(error, ENDS_TRANSACTION);
}

export function isMissingTable(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("no such table");
}

/** What is known of an operation that failed with this error. */
export function failureOf(error: unknown, operation: string): StoreFailure {
  if (hasCode(error, WRITE_REFUSALS)) return writesRefused(operation);
  return hasCode(error, REFUSALS) ? NOT_APPLIED : {};
}

function hasCode(error: unknown, codes: number[]): boolean {
  // The low byte of an extended error code is its primary code.
  return isSqliteError(error) && codes.includes(error.errcode & 0xff);
}
