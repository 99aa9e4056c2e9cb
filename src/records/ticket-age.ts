// When a ticket is renewed, and how long the one before it is good for.

import { serialOf, type Ticket } from "../cookies/ticket.ts";
import type { Clock } from "./expiry.ts";
import type { SessionRecord } from "./record.ts";
import { NO_TERMS, type SessionTerms } from "./terms.ts";

/** What it needs of the application. */
export interface RenewalContext {
  readonly clock: Clock;
  /** The age, in milliseconds, at which a ticket is renewed. Undefined: never. */
  readonly renewAfter: number | undefined;
}

/*
 * A response gives the browser the next ticket, which follows from the present one and the secret: parallel requests on any
 * servers give it the same. The session notes nothing of it until the browser brings the next ticket: only then has it
 * arrived. A response that is lost loses nobody's session.
 */

// From when the next ticket has arrived. What the browser sent before, with the former one, comes within this time.
const GRACE_MS = 30_000;

/** The serial of the ticket that a response has to give the browser. Undefined: it has the right one. */
export function serialToGive(
  { renewAfter, clock }: RenewalContext,
  ticket: Ticket,
  { terms, createdAt }: SessionRecord,
): number | undefined {
  const serial = serialOf(ticket);
  const present = terms?.renewals ?? 0;
  if (serial !== present) return serial < present ? present : undefined;
  if (renewAfter === undefined) return undefined;
  return clock.now() - (terms?.ticketAt ?? createdAt) > renewAfter ? present + 1 : undefined;
}

/** True if the ticket was replaced by a renewal, and no request can be under way with it any more. */
export function isReplaced(clock: Clock, ticket: Ticket, { terms }: SessionRecord): boolean {
  const serial = serialOf(ticket);
  const { renewals = 0, ticketAt = 0 } = terms ?? NO_TERMS;
  return serial < renewals && (serial < renewals - 1 || clock.now() - ticketAt > GRACE_MS);
}

/** True if the browser has brought its next ticket, and the session does not know yet. */
export function hasNextTicket(ticket: Ticket | undefined, record: SessionRecord | undefined): boolean {
  return ticket?.renewal !== undefined && ticket.renewal.serial > (record?.terms?.renewals ?? 0);
}

/** The terms of a record that is written for a request with this ticket. */
export function termsWithTicket(
  terms: SessionTerms | undefined,
  ticket: Ticket | undefined,
  clock: Clock,
): SessionTerms | undefined {
  if (ticket?.renewal === undefined || ticket.renewal.serial <= (terms?.renewals ?? 0)) return terms;
  return { ...(terms ?? NO_TERMS), ticketAt: clock.now(), renewals: ticket.renewal.serial };
}
