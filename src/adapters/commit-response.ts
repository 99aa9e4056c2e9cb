// Commits a session before its `Response` goes out, for frameworks that pass responses on.

import type { AdapterSession, Session } from "../index.ts";
import { bodyOf } from "./copy-response.ts";
import { withHeadersOf, withSessionHeaders } from "./response-headers.ts";
import type { SessionUse } from "./session-headers.ts";

/** What reports changes in place that come too late. */
export type LateChanges = Pick<AdapterSession, "watchesLateChanges" | "reportLateChanges">;

/** What is needed of a session. */
export type CommittedSession = SessionUse & LateChanges & Pick<AdapterSession, "commit" | "discard">;

/**
 * Runs a request's handler, commits its session, and gives the response with the session's headers. Changes of a request
 * that fails (throws, or responds with status 500 or above) are dropped, unless `saveFailed` is true.
 *
 * @param respond gives the response to a failed commit, in the place of the handler's. What it throws goes to the caller.
 * @throws what the handler throws, after the session is free for other requests.
 */
export async function commitResponse(
  session: CommittedSession,
  { saveFailed = false }: { saveFailed?: boolean | undefined },
  handle: () => Response | Promise<Response>,
  respond: (error: unknown) => Response | Promise<Response>,
): Promise<Response> {
  let response: Response;
  try {
    response = await handle();
    if (!saveFailed && isFailure(response)) session.discard();
  } catch (error) {
    await commitFailed(session, saveFailed);
    throw error;
  }
  try {
    const cookies = await session.commit();
    return withLateChanges(withSessionHeaders(response, cookies, session), session);
  } catch (error) {
    await bodyOf(response)
      ?.cancel()
      .catch(() => {});
    const answer = withHeadersOf(response, await respond(error));
    // If the ticket was regenerated before the commit failed, the browser needs the new one: the old one is invalid.
    const { ticketHeader } = session;
    return withSessionHeaders(answer, await session.commit(), { isUsed: false, ticketHeader });
  }
}

/**
 * What stays of a response whose commit failed, for frameworks that make the error's body themselves: the headers that are
 * right for every body, and the ticket, if it was regenerated before.
 */
export async function withoutBody(
  response: Response,
  session: Pick<CommittedSession, "commit" | "ticketHeader">,
): Promise<Response> {
  const rest = withHeadersOf(response, new Response(null));
  const cookies = await session.commit();
  return withSessionHeaders(rest, cookies, { isUsed: false, ticketHeader: session.ticketHeader });
}

/** Commits the session of a request that throws. What is not saved must not lock others out, nor hide the request's error. */
export async function commitFailed(session: Pick<Session, "discard" | "commit">, saveFailed: boolean): Promise<void> {
  if (saveFailed) {
    await session.commit();
    return;
  }
  session.discard();
  try {
    await session.commit();
  } catch {}
}

/** True if a response says that its request has failed. `Response.error()` has the status 0. */
function isFailure({ status }: Response): boolean {
  return status >= 500 || status === 0;
}

/** Looks for late changes when the body has been sent. */
function withLateChanges(response: Response, session: LateChanges): Response {
  const body = session.watchesLateChanges ? bodyOf(response) : null;
  if (body === null) return response;
  const flush = () => session.reportLateChanges();
  try {
    return new Response(body.pipeThrough(new TransformStream({ flush })), response);
  } catch {
    return response;
  }
}
