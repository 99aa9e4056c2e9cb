// How the SQL stores treat errors of the database.

import { type CoatcheckError, StoreError, type StoreFailure, toStoreError } from "../../../errors.ts";

const MAX_ATTEMPTS = 3;

/** Operations that change nothing, by their names in messages. */
const READS = ["read", "list", "give its time"];

/** Nothing was sent, or the database has undone what it did. */
export const NOT_APPLIED: StoreFailure = { applied: false };

/** The error for an operation that sent nothing, since there was no connection. */
export function notSent(store: string, operation: string, cause: unknown, reason?: string): CoatcheckError {
  const error = toStoreError(store, operation, cause, reason);
  return error instanceof StoreError ? Object.assign(error, NOT_APPLIED) : error;
}

/** What a store knows of an operation that the database refused for a reason that holds for writes only. */
export function writesRefused(operation: string): StoreFailure {
  return READS.includes(operation) ? NOT_APPLIED : { applied: false, refusesWrites: true };
}

/**
 * Runs a statement, up to three times if the database rolled it back to end a deadlock. A statement that was rolled back
 * has changed nothing, so it is safe to repeat.
 */
export async function retryOnDeadlock<Result>(
  isDeadlock: (error: unknown) => boolean,
  run: () => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || !isDeadlock(error)) throw error;
    }
  }
}

/** The reason in the message of a StoreError if the sessions' table does not exist. */
export function missingTable(table: string): string {
  return `there is no table ${table}. Pass createTable: true, or run the statements that schema() returns.`;
}
