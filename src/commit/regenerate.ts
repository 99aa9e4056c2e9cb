// Moves a session to a new ticket and ends the old one.

import type { Ticket } from "../cookies/ticket.ts";
import { ConflictError, LeaseLostError } from "../errors.ts";
import type { Lease } from "../locking/lease.ts";
import { claimsIn } from "../records/once-entry.ts";
import type { SessionRecord } from "../records/record.ts";
import { type CreatedRecord, type RecordBuilder, type RecordVersion, readRecord } from "../records/record-store.ts";
import type { InFlight } from "../util/in-flight.ts";
import { type CreateContext, createUnderFreeTicket } from "./create.ts";
import { markRegenerated } from "./regeneration-marker.ts";
import { MAX_ATTEMPTS, takeLease, type UpdateContext } from "./update.ts";

/** What regenerating needs of the application. */
export interface RegenerateContext extends CreateContext, UpdateContext {
  readonly inFlight: InFlight;
}

/** Runs `store`, unless its owner may not have the session that goes from one ticket to the other. Undefined: it is not stored. */
export type Admit = (
  record: SessionRecord,
  from: Ticket,
  to: Ticket,
  store: () => Promise<CreatedRecord | undefined>,
) => Promise<CreatedRecord | undefined>;

/** Stores the session under its next ticket, and deletes the old one. Undefined: the session is gone. */
export async function regenerateRecord(
  context: RegenerateContext,
  old: Ticket,
  base: RecordVersion,
  builder: RecordBuilder,
  admit: Admit,
): Promise<CreatedRecord | undefined> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    // A call of once() stores what it makes where it began.
    if (base.record.lease !== undefined || claimsIn(base.record) !== undefined) {
      const lease = await takeLease(context, old);
      try {
        return lease && (await regenerateLeased(context, lease, builder, admit));
      } finally {
        await lease?.release();
      }
    }
    const created = await regenerateOnce(context, old, base, builder, admit);
    if (created !== undefined) return created;
    context.events.emit("conflict", { id: old.key, attempt });
    const newer = await readRecord(context, old);
    if (newer === undefined) return undefined;
    base = newer;
  }
  throw new ConflictError(`session ${old.key}`, MAX_ATTEMPTS);
}

/** The same for a request that holds the lease. The lease ends with it. @throws LeaseLostError */
export async function regenerateLeased(
  context: RegenerateContext,
  lease: Lease,
  builder: RecordBuilder,
  admit: Admit,
): Promise<CreatedRecord | undefined> {
  const { ticket } = lease.loaded;
  await lease.resolvePending(); // the old record is deleted by its version
  const regenerated = lease.end(async (latest) => {
    const created = await regenerateOnce(context, ticket, latest, builder, admit);
    if (created !== undefined) return created;
    if ((await readRecord(context, ticket)) === undefined) return undefined;
    throw new LeaseLostError(ticket.key);
  });
  return context.inFlight.track(regenerated);
}

/** Undefined: the old record has changed, or is gone. */
function regenerateOnce(
  context: RegenerateContext,
  old: Ticket,
  base: RecordVersion,
  builder: RecordBuilder,
  admit: Admit,
): Promise<CreatedRecord | undefined> {
  const next = context.signer.issue();
  const record = builder.record(base.record);
  return admit(record, old, next, () => moveTo(context, old, next, base, record, builder));
}

/**
 * Deleting the old record decides. If the copied version is no longer there, the copy is deleted; its ticket was given to
 * nobody and is not used again. Undefined: the old record has changed, or is gone.
 */
async function moveTo(
  context: RegenerateContext,
  old: Ticket,
  next: Ticket,
  base: RecordVersion,
  record: SessionRecord,
  builder: RecordBuilder,
): Promise<CreatedRecord | undefined> {
  const { store, clock, events } = context;
  const [created, isMarked] = await Promise.all([
    createUnderFreeTicket(context, record, builder, undefined, next),
    markRegenerated(store, old.key, next.key, clock.now()),
  ]);
  const { ticket } = created;
  try {
    if (await store.delete(old.key, base.version)) {
      if (!isMarked || ticket.key !== next.key) {
        await markRegenerated(store, old.key, ticket.key, clock.now(), true);
      }
      events.ended(old.key, "replaced", base.record);
      events.emit("start", { id: ticket.key });
      return created;
    }
    // If the copy is gone, too, somebody revoked it with the owner's other sessions: its end was reported, so its start
    // has to be.
    if (!(await store.delete(ticket.key))) events.emit("start", { id: ticket.key });
    return undefined;
  } catch (error) {
    store.delete(ticket.key).catch(() => {}); // reported by the resilient store; the copy then expires
    throw error;
  }
}
