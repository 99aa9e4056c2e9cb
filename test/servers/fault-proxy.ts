// An HTTP proxy that injects faults.
import http from "node:http";
import https from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./process.ts";

/** A request on its way through the proxy. */
export interface ProxiedRequest {
  method: string;
  /** With the query. */
  path: string;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

export interface ProxiedAnswer {
  status: number;
  headers: http.IncomingHttpHeaders | http.OutgoingHttpHeaders;
  body: Buffer | string;
}

/**
 * What to do with a request: answer it instead of the server, cut the connection before the request reaches the server,
 * forward it and cut the connection instead of answering, answer late, or change the answer. Undefined forwards it.
 */
export type Fault =
  | Partial<ProxiedAnswer>
  | "cut"
  | "lose the answer"
  | { delay: number }
  | ((answer: ProxiedAnswer) => ProxiedAnswer)
  | undefined;

/** A loopback server in front of another one. It injects faults on demand and records requests. */
export interface FaultProxy {
  readonly port: number;
  /** All requests, in order. Empty it with `requests.length = 0`. */
  readonly requests: ProxiedRequest[];
  /** The number of open connections. */
  readonly connections: number;
  /** Called for each request while it is set. */
  fault: ((request: ProxiedRequest) => Fault) | undefined;
  /** Refuses new connections and cuts the open ones, as a server does that goes down. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export interface FaultProxyOptions {
  /** Serve https. */
  tls?: { key: string; cert: string };
  /** Changes every answer. Undefined leaves an answer as it is. */
  rewrite?: (request: ProxiedRequest, body: Buffer | string, port: number) => string | undefined;
}

/** Starts a proxy in this process, in front of `http://127.0.0.1:<target>`. */
export async function startFaultProxy(target: number, { tls, rewrite }: FaultProxyOptions = {}): Promise<FaultProxy> {
  const sockets = new Set<Socket>();
  const agent = new http.Agent({ keepAlive: true });
  const listener: http.RequestListener = (request, response) => {
    handle(request, response).catch(() => response.destroy());
  };
  const server = tls ? https.createServer(tls, listener) : http.createServer(listener);
  // An idle connection that ends just when it is used again would be a fault that no test asked for.
  server.keepAliveTimeout = 0;
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });

  async function handle(incoming: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const request: ProxiedRequest = {
      method: incoming.method!,
      path: incoming.url!,
      headers: incoming.headers,
      body: await whole(incoming),
    };
    proxy.requests.push(request);
    const fault = proxy.fault?.(request);
    if (fault === "cut") return void incoming.socket.destroy();
    if (typeof fault === "object") {
      if ("delay" in fault) await sleep(fault.delay);
      else return send(response, { status: 500, headers: {}, body: "", ...fault });
    }
    const answer = await forward(request);
    if (fault === "lose the answer") return void incoming.socket.destroy();
    answer.body = rewrite?.(request, answer.body, port) ?? answer.body;
    send(response, typeof fault === "function" ? fault(answer) : answer);
  }

  async function forward({ method, path, headers: given, body }: ProxiedRequest): Promise<ProxiedAnswer> {
    const { "transfer-encoding": _, connection: __, "content-length": ___, ...headers } = given;
    if (body.length > 0) headers["content-length"] = String(body.length);
    return new Promise((resolve, reject) => {
      const outgoing = http.request({ host: "127.0.0.1", port: target, method, path, headers, agent }, (answer) => {
        whole(answer).then(
          (body) => resolve({ status: answer.statusCode!, headers: answer.headers, body }),
          (error) => reject(error),
        );
      });
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  }

  const port = await freePort();
  const proxy: FaultProxy = {
    port,
    requests: [],
    fault: undefined,
    get connections() {
      return sockets.size;
    },
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
      agent.destroy();
    },
    start: () =>
      new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen(port, "127.0.0.1", () => resolve());
      }),
  };
  await proxy.start();
  return proxy;
}

/** The port that a server listens on. */
export function portOf(server: http.Server): number {
  return (server.address() as AddressInfo).port;
}

function send(response: http.ServerResponse, { status, headers, body }: ProxiedAnswer): void {
  const { "transfer-encoding": _, connection: __, "content-length": ___, ...rest } = headers;
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  response.writeHead(status, status === 204 ? rest : { ...rest, "content-length": bytes.length });
  response.end(bytes);
}

async function whole(stream: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
