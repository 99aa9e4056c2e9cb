// What the recipes of docs/sockets.md share: the sessions, and the routes beside the socket.

import { createSessions, type Session } from "../../../../src/index.ts";
import { memory } from "../../../../src/stores/memory/index.ts";

export interface Data {
  user: string;
  n: number;
}

export const sessions = createSessions<Data>({ store: memory(), cookie: { secure: false } });

/** `/login?user=ann` signs in, `/begin` begins a session in the handshake, `/logout-everywhere?user=ann` ends all. */
export async function route(url: string, session: Session<Data>): Promise<Response | undefined> {
  const { pathname, searchParams } = new URL(url);
  const user = searchParams.get("user") ?? "";
  if (pathname === "/login") {
    await session.regenerate();
    session.owner = user;
    session.data.user = user;
    return new Response("in");
  }
  if (pathname === "/logout-everywhere") return new Response(String(await sessions.revokeAll(user)));
  if (searchParams.has("begin")) session.data.n = 1;
  return undefined;
}
