// A server of the chaos test.
import { createServer, type Server } from "node:http";
import { session } from "../../src/adapters/node.ts";
import type { RouteMode } from "../../src/adapters/options.ts";
import { createSessions, type SessionStore } from "../../src/index.ts";
import type { Command } from "./history.ts";
import { type ChaosData, type ServerOptions, serve, sessionsOptions } from "./session-data.ts";

export interface ChaosServer {
  readonly server: Server;
  /** Takes no more requests. Resolves when those under way are answered, and closes the store. */
  stop(): Promise<void>;
  /** The same without waiting for requests. */
  close(): Promise<void>;
}

/** The header `x-mode` of a request is the mode of its session, and the path is its command. */
export function chaosServer(store: SessionStore, options: ServerOptions = {}): ChaosServer {
  const sessions = createSessions<ChaosData>({ ...sessionsOptions(options), store });
  sessions.on("clockSkew", ({ offset }) => console.log(`the clock of this server is wrong by ${offset} ms`));
  const withSession = session(sessions, { mode: (request) => request.headers["x-mode"] as RouteMode });
  const server = createServer(
    withSession(async (request, response) => {
      const command = JSON.parse(decodeURIComponent(request.url!.slice(1))) as Command;
      const answer = await serve(sessions, command, request);
      response.setHeader("Content-Type", "application/json");
      if (!server.listening) response.setHeader("Connection", "close");
      response.end(JSON.stringify(answer));
    }),
  );
  async function stop(): Promise<void> {
    await new Promise((resolve) => server.close(resolve));
    await sessions.close();
  }
  return {
    server,
    stop,
    close() {
      server.closeAllConnections();
      return stop();
    },
  };
}
