// The cookies that a response has to carry, or the header in their place.

import { clearRevisionCookies, revisionCookies } from "../cookies/revision-cookies.ts";
import { cookieText, type Ticket } from "../cookies/ticket.ts";
import { headerValue } from "../cookies/ticket-header.ts";
import type { SessionExpiry } from "../records/expiry.ts";
import type { SessionRecord } from "../records/record.ts";
import type { TicketHeader } from "../session.ts";
import type { SessionContext } from "./context.ts";
import type { RequestInfo } from "./request-info.ts";

/** What becomes of the browser's ticket. Undefined: it stays. */
export type TicketAction = "issue" | "clear" | undefined;

const NO_COOKIES: string[] = [];

/** The `Set-Cookie` values for a session in its present state. `next` is the ticket that replaces the browser's, if that is due. */
export function responseCookies(
  context: SessionContext,
  info: RequestInfo,
  action: TicketAction,
  ticket: Ticket | undefined,
  next: Ticket | undefined,
  record: SessionRecord | undefined,
  expiry: SessionExpiry,
): string[] {
  const { cookie, countsRevisions, sealedCookie } = context;
  if (info.usesHeader) return NO_COOKIES;
  if (next !== undefined) {
    action = "issue";
    ticket = next;
  }
  const revisions = countsRevisions ? revisionCookiesFor(context, info, action, ticket, record) : NO_COOKIES;
  if (sealedCookie?.hasChanged) action = "issue";
  if (action === undefined) return revisions;
  if (action === "clear") return [cookie.clear(info.secure), ...revisions];
  const text = ticketText(context, ticket!);
  cookie.warnOfProtocol(info.source, info.secure);
  return [cookie.issue(text, info.secure, expiry.cookieAge()), ...revisions];
}

/** What stands in the cookies' place for a client that keeps none. Undefined: it gets cookies. */
export function ticketHeader(
  context: SessionContext,
  info: RequestInfo,
  action: TicketAction,
  ticket: Ticket | undefined,
  next: Ticket | undefined,
): TicketHeader | undefined {
  const { transport, sealedCookie } = context;
  if (transport === undefined) return undefined;
  const name = transport.header;
  if (!info.usesHeader) return { name, value: undefined };
  if (next !== undefined) {
    action = "issue";
    ticket = next;
  }
  if (sealedCookie?.hasChanged) action = "issue";
  if (action === undefined) return { name, value: undefined };
  return { name, value: headerValue(transport, action === "clear" ? "" : ticketText(context, ticket!)) };
}

/** The ticket, and the session itself where the client carries it. */
function ticketText({ sealedCookie }: SessionContext, ticket: Ticket): string {
  return sealedCookie === undefined ? cookieText(ticket) : ticket.text + sealedCookie.pack(ticket);
}

function revisionCookiesFor(
  { cookie }: SessionContext,
  { secure, revisions }: RequestInfo,
  action: TicketAction,
  ticket: Ticket | undefined,
  record: SessionRecord | undefined,
): string[] {
  if (action === "clear") return clearRevisionCookies(cookie, secure, revisions);
  const revision = record?.revision;
  return revision === undefined ? NO_COOKIES : revisionCookies(cookie, secure, revisions, ticket!.key, revision);
}
