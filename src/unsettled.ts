import type { Committed } from "./commits.ts";
import type { SessionContext } from "./context.ts";
import { StoreError } from "./errors.ts";
import { judgeUpdate, NOT_DONE, UNKNOWN } from "./lost-answers.ts";
import type { SessionRecord } from "./record.ts";
import type { SessionWrite, Version } from "./store.ts";
import type { Ticket } from "./ticket.ts";
import { swap } from "./writes.ts";

/** A compare-and-swap as it was sent. */
export interface Sent {
  readonly record: SessionRecord;
  readonly write: SessionWrite;
  readonly ifVersion: Version;
}

/**
 * A write that may have been done. Without the memory of what was sent, the same request's next write would find its own
 * changes there, take them for another's, and make them again.
 */
export class UnsettledError extends StoreError {
  /** Private: a log that shows the error must not show the session. */
  readonly #sent: Sent;

  constructor({ message, cause }: StoreError, sent: Sent) {
    super(message, cause);
    this.name = "StoreError";
    this.#sent = sent;
  }

  static sentBy(error: unknown): Sent | undefined {
    return error instanceof UnsettledError ? error.#sent : undefined;
  }
}

/** The error to throw when a write has failed. */
export function unsettled(error: unknown, sent: Sent): unknown {
  return error instanceof StoreError ? new UnsettledError(error, sent) : error;
}

/**
 * Sends it once more: of the two only one can succeed, so it is done then. Undefined: somebody else has written since, or
 * ended the session, and nobody can tell. @throws StoreError
 */
export async function settle(
  context: Omit<SessionContext, "leases">,
  ticket: Ticket,
  { record, write, ifVersion }: Sent,
): Promise<Committed | undefined> {
  const { store, uniqueValues } = context;
  const { key } = ticket;
  const version = await swap(context, ticket, write, ifVersion);
  if (version !== "conflict" && version !== "gone") return { record, version };
  const found = await (store.refresh ? store.refresh(key) : store.read(key));
  const verdict = judgeUpdate(found, write, ifVersion, uniqueValues);
  return verdict === UNKNOWN || verdict === NOT_DONE ? undefined : { record, version: verdict };
}
