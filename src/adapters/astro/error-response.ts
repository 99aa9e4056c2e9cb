// Responses to errors in the forms that Astro needs.

import type { CoatcheckError } from "../../index.ts";
import type { CommittedSession } from "../commit-response.ts";
import { respondToError, statusOf } from "../error-response.ts";
import { withSessionHeaders } from "../response-headers.ts";

/** Astro shows the application's page `500` in the place of an empty response with this status, and keeps its headers. */
export function respondToAstro(error: CoatcheckError): Response {
  const response = respondToError(error);
  return statusOf(error) === 500 ? new Response(null, { status: 500 }) : response;
}

/**
 * Astro answers what a page throws. But if the ticket was regenerated before, the browser needs the new one: the old one is
 * invalid.
 * @throws the error, if the browser needs nothing.
 */
export async function respondToFailed(session: CommittedSession, error: unknown): Promise<Response> {
  const cookies = await session.commit();
  if (cookies.length === 0 && session.ticketHeader?.value === undefined) throw error;
  console.error(error);
  return withSessionHeaders(new Response(null, { status: 500 }), cookies, session);
}
