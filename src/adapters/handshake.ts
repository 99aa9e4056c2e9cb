// The session at the handshake of a socket.

import type { IncomingMessage } from "node:http";
import type { AdapterSession, FollowOptions, LiveSession, Sessions } from "../index.ts";
import { letGo } from "./open-session.ts";
import { modeOf, openOptions } from "./options.ts";
import type { SocketOptions } from "./socket-options.ts";

/** A handshake that is accepted. */
export interface Handshake<Data extends object> {
  /** The headers by which the client gets its ticket. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Begins to follow the session. Undefined in mode `"none"`. */
  readonly follow: ((isThere?: () => boolean) => LiveSession<Data>) | undefined;
}

/**
 * Opens and commits the session of a handshake. Undefined: the client may not connect.
 * @throws what opening, `accept` and committing throw.
 */
export async function openHandshake<Data extends object>(
  sessions: Sessions<Data>,
  options: SocketOptions<Data>,
  request: IncomingMessage,
): Promise<Handshake<Data> | undefined> {
  const mode = modeOf(options, request);
  if (mode === "none") return { headers: [], follow: undefined };
  const how = openOptions(options, request, mode);
  const session = await sessions.openMaybeSync(request, how);
  try {
    if (options.accept !== undefined && (await options.accept(session, request)) !== true) {
      letGo(session);
      return undefined;
    }
  } catch (error) {
    letGo(session);
    throw error;
  }
  const headers = headersOf(session, await session.commit());
  const { saveFailed = false, keepAlive } = options;
  const isKeptAlive = typeof keepAlive === "function" ? keepAlive(request) === true : keepAlive === true;
  return {
    headers,
    follow(isThere = () => true) {
      const follow: FollowOptions = { ...how, saveFailed, keepAlive: isKeptAlive && isThere };
      return sessions.follow(session, follow);
    },
  };
}

function headersOf<Data extends object>(
  { ticketHeader }: AdapterSession<Data>,
  cookies: readonly string[],
): [string, string][] {
  const headers = cookies.map((cookie): [string, string] => ["Set-Cookie", cookie]);
  if (ticketHeader?.value !== undefined) headers.push([ticketHeader.name, ticketHeader.value]);
  return headers;
}
