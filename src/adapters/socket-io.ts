// The adapter for Socket.IO 4.

import type { Socket } from "socket.io";
import { CoatcheckError, type LiveSession, type SessionData, type Sessions, type SessionsOptions } from "../index.ts";
import { sessionsFrom } from "./options.ts";
import { openHandshakes } from "./socket-io/handshakes.ts";
import { beforeHandlers, type Conn, type SocketIoServer } from "./socket-io/server.ts";
import { checkSocketOptions, type SocketOptions } from "./socket-options.ts";

export type { SocketIoServer } from "./socket-io/server.ts";

declare module "socket.io" {
  interface Socket {
    /** The session of the socket's user. Undefined if the mode is `"none"`. */
    session: LiveSession<SessionData>;
  }
}

export interface SocketIoOptions<Data extends object = SessionData> extends SocketOptions<Data> {}

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
    const handshakes = openHandshakes(sessions, options, engine);
    const connections = new WeakMap<Conn, { live: LiveSession<Data>; sockets: Set<Socket> }>();

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

    beforeHandlers(io, (socket) => {
      const found = connections.get(socket.conn);
      if (found === undefined || found.sockets.has(socket)) return;
      found.sockets.add(socket);
      socket.on("disconnect", () => found.sockets.delete(socket));
      (socket as unknown as { session: LiveSession<Data> }).session = found.live;
    });
  };
}

function disconnect(conn: Conn, sockets: ReadonlySet<Socket>): void {
  for (const socket of [...sockets]) socket.disconnect(true);
  conn.close(); // it may have no socket yet
}
