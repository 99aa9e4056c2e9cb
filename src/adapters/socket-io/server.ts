// What is used of a server of Socket.IO.

import type { IncomingMessage } from "node:http";
import type { Socket } from "socket.io";

/** What this adapter needs of a server of Socket.IO, whatever the types of its events. */
export interface SocketIoServer {
  readonly engine: {
    use(middleware: unknown): void;
    on(event: "initial_headers", listener: (headers: Headers, request: IncomingMessage) => void): unknown;
    on(event: "connection", listener: (connection: Conn) => void): unknown;
  };
  of(name: string): unknown;
}

/** A connection of Engine.IO, which the sockets of several namespaces share. */
export type Conn = Socket["conn"];

/** The headers of a response as Engine.IO collects them. */
export type Headers = Record<string, string | readonly string[]>;

type Namespace = {
  use(middleware: (socket: Socket, next: () => void) => void): void;
  on(event: string, listener: (of: never) => void): void;
};

/**
 * Calls `give` for each socket of every namespace, before its handlers. It may be called twice: in middleware, and again
 * since a recovered connection passes no middleware.
 */
export function beforeHandlers(io: SocketIoServer, give: (socket: Socket) => void): void {
  const main = io.of("/") as Namespace;
  giveIn(main);
  main.on("new_namespace", giveIn as (namespace: never) => void);

  function giveIn(namespace: Namespace): void {
    namespace.use((socket, next) => {
      give(socket);
      next();
    });
    namespace.on("connection", give as (socket: never) => void);
  }
}
