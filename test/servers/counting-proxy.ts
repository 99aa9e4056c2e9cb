// A TCP proxy that counts round trips.
import { connect, createServer, type Socket } from "node:net";
import { portOf } from "./fault-proxy.ts";

export interface CountingProxy {
  readonly port: number;
  /** Round trips since the last call. */
  take(): number;
  close(): Promise<void>;
}

/**
 * Forwards bytes to a server and counts round trips of any protocol: one when a client first sends, and one each time that
 * it sends after the server has. For one request at a time.
 */
export async function startCountingProxy(target: number): Promise<CountingProxy> {
  let trips = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    let isClientSending = false;
    const upstream = connect(target, "127.0.0.1");
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true);
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        client.destroy();
        upstream.destroy();
      });
    }
    client.on("data", (bytes) => {
      if (!isClientSending) trips++;
      isClientSending = true;
      upstream.write(bytes);
    });
    upstream.on("data", (bytes) => {
      isClientSending = false;
      client.write(bytes);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: portOf(server as unknown as Parameters<typeof portOf>[0]),
    take() {
      const taken = trips;
      trips = 0;
      return taken;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
