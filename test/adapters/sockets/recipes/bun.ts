// The recipe for Bun.

import type { LiveSession, Session } from "../../../../src/index.ts";
import { type Data, route, sessions } from "./shared.ts";

/** What this file needs of Bun's types. */
interface Socket {
  data: { session: Session<Data>; live?: LiveSession<Data> };
  send(text: string): void;
  close(code: number, reason: string): void;
}
interface Server {
  port: number;
  upgrade(request: Request, options: object): boolean;
}
declare const Bun: { serve(options: object): Server };

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  async fetch(request: Request, server: Server): Promise<Response | undefined> {
    const session = await sessions.open(request);
    const response = await route(request.url, session);
    const headers = new Headers();
    for (const cookie of await session.commit()) headers.append("Set-Cookie", cookie);
    if (response !== undefined) return new Response(response.body, { headers });
    if (server.upgrade(request, { headers, data: { session } })) return undefined;
    return new Response("not a WebSocket", { status: 400 });
  },
  websocket: {
    open(ws: Socket) {
      const live = sessions.follow(ws.data.session);
      live.on("end", (reason) => ws.close(1008, `session ${reason}`));
      ws.data.live = live;
    },
    async message(ws: Socket) {
      const n = await ws.data.live!.use((session) => session.update("n", (n = 0) => n + 1)).catch(String);
      ws.send(String(n));
    },
    close(ws: Socket) {
      ws.data.live?.stop();
    },
  },
});
console.log(`listening on port ${server.port}`);
