// A TCP proxy that injects faults.
import { connect, createServer, type Server, type Socket } from "node:net";
import { portOf } from "./fault-proxy.ts";

/**
 * What to do with the bytes that a client has just sent.
 * - `"cut"`: cut the connection before they reach the server.
 * - `"lose the answer"`: forward them, and cut the connection when the server answers.
 * - `"half close"`: forward them, and end the client's receiving side immediately, as a server does that shuts down.
 * - `{ late }`: cut the connection, and forward them this many milliseconds later.
 * - `{ delay }`: forward them, and delay the answer by this many milliseconds.
 *
 * Undefined forwards them.
 */
export type TcpFault = "cut" | "lose the answer" | "half close" | { late: number } | { delay: number } | undefined;

/** A loopback server in front of another one, for any protocol. It injects faults on demand. */
export interface TcpFaultProxy {
  readonly port: number;
  /** The port to which new connections go. Those that are open stay where they are. */
  target: number;
  /** Called each time that a client has sent something. */
  fault: ((bytes: Buffer) => TcpFault) | undefined;
  /** Milliseconds by which everything that the server sends is delayed. */
  lag: number;
  /** Drops every present connection without a word: nothing passes any more, and neither side is told. */
  freeze(): void;
  /** Cuts every present connection, as a server does that is killed. */
  cut(): void;
  /** Resolves when all late bytes have reached the server and it has closed their connections. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** Starts a proxy in this process, in front of `127.0.0.1:<target>`. */
export async function startTcpFaultProxy(target: number): Promise<TcpFaultProxy> {
  const sockets = new Set<Socket>();
  const frozen = new WeakSet<Socket>();
  let late = 0;

  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ port: proxy.target, host: "127.0.0.1", allowHalfOpen: true });
    let onAnswer: TcpFault;
    let delayed = Promise.resolve();
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true);
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => sockets.delete(socket));
    }
    function cut(): void {
      client.destroy();
      upstream.destroy();
    }
    client.on("end", () => frozen.has(client) || upstream.end());
    client.on("close", () => {
      if (late === 0) upstream.destroy();
    });
    upstream.on("end", () => frozen.has(client) || client.end());
    upstream.on("close", () => frozen.has(client) || client.destroy());

    client.on("data", (bytes) => {
      if (frozen.has(client)) return;
      const fault = proxy.fault?.(bytes);
      if (fault === "cut") return cut();
      if (typeof fault === "object" && "late" in fault) {
        late++;
        client.destroy();
        setTimeout(() => {
          upstream.end(bytes);
          upstream.once("close", () => late--);
        }, fault.late);
        return;
      }
      if (fault !== undefined) onAnswer = fault;
      upstream.write(bytes);
      if (fault === "half close") client.end();
    });

    upstream.on("data", (bytes) => {
      if (frozen.has(client)) return;
      if (onAnswer === "lose the answer") return cut();
      if (onAnswer === "half close") return;
      if (typeof onAnswer === "object" && "delay" in onAnswer) {
        const { delay } = onAnswer;
        delayed = delayed.then(() => new Promise((resolve) => setTimeout(resolve, delay)));
      }
      onAnswer = undefined;
      if (proxy.lag > 0) {
        const due = new Promise<void>((resolve) => setTimeout(resolve, proxy.lag));
        delayed = delayed.then(() => due);
      }
      // In order, whatever is delayed.
      delayed.then(() => client.writable && client.write(bytes));
    });
  });

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy: TcpFaultProxy = {
    port: portOf(server as unknown as Parameters<typeof portOf>[0]),
    target,
    fault: undefined,
    lag: 0,
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    freeze() {
      for (const socket of sockets) frozen.add(socket);
    },
    async settled() {
      while (late > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    },
    close: () => closed(server, sockets),
  };
  return proxy;
}

async function closed(server: Server, sockets: Set<Socket>): Promise<void> {
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
}
