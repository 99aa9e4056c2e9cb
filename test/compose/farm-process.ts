// A server process of the farm. Each POST adds 1 to the session's count.

import { createServer } from "node:http";
import { session } from "../../src/adapters/node.ts";
import { createSessions } from "../../src/index.ts";
import { SECRET } from "../support/stores.ts";
import { storeOf } from "./spec.ts";

const sessions = createSessions<{ n: number; name: string }>({
  store: storeOf(JSON.parse(process.argv[2]!)),
  secret: SECRET,
  cookie: { secure: false },
});
const server = createServer(
  session(sessions)((req, res) => {
    if (req.url === "/logout") return req.session.destroy().then(() => res.end("bye"));
    if (req.method === "POST") req.session.update("n", (n) => (n ?? 0) + 1);
    res.end(JSON.stringify({ n: req.session.data.n, id: req.session.id }));
  }),
);
server.listen(0, "127.0.0.1", () => process.send!((server.address() as { port: number }).port));

// The graceful stop of a rolling restart: take no more requests, and finish the pending ones.
process.on("message", () => {
  server.close(async () => {
    await sessions.close();
    process.disconnect();
  });
  server.closeIdleConnections();
});
