// The recipe for Hono, on Node.

import { serve, upgradeWebSocket } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { WebSocketServer } from "ws";
import { type SessionVariables, session } from "../../../../src/adapters/hono.ts";
import type { LiveSession } from "../../../../src/index.ts";
import { type Data, route, sessions } from "./shared.ts";

type Env = { Variables: SessionVariables<Data> };

const app = new Hono<Env>();
app.use(session(sessions));
app.use(async (c, next) => {
  const response = await route(c.req.url, c.get("session"));
  if (response !== undefined) return response;
  await next();
});
app.get(
  "/ws",
  upgradeWebSocket((c: Context<Env>) => {
    let live: LiveSession<Data> | undefined;
    return {
      onOpen(_event, ws) {
        live = sessions.follow(c.get("session"));
        live.on("end", (reason) => ws.close(1008, `session ${reason}`));
      },
      async onMessage(_event, ws) {
        const n = await live?.use((session) => session.update("n", (n = 0) => n + 1)).catch(String);
        ws.send(String(n));
      },
      onClose() {
        live?.stop();
      },
    };
  }),
);

const server = new WebSocketServer({ noServer: true });
serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1", websocket: { server: server as never } }, ({ port }) =>
  console.log(`listening on port ${port}`),
);
