// The handshakes of Engine.IO: each opens its session before it is answered.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Sessions } from "../../index.ts";
import { isHandshake } from "../engine-io.ts";
import { type Handshake, openHandshake } from "../handshake.ts";
import { failedStatus, guardSocket, refuseRequest, refuseUpgrade } from "../refused-handshake.ts";
import type { SocketOptions } from "../socket-options.ts";
import type { Headers, SocketIoServer } from "./server.ts";

type EngineRequest = IncomingMessage & { _query?: { sid?: string } };

/** Opens sessions at the handshakes of an engine. Returns the handshakes that are accepted. */
export function openHandshakes<Data extends object>(
  sessions: Sessions<Data>,
  options: SocketOptions<Data>,
  engine: SocketIoServer["engine"],
): WeakMap<IncomingMessage, Handshake<Data>> {
  const handshakes = new WeakMap<IncomingMessage, Handshake<Data>>();
  engine.use((req: EngineRequest, res: ServerResponse, next: () => void) => {
    if (req._query?.sid !== undefined || req.method !== "GET") {
      next(); // belongs to a connection that is there
      return;
    }
    const isUpgrade = isHandshake(req, res);
    const unguard = isUpgrade ? guardSocket(req.socket) : () => {};
    const refuse = (status: number) => (isUpgrade ? refuseUpgrade(req.socket, status) : refuseRequest(res, status));
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
  return handshakes;
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
