// Takes the lease of a request's session.

import { onClientGone } from "../cookies/request-source.ts";
import { lastSeenRevision } from "../cookies/revision-cookies.ts";
import type { Ticket } from "../cookies/ticket.ts";
import type { Lease } from "../locking/lease.ts";
import { findRecord } from "../records/record-store.ts";
import type { SessionContext } from "./context.ts";
import type { RequestInfo } from "./request-info.ts";

/** Undefined: there is no such session, so there is nothing to lock. A new one belongs to its request anyway. */
export function takeLease(context: SessionContext, info: RequestInfo, ticket: Ticket): Promise<Lease | undefined> {
  const find = () => findRecord(context, ticket, minRevision(context, info, ticket), info.extend, true);
  return context.leases.take(ticket.key, find, onClientGone(ticket, info.source));
}

/**
 * What a cached entry must at least have, so that the browser does not go back in time. A client without cookies does not
 * say what it has seen: no cached entry is new enough for it.
 */
export function minRevision(
  { countsRevisions }: SessionContext,
  { revisions, usesHeader, minRevision }: RequestInfo,
  { key }: Ticket,
): number {
  if (minRevision !== undefined) return minRevision;
  if (usesHeader && countsRevisions) return Number.POSITIVE_INFINITY;
  return countsRevisions ? lastSeenRevision(revisions, key) : 1;
}
