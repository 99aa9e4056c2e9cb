// The adapter for WebSockets of the package ws.

import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { WebSocket, WebSocketServer } from "ws";
import {
  type LiveEnd,
  type LiveSession,
  OptionError,
  type SessionData,
  type Sessions,
  type SessionsOptions,
} from "../index.ts";
import { type Handshake, openHandshake } from "./handshake.ts";
import { sessionsFrom } from "./options.ts";
import { failedStatus, guardSocket, refuseUpgrade } from "./refused-handshake.ts";
import { checkSocketOptions, type SocketOptions } from "./socket-options.ts";
import { heartbeat } from "./ws/heartbeat.ts";

declare module "ws" {
  interface WebSocket {
    /** The session of the socket's user. Undefined if the mode is `"none"`. */
    session: LiveSession<SessionData>;
  }
}

export interface WsOptions<Data extends object = SessionData> extends SocketOptions<Data> {}

/** A socket with sessions of another type. */
export type SessionSocket<Data extends object = SessionData> = Omit<WebSocket, "session"> & {
  session: LiveSession<Data>;
};

/** A listener for the event `upgrade` of an HTTP server. */
export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => Promise<void>;

/** The code of a connection that is closed because of a rule (RFC 6455, 7.4.1). */
const POLICY_VIOLATION = 1008;
// A client that does not answer the closing handshake is cut off. ws alone would wait for 30 seconds.
const CLOSE_TIMEOUT_MS = 1_000;

/**
 * Sessions for the package ws:
 * ```ts
 * const wss = new WebSocketServer({ noServer: true });
 * server.on("upgrade", session(sessions)(wss));
 * wss.on("connection", (socket) => {
 *   socket.on("message", (message) => socket.session.use(({ data }) => { data.last = String(message); }));
 * });
 * ```
 * `socket.session.data` is the session as it is now. When the session ends, its sockets are closed with code 1008.
 *
 * @throws OptionError if options are given and one is wrong, or the server was not made with `noServer: true`.
 */
export function session<Data extends object = SessionData>(
  sessionsOrOptions?: Sessions<Data> | SessionsOptions<Data>,
  options: WsOptions<Data> = {},
): (server: WebSocketServer) => UpgradeListener {
  checkSocketOptions(options);
  const sessions = sessionsFrom(sessionsOrOptions);

  return (server) => {
    if (server.options.noServer !== true) {
      throw new OptionError(
        "noServer",
        server.options.noServer,
        "make the server with { noServer: true }: its sessions are opened before the upgrade.",
      );
    }
    const handshakes = new WeakMap<IncomingMessage, Handshake<Data>>();
    server.on("headers", (lines, request) => {
      for (const [name, value] of handshakes.get(request)?.headers ?? []) lines.push(`${name}: ${value}`);
    });

    return async function upgrade(request, socket, head) {
      const unguard = guardSocket(socket);
      let handshake: Handshake<Data> | undefined;
      try {
        handshake = await openHandshake(sessions, options, request);
      } catch (error) {
        refuseUpgrade(socket, failedStatus(error));
        return;
      }
      if (handshake === undefined) {
        refuseUpgrade(socket, 401);
        return;
      }
      handshakes.set(request, handshake);
      unguard();
      const { follow } = handshake;
      server.handleUpgrade(request, socket, head, (client) => {
        if (follow !== undefined) attach(client, follow(heartbeat(client)));
        server.emit("connection", client, request);
      });
    };
  };
}

function attach<Data extends object>(client: WebSocket, live: LiveSession<Data>): void {
  (client as unknown as SessionSocket<Data>).session = live;
  live.on("end", (reason) => closeSocket(client, reason));
  client.on("close", () => live.stop());
}

function closeSocket(client: WebSocket, reason: LiveEnd): void {
  client.removeAllListeners("message"); // what still comes is nobody's
  client.close(POLICY_VIOLATION, `session ${reason}`);
  const cut = setTimeout(() => client.terminate(), CLOSE_TIMEOUT_MS).unref();
  client.on("close", () => clearTimeout(cut));
}
