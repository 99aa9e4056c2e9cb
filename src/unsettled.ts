import type { Committed } from "./commits.ts";
import type { SessionContext } from "./context.ts";
import { StoreError } from "./errors.ts";
import { judgeUpdate, NOT_DONE, UNKNOWN } from "./lost-answers.ts";
import { readPastCopies } from "./past-copies.ts";
import type { SessionRecord } from "./record.ts";
import type { SessionWrite, Version } from "./store.ts";
import { swap } from "./stored-record.ts";
import type { Ticket } from "./ticket.ts";

/** A compare-and-swap as it was sent. */
export interface Sent {
  readonly record: SessionRecord;
  readonly write: SessionWrite;
  readonly ifVersion: Version;
}

/** What turns out to be in the store: one of what was sent. */
export interface Settled extends Committed {
  readonly expiresAt: number;
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

/** The error to throw when a write has failed. One that was never sent is taken for one that may have been done, too. */
export function unsettled(error: unknown, sent: Sent): unknown {
  return error instanceof StoreError ? new UnsettledError(error, sent) : error;
}

/**
 * Sends the last once more: of all that go over one version only one can succeed, so it is known then which. Undefined:
 * somebody else has written since, and nobody can tell. @throws StoreError
 */
export async function settle(
  context: Omit<SessionContext, "leases">,
  ticket: Ticket,
  sent: readonly Sent[],
): Promise<Settled | "gone" | undefined> {
  const { store, uniqueValues } = context;
  const { record, write, ifVersion } = sent.at(-1)!;
  const version = await swap(context, ticket, write, ifVersion);
  if (version === "gone") return "gone";
  if (version !== "conflict") return { record, version, expiresAt: write.expiresAt };
  const found = await readPastCopies(store, ticket.key);
  if (found === undefined) return "gone";
  for (const { record, write } of sent) {
    const verdict = judgeUpdate(found, write, ifVersion, uniqueValues);
    if (verdict !== UNKNOWN && verdict !== NOT_DONE) return { record, version: verdict, expiresAt: write.expiresAt };
  }
  return undefined;
}
