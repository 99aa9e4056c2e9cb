// What the tests of sockets share: a store with or without announcements, servers over it, and clients.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket, WebSocketServer } from "ws";
import { session as onNode } from "../../../src/adapters/node.ts";
import { type SessionSocket, session, type WsOptions } from "../../../src/adapters/ws.ts";
import { createSessions, type SessionStore, type Sessions, type SessionsOptions } from "../../../src/index.ts";
import { memory } from "../../../src/stores/memory/index.ts";
import { SECRET, type WatchedStore, watched } from "../../support/stores.ts";

export interface Data {
  n: number;
  user: string;
}

/** Stores that count their calls. */
export const stores: Record<string, () => WatchedStore & SessionStore> = {
  "that announces changes": () => {
    const inner = memory();
    return Object.assign(watched(inner), { watch: inner.watch! });
  },
  "that announces nothing": () => watched(memory()),
};

export function sessionsWith(store: SessionStore, options: Partial<SessionsOptions<Data>> = {}): Sessions<Data> {
  return createSessions<Data>({ store, secret: SECRET, cookie: { secure: false }, sweepInterval: false, ...options });
}

/** A session of this user. Returns its cookie. */
export async function signedIn(sessions: Sessions<Data>, user: string): Promise<string> {
  const session = await sessions.open(null);
  session.owner = user;
  session.data.user = user;
  session.data.n = 1;
  return (await session.commit())[0]!.split(";")[0]!;
}

export interface App {
  readonly wss: WebSocketServer;
  readonly server: Server;
  readonly url: string;
  close(): Promise<void>;
}

/** A server of ws. Each of its sockets answers `data` with its session's data, and adds to `n` at any other message. */
export async function wsServer(sessions: Sessions<Data>, options: WsOptions<Data> = {}): Promise<App> {
  const wss = new WebSocketServer({ noServer: true });
  const server = createServer(onNode(sessions)((req, res) => res.end(String(req.session.data.n))));
  server.on("upgrade", session(sessions, options)(wss));
  wss.on("connection", (client) => {
    const socket = client as unknown as SessionSocket<Data>;
    client.on("message", async (message) => {
      const text = String(message);
      if (text === "data") client.send(JSON.stringify(socket.session.data));
      else {
        const n = await socket.session.use((session) => session.update("n", (n = 0) => n + 1)).catch(String);
        client.send(String(n));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    wss,
    server,
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      for (const client of wss.clients) client.terminate();
      wss.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A connected client, with what became of it. */
export interface Client {
  readonly socket: WebSocket;
  readonly setCookies: string[];
  /** Those of the handshake's response. */
  headers: IncomingHttpHeaders;
  /** Undefined while it is open. */
  closed: { code: number; reason: string; at: number } | undefined;
  /** Sends a message, and gives the answer. */
  ask(message: string): Promise<string>;
}

/** @throws Error with the `status` of a handshake that was refused. */
export async function openSocket(url: string, cookie?: string, headers: object = {}): Promise<Client> {
  const socket = new WebSocket(url, { headers: { ...headers, ...(cookie !== undefined && { cookie }) } });
  const setCookies: string[] = [];
  socket.on("upgrade", ({ headers }) => {
    client.headers = headers;
    setCookies.push(...(headers["set-cookie"] ?? []));
  });
  const client: Client = {
    socket,
    setCookies,
    headers: {},
    closed: undefined,
    async ask(message) {
      const answer = once(socket, "message");
      socket.send(message);
      return String((await answer)[0]);
    },
  };
  socket.on("close", (code, reason) => {
    client.closed = { code, reason: String(reason), at: performance.now() };
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("unexpected-response", (_request, response) => {
      response.resume();
      const { statusCode: status, headers } = response;
      reject(Object.assign(new Error(`refused with ${status}`), { status, headers }));
      socket.terminate();
    });
    socket.on("error", reject);
  });
  return client;
}

/** Sends a handshake, complete or not, over a connection of its own. */
export async function rawHandshake(url: string, lines: readonly string[], end = "\r\n\r\n"): Promise<Socket> {
  const { port } = new URL(url);
  const socket = connect(Number(port), "127.0.0.1");
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.write(lines.join("\r\n") + end);
  return socket;
}

export const HANDSHAKE = [
  "GET / HTTP/1.1",
  "Host: 127.0.0.1",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/** Generous, since a test asserts what happens, and not how fast. */
export async function until(condition: () => unknown, ms = 10_000): Promise<void> {
  for (const end = performance.now() + ms; !(await condition()); ) {
    assert.ok(performance.now() < end, `not within ${ms} ms: ${condition}`);
    await sleep(5);
  }
}
