// Writes a request's changes to a session that is in the store.

import { setTimeout as sleep } from "node:timers/promises";
import type { Ticket } from "../cookies/ticket.ts";
import { ConflictError } from "../errors.ts";
import type { Lease } from "../locking/lease.ts";
import type { LeaseManager } from "../locking/lease-manager.ts";
import { indeterminate } from "../records/indeterminate-write.ts";
import {
  type CreatedRecord,
  type RecordBuilder,
  type RecordContext,
  type RecordVersion,
  readRecord,
  sealRecord,
  swap,
} from "../records/record-store.ts";
import type { Version } from "../store.ts";
import type { CommitQueue } from "./commit-queue.ts";

/** What updating needs of the application. */
export interface UpdateContext extends RecordContext {
  readonly leases: LeaseManager;
}

// Commits queue inside a process, so these are the conflicts with other processes.
export const MAX_ATTEMPTS = 30;
const MAX_BACKOFF_MS = 50;

/**
 * Compare-and-swap until it succeeds. After a conflict the changes are replayed over the newer state. While another
 * request has the session to itself, they wait for it. Undefined: the session is gone.
 * @throws IndeterminateWriteError, ConflictError
 */
export async function updateRecord(
  context: UpdateContext,
  ticket: Ticket,
  base: RecordVersion,
  builder: RecordBuilder,
  take: TakeLease = takeQueued,
): Promise<RecordVersion | undefined> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    if (base.record.lease !== undefined) return (await take(context, ticket))?.finish(builder);
    const record = builder.record(base.record);
    const write = sealRecord(context, record, ticket, builder.expiry());
    let version: Version | "conflict" | "gone";
    try {
      version = await swap(context, ticket, write, base.version);
    } catch (error) {
      throw indeterminate(error, { record, write, ifVersion: base.version });
    }
    if (version === "gone") return undefined;
    if (version !== "conflict") return { record, version };
    context.events.emit("conflict", { id: ticket.key, attempt });
    if (attempt > 1) await sleep(Math.random() * Math.min(2 ** attempt, MAX_BACKOFF_MS));
    const newer = await readRecord(context, ticket);
    if (newer === undefined) return undefined;
    base = newer;
  }
  throw new ConflictError(`session ${ticket.key}`, MAX_ATTEMPTS);
}

/** The first attempt of the same, at a store that answers synchronously. Undefined: nothing is stored. */
export function updateRecordSync(
  context: RecordContext & { readonly commits: CommitQueue },
  ticket: Ticket,
  base: RecordVersion,
  builder: RecordBuilder,
): CreatedRecord | undefined {
  const { store, commits } = context;
  if (base.record.lease !== undefined || commits.isBusy(ticket.key)) return undefined;
  const record = builder.record(base.record);
  const write = sealRecord(context, record, ticket, builder.expiry());
  const version = store.sync!.update!(ticket.key, write, base.version);
  return version === "gone" || version === "conflict" ? undefined : { record, version, ticket };
}

/** Gives the lease on a session that another request has to itself, once that has finished. Undefined: the session is gone. */
export type TakeLease = (context: UpdateContext, ticket: Ticket) => Promise<Lease | undefined>;

/** For a request that goes on with the session under another ticket. */
export const takeLease: TakeLease = (context, ticket) =>
  context.leases.take(ticket.key, () => readRecord(context, ticket));

/** For a single write. */
const takeQueued: TakeLease = (context, ticket) =>
  context.leases.take(ticket.key, () => readRecord(context, ticket), undefined, true);

/** For what a call of `once` writes while others wait for it. */
export const takePastQueue: TakeLease = (context, ticket) =>
  context.leases.takePastQueue(ticket.key, () => readRecord(context, ticket));
