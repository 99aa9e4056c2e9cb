// Stores a new session.

import type { Ticket, TicketSigner } from "../cookies/ticket.ts";
import { StoreError } from "../errors.ts";
import type { SessionRecord } from "../records/record.ts";
import { type CreatedRecord, type RecordBuilder, type RecordContext, sealRecord } from "../records/record-store.ts";

/** What creating needs of the application. */
export interface CreateContext extends RecordContext {
  readonly signer: TicketSigner;
  readonly storeTimeout: number;
}

const MAX_ATTEMPTS = 3;

/** Stores a new session, under the given ticket if there is one. */
export async function createRecord(
  context: CreateContext,
  given: Ticket | undefined,
  builder: RecordBuilder,
): Promise<CreatedRecord> {
  const created = await createUnderFreeTicket(context, builder.record(undefined), builder, given);
  context.events.emit("start", { id: created.ticket.key });
  return created;
}

/** The same at a store that answers synchronously. Undefined: nothing is stored. */
export function createRecordSync(
  context: CreateContext,
  given: Ticket | undefined,
  builder: RecordBuilder,
): CreatedRecord | undefined {
  const { store, signer, events } = context;
  const ticket = given ?? signer.issue();
  const record = builder.record(undefined);
  const version = store.sync!.create!(ticket.key, sealRecord(context, record, ticket, builder.expiry()));
  if (version === "exists") return undefined;
  events.emit("start", { id: ticket.key });
  return { record, version, ticket };
}

/**
 * Stores a record under a ticket that nobody has. A create that fails may still be applied, even late: the next attempt
 * takes another ticket, so that what lands late is never a user's session. `first` is the ticket of the first attempt.
 */
export async function createUnderFreeTicket(
  context: CreateContext,
  record: SessionRecord,
  builder: RecordBuilder,
  given?: Ticket,
  first = given ?? context.signer.issue(),
): Promise<CreatedRecord> {
  const { store, signer, storeTimeout } = context;
  const deadline = performance.now() + storeTimeout / 2;
  let failures = 0;
  for (let ticket = first; ; ticket = signer.issue()) {
    try {
      const version = await store.create(ticket.key, sealRecord(context, record, ticket, builder.expiry()));
      if (version !== "exists") return { record, version, ticket };
    } catch (error) {
      // A failed delete is reported by the resilient store, and the record expires. The given ticket may be used again,
      // and a late delete must not remove it.
      if (ticket !== given) store.delete(ticket.key).catch(() => {});
      const isFinal = !(error instanceof StoreError) || ++failures === MAX_ATTEMPTS;
      if (isFinal || performance.now() > deadline) throw error;
    }
  }
}
