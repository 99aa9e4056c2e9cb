import { connect, createServer, type Server, type Socket } from "node:net";
import { portOf } from "./fault-proxy.ts";

/**
 * What to do with the bytes that a client has just sent.
 * - `"cut"`: cut the connection before they reach the server.
 * - `"lose the answer"`: pass them on, and cut the connection when the server answers.
 * - `"half close"`: pass them on, and end the way back at once, as a server does that is about to go.
 * - `{ late }`: cut the connection, and pass them on so many milliseconds later.
 * - `{ delay }`: pass them on, and hold the answer back for so many milliseconds.
 *
 * Nothing: let them pass.
 */
export type TcpFault = "cut" | "lose the answer" | "half close" | { late: number } | { delay: number } | undefined;

/** A loopback server in front of another one, whatever the protocol, which misbehaves on demand. */
export interface TcpFaultProxy {
  readonly port: number;
  /** Asked each time that a client has sent something. */
  fault: ((bytes: Buffer) => TcpFault) | undefined;
  /** How late all arrives that the server says, asked or not, in milliseconds. */
  lag: number;
  /** Resolves once nothing is on its way that was held back. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** Starts a proxy in this process, in front of `127.0.0.1:<target>`. */
export async function startTcpFaultProxy(target: number): Promise<TcpFaultProxy> {
  const sockets = new Set<Socket>();
  let late = 0;

  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ port: target, host: "127.0.0.1", allowHalfOpen: true });
    let onAnswer: TcpFault;
    let heldBack = Promise.resolve();
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
    client.on("end", () => upstream.end());
    client.on("close", () => {
      if (late === 0) upstream.destroy();
    });
    upstream.on("end", () => client.end());
    upstream.on("close", () => client.destroy());

    client.on("data", (bytes) => {
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
      if (onAnswer === "lose the answer") return cut();
      if (onAnswer === "half close") return;
      if (typeof onAnswer === "object" && "delay" in onAnswer) {
        const { delay } = onAnswer;
        heldBack = heldBack.then(() => new Promise((resolve) => setTimeout(resolve, delay)));
      }
      onAnswer = undefined;
      if (proxy.lag > 0) {
        const due = new Promise<void>((resolve) => setTimeout(resolve, proxy.lag));
        heldBack = heldBack.then(() => due);
      }
      // In their order, whatever is held back.
      heldBack.then(() => client.writable && client.write(bytes));
    });
  });

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy: TcpFaultProxy = {
    port: portOf(server as unknown as Parameters<typeof portOf>[0]),
    fault: undefined,
    lag: 0,
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
