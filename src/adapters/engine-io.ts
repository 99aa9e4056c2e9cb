// Sessions of Engine.IO and Socket.IO: of a connection that outlives the request by which it began.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { HeldSession } from "./hold.ts";
import { appendCookies, type HeaderTarget } from "./session-headers.ts";

/**
 * True if a request begins a connection whose handlers use its session later (`socket.request.session`). Engine.IO has
 * parsed the query by then.
 */
export function isConnection(req: IncomingMessage): boolean {
  const { _query: query } = req as { _query?: { EIO?: unknown; sid?: unknown } };
  if (query?.EIO !== undefined) return query.sid === undefined;
  return isUpgrade(req);
}

/** True if the response is not one of Node's, but what stands for it while a connection becomes a WebSocket. */
export function isHandshake(req: IncomingMessage, res: ServerResponse): boolean {
  return typeof res.flushHeaders !== "function" && isUpgrade(req);
}

/**
 * Commits before the handshake is answered. The handshake does not wait: a store that answers later has the changes, but a
 * new ticket does not reach the browser.
 */
export function commitAtHandshake(res: ServerResponse, session: Pick<HeldSession, "commit">): void {
  const { writeHead } = res;
  if (typeof writeHead !== "function") return;
  res.writeHead = (...args: unknown[]) => {
    res.writeHead = writeHead;
    const cookies = session.commit();
    if (!Array.isArray(cookies)) cookies.then(warnOfLateCookies, (error) => process.emitWarning(error));
    else if (cookies.length > 0) appendCookies(res as HeaderTarget, cookies);
    return (writeHead as (...args: unknown[]) => ServerResponse).apply(res, args);
  };
}

function isUpgrade({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === "websocket";
}

function warnOfLateCookies(cookies: readonly string[]): void {
  if (cookies.length === 0) return;
  process.emitWarning(
    "coatcheck: a session that began in a WebSocket's handshake did not reach the browser, since the handshake does not wait for the store. Begin it in an HTTP request, or call await req.session.save() in a middleware before the handshake is answered.",
    { code: "COATCHECK_HANDSHAKE" },
  );
}
