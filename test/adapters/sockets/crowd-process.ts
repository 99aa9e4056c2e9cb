// One server of the crowd: ws and Socket.IO over a Redis. It answers its parent's questions.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "socket.io";
import { WebSocketServer } from "ws";
import { session as onSocketIo } from "../../../src/adapters/socket-io.ts";
import { session as onWs } from "../../../src/adapters/ws.ts";
import { redis } from "../../../src/stores/redis/index.ts";
import { sessionsWith } from "./kit.ts";

const [url, announces] = process.argv.slice(2);
const sessions = sessionsWith(redis({ url: url!, notify: announces === "yes" }));
const server = createServer((_, res) => res.end("ok"));
const wss = new WebSocketServer({ noServer: true });
const upgrade = onWs(sessions)(wss);
const io = new Server(server, { path: "/io", destroyUpgrade: false });
onSocketIo(sessions)(io);
server.on("upgrade", (req, socket, head) => {
  if (req.url === "/ws") upgrade(req, socket, head);
});
wss.on("connection", (socket) => {
  socket.on("message", () => {
    socket.session.use((session) => session.update("n" as never, ((n: number) => n + 1) as never)).catch(() => {});
  });
});

/** What this process holds: each would grow if a connection left something behind. */
async function held() {
  global.gc?.();
  const kinds = process.getActiveResourcesInfo();
  const count = (kind: string) => kinds.filter((one) => one === kind).length;
  return {
    sockets: wss.clients.size + io.engine.clientsCount,
    connections: await new Promise<number>((resolve) => server.getConnections((_, n) => resolve(n))),
    tcp: count("TCPSocketWrap"),
    timers: count("Timeout"),
    listeners: [server, wss, io.engine, io, process].map((one) =>
      one.eventNames().reduce((sum, name) => sum + one.listenerCount(name as never), 0),
    ),
    heap: process.memoryUsage().heapUsed,
  };
}

process.on("message", async (question: string) => {
  if (question === "held") process.send!(await held());
  if (question === "stop") {
    await io.close();
    await sessions.close();
    process.disconnect();
  }
});
server.listen(0, "127.0.0.1", () => process.send!((server.address() as AddressInfo).port));
