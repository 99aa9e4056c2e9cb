// The recipe for Deno.

import type { LiveSession } from "../../../../src/index.ts";
import { type Data, route, sessions } from "./shared.ts";

/** What this file needs of Deno's types. */
interface Socket {
  onopen: () => void;
  onmessage: () => void;
  onclose: () => void;
  send(text: string): void;
  close(code: number, reason: string): void;
}
declare const Deno: {
  serve(options: object, handler: (request: Request) => Promise<Response>): unknown;
  upgradeWebSocket(request: Request): { socket: Socket; response: Response };
};

async function handle(request: Request): Promise<Response> {
  const session = await sessions.open(request);
  const answer = await route(request.url, session);
  // Before the upgrade: after it, Deno lets nobody read the request.
  const cookies = await session.commit();
  const { socket, response } =
    answer === undefined ? Deno.upgradeWebSocket(request) : { socket: undefined, response: answer };
  for (const cookie of cookies) response.headers.append("Set-Cookie", cookie);
  if (socket === undefined) return response;
  let live: LiveSession<Data> | undefined;
  socket.onopen = () => {
    live = sessions.follow(session);
    live.on("end", (reason) => socket.close(1008, `session ${reason}`));
  };
  socket.onmessage = async () => {
    const n = await live?.use((session) => session.update("n", (n = 0) => n + 1)).catch(String);
    socket.send(String(n));
  };
  socket.onclose = () => live?.stop();
  return response;
}

Deno.serve(
  {
    port: 0,
    hostname: "127.0.0.1",
    onListen: ({ port }: { port: number }) => console.log(`listening on port ${port}`),
  },
  handle,
);
