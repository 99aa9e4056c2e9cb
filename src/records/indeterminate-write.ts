// Remembers a failed write as it was sent, and resolves it by sending it again.

import type { Ticket } from "../cookies/ticket.ts";
import { StoreError } from "../errors.ts";
import { NOT_APPLIED, outcomeOfUpdate, UNKNOWN } from "../resilience/write-outcome.ts";
import { readFresh, type SessionWrite, type Version } from "../store.ts";
import type { SessionRecord } from "./record.ts";
import { type RecordContext, type RecordVersion, swap } from "./record-store.ts";

/** A compare-and-swap as it was sent. */
export interface SentWrite {
  readonly record: SessionRecord;
  readonly write: SessionWrite;
  readonly ifVersion: Version;
}

/** The one of the sent writes that the store has. */
export interface ResolvedWrite extends RecordVersion {
  readonly expiresAt: number;
}

/** What resolving needs of the application. */
export interface ResolveContext extends Pick<RecordContext, "store" | "events"> {
  /** True if no two writes ever have the same bytes. */
  readonly uniqueValues: boolean;
}

/**
 * The write may have been applied. Without a memory of what was sent, the next write of the same request would find its
 * own changes in the store, take them for another request's, and apply them a second time.
 */
export class IndeterminateWriteError extends StoreError {
  /** Private, so that a log of the error does not show the session. */
  readonly #sent: SentWrite;

  constructor({ message, cause }: StoreError, sent: SentWrite) {
    super(message, cause);
    this.name = "StoreError";
    this.#sent = sent;
  }

  static sentBy(error: unknown): SentWrite | undefined {
    return error instanceof IndeterminateWriteError ? error.#sent : undefined;
  }
}

/** The error to throw when a write has failed: indeterminate, unless the store knows that the write was not applied. */
export function indeterminate(error: unknown, sent: SentWrite): unknown {
  return error instanceof StoreError && error.applied !== false ? new IndeterminateWriteError(error, sent) : error;
}

/**
 * Sends the last write again. Of all writes over one version only one can succeed, so the answer tells which one did.
 * Undefined: another request has written since, and the outcome stays unknown. @throws StoreError
 */
export async function resolveWrite(
  context: ResolveContext,
  ticket: Ticket,
  sent: readonly SentWrite[],
): Promise<ResolvedWrite | "gone" | undefined> {
  const { store, uniqueValues } = context;
  const { record, write, ifVersion } = sent.at(-1)!;
  const version = await swap(context, ticket, write, ifVersion);
  if (version === "gone") return "gone";
  if (version !== "conflict") return { record, version, expiresAt: write.expiresAt };
  const found = await readFresh(store, ticket.key);
  if (found === undefined) return "gone";
  for (const { record, write } of sent) {
    const outcome = outcomeOfUpdate(found, write, ifVersion, uniqueValues);
    if (outcome !== UNKNOWN && outcome !== NOT_APPLIED) return { record, version: outcome, expiresAt: write.expiresAt };
  }
  return undefined;
}
