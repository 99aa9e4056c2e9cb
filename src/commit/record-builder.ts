// Builds the record that a commit writes.

import type { Ticket } from "../cookies/ticket.ts";
import { SessionTooLargeError } from "../errors.ts";
import type { Clock, ExpiryLimits, SessionExpiry } from "../records/expiry.ts";
import { nextRevision, SessionRecord } from "../records/record.ts";
import type { NewText } from "../records/record-shape.ts";
import type { RecordBuilder } from "../records/record-store.ts";
import { type SessionTerms, termsOf } from "../records/terms.ts";
import { type RenewalContext, termsWithTicket } from "../records/ticket-age.ts";
import { type Changes, type KeyRules, replay } from "./merge.ts";

/** What building records needs of the application. */
export interface BuilderContext extends ExpiryLimits, RenewalContext {
  readonly clock: Clock;
  readonly rules: KeyRules;
  readonly maxSize: number;
  /** True if the store keeps a cache, so that records have to say how new they are. */
  readonly countsRevisions: boolean;
}

/**
 * A request's changes over whatever base they are given. `sendsCookie`: the response renews the browser's cookie. `ticket`:
 * what the browser has brought.
 */
export function recordBuilder(
  context: BuilderContext,
  changes: Changes,
  expiry: SessionExpiry,
  sendsCookie: boolean,
  ticket: Ticket | undefined,
): RecordBuilder {
  return {
    record: (base, lease) => build(context, changes, expiry, sendsCookie, ticket, base, lease),
    expiry: () => expiry.extendTo(expiry.latest()),
  };
}

function build(
  { clock, cookie, maxSize, rules, countsRevisions, renewAfter }: BuilderContext,
  changes: Changes,
  expiry: SessionExpiry,
  sendsCookie: boolean,
  ticket: Ticket | undefined,
  base: SessionRecord | undefined,
  lease: number | undefined,
): SessionRecord {
  const createdAt = base?.createdAt ?? expiry.createdAt;
  const known = termsWithTicket(base?.terms, ticket, clock);
  expiry.follow({ createdAt, terms: changedTerms(changes, known, clock, renewAfter) });
  const terms = expiry.termsInUse();
  const renewedAt = sendsCookie ? undefined : base?.renewedAt;
  const keepsCookie = cookie.maxAge !== undefined || terms?.lifetime !== undefined;
  const meta = {
    createdAt,
    sealedUntil: expiry.sealedUntil(),
    renewedAt: keepsCookie ? (renewedAt ?? clock.now()) : undefined,
    revision: countsRevisions || base?.revision !== undefined ? nextRevision(base) : undefined,
    lease,
    terms,
    owner: changes.owner ? changes.owner.now : base?.owner,
  };
  const record = SessionRecord.write(meta, base, withoutEnded(replay(changes, base, rules), base, rules));
  if (record.bytes.length > maxSize) throw new SessionTooLargeError(record.bytes.length, maxSize, record.largest());
  return record;
}

/** A new owner has just been authenticated, and one who leaves is no longer. */
function changedTerms(
  { owner, terms }: Changes,
  base: SessionTerms | undefined,
  clock: Clock,
  renewAfter: number | undefined,
): SessionTerms | undefined {
  if (owner === undefined && terms === undefined) return base;
  const hasNewTicket = terms?.hasNewTicket === true;
  const isAuthenticated = terms?.isAuthenticated === true || owner?.now !== undefined;
  const former = owner === undefined ? base?.authenticatedAt : undefined;
  return termsOf({
    lifetime: terms?.lifetime === undefined ? base?.lifetime : terms.lifetime.now,
    authenticatedAt: isAuthenticated ? clock.now() : former,
    ticketAt: hasNewTicket ? (renewAfter === undefined ? undefined : clock.now()) : base?.ticketAt,
    renewals: hasNewTicket ? undefined : base?.renewals,
    seenAt: undefined,
    isStamped: terms?.stamp !== undefined || (owner === undefined && base?.isStamped) ? true : undefined,
  });
}

/** What has ended by itself does not stay in the store until its session ends. */
function withoutEnded(texts: readonly NewText[], base: SessionRecord | undefined, rules: KeyRules): readonly NewText[] {
  if (!base?.hasTimedValues) return texts;
  const changed = new Set(texts.map(({ key }) => key));
  const ended = base.names.filter((name) => !changed.has(name) && !base.hasLive(name, rules.now));
  return [...texts, ...ended.map((key) => ({ key, after: undefined }))];
}
