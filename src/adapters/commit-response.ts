// Commits a session before its `Response` goes out, for frameworks that pass responses on.

import type { AdapterSession, CoatcheckError, Session } from "../index.ts";
import { isWorthRetrying, type LateChanges, statusOf, textOf } from "./options.ts";
import { describesBody, type SessionUse, setSessionHeaders } from "./session-headers.ts";

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
export function isFailure({ status }: Response): boolean {
  return status >= 500 || status === 0;
}

/** The response with the headers of a committed session. It is the same object if nothing is to be set. */
export function withSessionHeaders(response: Response, cookies: readonly string[], use: SessionUse): Response {
  if (cookies.length === 0 && !use.isUsed && use.ticketHeader?.value === undefined) return response;
  const answer = copyOf(response);
  try {
    setResponseHeaders(answer.headers, cookies, use);
  } catch {} // a response that can't be copied may refuse headers, too
  return answer;
}

/**
 * Sets the headers of a committed session among those of a response.
 *
 * @param others headers that are sent beside these, where a framework keeps them apart. These take their place.
 */
export function setResponseHeaders(
  headers: Headers,
  cookies: readonly string[],
  use: SessionUse,
  others?: Headers,
): void {
  const target = {
    getHeader: (name: string) =>
      name === "set-cookie" ? headers.getSetCookie() : (headers.get(name) ?? others?.get(name) ?? undefined),
    setHeader: (name: string, value: string | string[]) => headers.set(name, String(value)),
    appendHeader(name: string, values: string[]) {
      for (const value of values) headers.append(name, value);
    },
  };
  setSessionHeaders(target, cookies, use);
}

/**
 * The headers of a redirect or of a fetched response can't be changed, but those of a copy can. And an application may
 * send one response to several users. `Response.error()` and an upgrade (101) can't be copied: they stay as they are. Deno
 * would make a copy of an upgrade, which then is none.
 */
export function copyOf(response: Response): Response {
  if (response.status === 101) return response;
  try {
    const unread = unreadBodyOf(response);
    return new Response(unread === undefined ? response.body : unread, response);
  } catch {
    return response;
  }
}

/**
 * The body that @hono/node-server keeps beside a response until somebody asks for its stream. It writes it at once, and a
 * stream piece by piece, which takes longer than all that a session does. Undefined: there is none.
 */
function unreadBodyOf(response: Response): string | Uint8Array<ArrayBuffer> | null | undefined {
  const key = Object.getOwnPropertySymbols(response).find(({ description }) => description === "cache");
  if (key === undefined) return undefined;
  const kept = (response as unknown as Record<symbol, unknown>)[key];
  const body: unknown = Array.isArray(kept) && kept[0] === response.status ? kept[1] : undefined;
  if (body === null || typeof body === "string") return body;
  return body instanceof Uint8Array ? (body as Uint8Array<ArrayBuffer>) : undefined;
}

/** An error's response with the headers that the response in whose place it is sent had for every body, as those of CORS. */
function withHeadersOf(response: Response, answer: Response): Response {
  const kept = [...response.headers].filter(([name, value]) => !describesBody(name, value) && name !== "set-cookie");
  const cookies = response.headers.getSetCookie();
  if (kept.length === 0 && cookies.length === 0) return answer;
  const copy = copyOf(answer);
  try {
    for (const [name, value] of kept) if (!copy.headers.has(name)) copy.headers.set(name, value);
    for (const cookie of cookies) copy.headers.append("Set-Cookie", cookie);
  } catch {}
  return copy;
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

/** Some servers make a response when its body is asked for, and only then find that its status can't have one. */
function bodyOf(response: Response): ReadableStream | null {
  try {
    return response.body;
  } catch {
    return null;
  }
}

/** The response to a session's error: its status (503 if the store is down), and nothing of the server. */
export function respondToError(error: CoatcheckError): Response {
  const status = statusOf(error);
  if (status === 500) console.error(error);
  return new Response(textOf(status), { status, headers: isWorthRetrying(status) ? { "Retry-After": "1" } : {} });
}
