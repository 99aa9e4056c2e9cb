import { createServer, type Server } from "node:http";
import { session } from "../../src/adapters/node.ts";
import type { RouteMode } from "../../src/adapters/options.ts";
import { createSessions, type SessionStore } from "../../src/index.ts";
import type { Ask } from "./history.ts";
import { OPTIONS, type Pockets, serve } from "./pockets.ts";

/** A server of the farm. It says in `x-mode` of a request how that uses its session, and in the path what to do. */
export function chaosServer(store: SessionStore): { server: Server; close(): Promise<void> } {
  const sessions = createSessions<Pockets>({ ...OPTIONS, store });
  const withSession = session(sessions, { mode: (request) => request.headers["x-mode"] as RouteMode });
  const server = createServer(
    withSession(async (request, response) => {
      const ask = JSON.parse(decodeURIComponent(request.url!.slice(1))) as Ask;
      const answer = await serve(sessions, ask, request);
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify(answer));
    }),
  );
  return {
    server,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await sessions.close();
    },
  };
}
