import { connect, createServer, type Socket } from "node:net";
import { freePort } from "./process.ts";

/** A loopback server in front of another one, which passes bytes on, whatever the protocol, and misbehaves on demand. */
export interface TcpProxy {
  readonly port: number;
  /** Every packet takes so many milliseconds longer, each way. */
  delay: number;
  /** While true, what the server answers is thrown away. */
  loseAnswers: boolean;
  /** Ends all connections at once, with a reset. */
  cut(): void;
  /** Says on all connections that nothing more will be answered, and goes on taking what clients send. */
  halfClose(): void;
  close(): Promise<void>;
}

/** Starts a proxy in this process, in front of `127.0.0.1:<target>`. */
export async function startTcpProxy(target: number): Promise<TcpProxy> {
  const pairs = new Set<[client: Socket, upstream: Socket]>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ port: target, host: "127.0.0.1", allowHalfOpen: true });
    const pair: [Socket, Socket] = [client, upstream];
    pairs.add(pair);
    for (const [from, to] of [pair, [upstream, client] as const]) {
      from.setNoDelay(true);
      const later = inOrder(() => proxy.delay);
      from.on("data", (bytes) => {
        if (from === upstream && proxy.loseAnswers) return;
        later(() => to.writable && to.write(bytes));
      });
      from.on("end", () => later(() => to.end()));
      from.on("error", () => {});
      from.on("close", () => {
        pairs.delete(pair);
        later(() => to.destroy());
      });
    }
  });

  const port = await freePort();
  const proxy: TcpProxy = {
    port,
    delay: 0,
    loseAnswers: false,
    cut() {
      for (const [client, upstream] of pairs) {
        client.resetAndDestroy();
        upstream.resetAndDestroy();
      }
    },
    halfClose() {
      for (const [client] of pairs) client.end();
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      proxy.cut();
      await closed;
    },
  };
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return proxy;
}

/** Does things after a delay, and none before those that came earlier, also when the delay gets shorter. */
function inOrder(delay: () => number): (act: () => void) => void {
  const waiting: { at: number; act: () => void }[] = [];

  function work(): void {
    while (waiting.length > 0 && waiting[0]!.at <= performance.now()) waiting.shift()!.act();
    if (waiting.length > 0) setTimeout(work, waiting[0]!.at - performance.now());
  }

  return (act) => {
    if (delay() === 0 && waiting.length === 0) return act();
    waiting.push({ at: performance.now() + delay(), act });
    if (waiting.length === 1) setTimeout(work, delay());
  };
}
