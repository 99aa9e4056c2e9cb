// The adapter for Socket.IO 4.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "socket.io";
import { CoatcheckError, type LiveSession, type SessionData, type Sessions, type SessionsOptions } from "../index.ts";
import { isHandshake } from "./engine-io.ts";
import {
  checkSocketOptions,
  failedStatus,
  failureOf,
  guardSocket,
  type Handshake,
  openHandshake,
  refuseUpgrade,
  type SocketOptions,
} from "./handshake.ts";
import { sessionsFrom } from "./options.ts";

declare module "socket.io" {
  interface Socket {
    /** The session of the socket's user. Undefined if the mode is `"none"`. */
    session: LiveSession<SessionData>;
  }
}

export interface SocketIoOptions<Data extends object = SessionData> extends SocketOptions<Data> {}

/** What this adapter needs of a server of Socket.IO, whatever the types of its events. */
export interface SocketIoServer {
  readonly engine: {
    use(middleware: unknown): void;
    on(event: "initial_headers", listener: (headers: Headers, request: IncomingMessage) => void): unknown;
    on(event: "connection", listener: (connection: Conn) => void): unknown;
  };
  of(name: string): unknown;
}

type Namespace = {
  use(middleware: (socket: Socket, next: () => void) => void): void;
  on(event: string, listener: (of: never) => void): void;
};
/** A connection of Engine.IO, which the sockets of several namespaces share. */
type Conn = Socket["conn"];
type Headers = Record<string, string | readonly string[]>;
type EngineRequest = IncomingMessage & { _query?: { sid?: string } };

/**
 * Sessions for Socket.IO: `session(sessions)(io)`, before the namespaces are made. Then
 * ```ts
 * io.on("connection", (socket) => {
 *   socket.on("add", (item) => socket.session.use(({ data }) => { data.items.push(item); }));
 * });
 * ```
 * `socket.session.data` is the session as it is now. When the session ends, its sockets are disconnected: the client gets
 * `disconnect` with the reason `io server disconnect`.
 *
 * @throws OptionError if options are given and one is wrong; CoatcheckError if `io` is not attached to a server yet.
 */
export function session<Data extends object = SessionData>(
  sessionsOrOptions?: Sessions<Data> | SessionsOptions<Data>,
  options: SocketIoOptions<Data> = {},
): (io: SocketIoServer) => void {
  checkSocketOptions(options);
  const sessions = sessionsFrom(sessionsOrOptions);

  return (io) => {
    const { engine } = io;
    if (engine === undefined) {
      throw new CoatcheckError(
        "COATCHECK_PROPERTY",
        "coatcheck: session(sessions)(io) comes after io.attach(server): only then has Socket.IO an engine.",
      );
    }
    const handshakes = new WeakMap<IncomingMessage, Handshake<Data>>();
    const connections = new WeakMap<Conn, { live: LiveSession<Data>; sockets: Set<Socket> }>();

    engine.use((req: EngineRequest, res: ServerResponse, next: () => void) => {
      if (req._query?.sid !== undefined || req.method !== "GET") {
        next(); // belongs to a connection that is there
        return;
      }
      const isUpgrade = isHandshake(req, res);
      const unguard = isUpgrade ? guardSocket(req.socket) : () => {};
      const refuse = (status: number) => (isUpgrade ? refuseUpgrade(req.socket, status) : refusePolling(res, status));
      openHandshake(sessions, options, req).then(
        (handshake) => {
          if (handshake === undefined) {
            refuse(401);
            return;
          }
          handshakes.set(req, handshake);
          unguard();
          next();
        },
        (error) => refuse(failedStatus(error)),
      );
    });

    engine.on("initial_headers", (headers: Headers, req: IncomingMessage) => {
      addHeaders(headers, handshakes.get(req)?.headers ?? [], isWebSocket(req));
    });

    engine.on("connection", (conn: Conn) => {
      const follow = handshakes.get(conn.request)?.follow;
      if (follow === undefined) return;
      // Engine.IO has a heartbeat of its own, so a client that has vanished keeps no session alive.
      const live = follow();
      const sockets = new Set<Socket>();
      connections.set(conn, { live, sockets });
      live.on("end", () => disconnect(conn, sockets));
      conn.on("close", () => live.stop());
    });

    /** In middleware, and again where a recovered connection has passed no middleware. */
    function give(socket: Socket): void {
      const found = connections.get(socket.conn);
      if (found === undefined || found.sockets.has(socket)) return;
      found.sockets.add(socket);
      socket.on("disconnect", () => found.sockets.delete(socket));
      (socket as unknown as { session: LiveSession<Data> }).session = found.live;
    }
    function useIn(namespace: Namespace): void {
      namespace.use((socket, next) => {
        give(socket);
        next();
      });
      namespace.on("connection", give as (socket: never) => void);
    }
    const main = io.of("/") as Namespace;
    useIn(main);
    main.on("new_namespace", useIn as (namespace: never) => void);
  };
}

function disconnect(conn: Conn, sockets: ReadonlySet<Socket>): void {
  for (const socket of [...sockets]) socket.disconnect(true);
  conn.close(); // it may have no socket yet
}

function refusePolling(res: ServerResponse, status: number): void {
  const { headers, text } = failureOf(status);
  res.writeHead(status, headers).end(text);
}

function isWebSocket(req: IncomingMessage): boolean {
  return req.headers.upgrade?.toLowerCase() === "websocket";
}

/**
 * Engine.IO writes the headers of an upgrade as `${name}: ${value}`, so a list of values would become one line. Names in
 * another case are other names to it.
 */
function addHeaders(headers: Headers, added: Handshake<never>["headers"], isUpgrade: boolean): void {
  for (const [name, value] of added) {
    if (isUpgrade) headers[freeName(headers, name)] = value;
    else headers[name] = headers[name] === undefined ? value : [headers[name], value].flat();
  }
}

function freeName(headers: Headers, name: string): string {
  const letters = [...name.toLowerCase()];
  for (let i = 0; headers[letters.join("")] !== undefined && i < letters.length; i++) {
    letters[i] = letters[i]!.toUpperCase();
  }
  return letters.join("");
}
