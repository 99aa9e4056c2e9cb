// Extends a session that is opened with little time left, and seals it again.

import { type ExpiryLimits, endOf, isTooLong, lifetimeOf, SessionExpiry } from "./expiry.ts";
import { SessionRecord } from "./record.ts";
import { type LoadedRecord, type RecordContext, sealRecord, swap } from "./record-store.ts";
import { termsWithTicket } from "./ticket-age.ts";

// A session with less than this share of the idle timeout left is renewed when it is opened. With more, there is time
// until the request's end, when a write may renew it anyway.
const RENEW_ON_OPEN_BELOW = 0.5;

/** True if a session has to be renewed when it is opened: the request that reads it may write it late. */
export function isRenewalUrgent(limits: ExpiryLimits, loaded: Omit<LoadedRecord, "ticket">, now: number): boolean {
  const { record, expiresAt } = loaded;
  const { idleTimeout } = lifetimeOf(limits, record.terms);
  const { sealedUntil = Infinity } = record;
  const end = endOf(limits, record.createdAt, record.terms);
  return (
    expiresAt < Math.min(now + RENEW_ON_OPEN_BELOW * idleTimeout, end) ||
    sealedUntil < Math.min(now + idleTimeout, end) ||
    isTooLong(record, expiresAt, now)
  );
}

/** The session with more time, where the store lets it. Undefined: it is gone. */
export async function renewOnOpen(context: RecordContext, loaded: LoadedRecord): Promise<LoadedRecord | undefined> {
  const expiry = new SessionExpiry(context, loaded);
  try {
    if (expiry.isSealDue(loaded.record)) return await reseal(context, loaded, expiry);
    const expiresAt = expiry.latest();
    return (await context.store.touch(loaded.ticket.key, expiresAt)) ? { ...loaded, expiresAt } : undefined;
  } catch {
    return loaded; // the resilient store has reported it; a store that can only read is enough for this request
  }
}

/**
 * Seals the session again as it is: touching it is not enough, since its sealed end is near. Another request that writes
 * at the same moment, or holds the session, does the same: neither is disturbed. Undefined: the session is gone.
 */
export async function reseal(
  context: RecordContext,
  loaded: LoadedRecord,
  expiry: SessionExpiry,
): Promise<LoadedRecord | undefined> {
  if (loaded.record.lease !== undefined) return loaded;
  const { ticket, version: before } = loaded;
  const expiresAt = expiry.latest();
  const record = resealed(
    loaded.record,
    expiry,
    undefined,
    termsWithTicket(loaded.record.terms, ticket, context.clock),
  );
  const version = await swap(context, ticket, sealRecord(context, record, ticket, expiresAt), before);
  if (version === "gone") return undefined;
  return version === "conflict" ? loaded : { ticket, record, version, expiresAt };
}

/**
 * The same state, held or free, with a later sealed end. Its revision stays: a cached entry of the former record is as
 * good.
 */
export function resealed(
  record: SessionRecord,
  expiry: SessionExpiry,
  lease: number | undefined,
  formerTerms = record.terms,
): SessionRecord {
  const { createdAt, renewedAt, revision, owner } = record;
  const terms = expiry.termsInUse(formerTerms);
  const meta = { createdAt, renewedAt, sealedUntil: expiry.sealedUntil(), revision, lease, terms, owner };
  return SessionRecord.write(meta, record, []);
}
