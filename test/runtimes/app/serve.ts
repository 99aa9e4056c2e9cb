// Serves the program on Node, Bun or Deno, on a free loopback port, and prints the port.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { answer } from "./app.ts";

interface Runtime {
  Bun?: {
    serve(options: {
      port: number;
      hostname: string;
      idleTimeout: number;
      fetch(request: Request): Promise<Response>;
    }): { port: number };
  };
  Deno?: {
    serve(
      options: { port: number; hostname: string; onListen(address: { port: number }): void },
      handler: (request: Request) => Promise<Response>,
    ): unknown;
  };
}

const { Bun, Deno } = globalThis as Runtime;
const hostname = "127.0.0.1";
const handle = (request: Request) => answer(request, process.env);

if (Bun) {
  print(Bun.serve({ port: 0, hostname, idleTimeout: 255, fetch: handle }).port);
} else if (Deno) {
  Deno.serve({ port: 0, hostname, onListen: ({ port }) => print(port) }, handle);
} else {
  const server = createServer(async (req, res) => {
    try {
      const headers = new Headers(req.headers as Record<string, string>);
      const gone = new AbortController();
      res.once("close", () => gone.abort());
      const url = `http://${req.headers.host}${req.url}`;
      const response = await handle(new Request(url, { method: req.method!, headers, signal: gone.signal }));
      res.statusCode = response.status;
      response.headers.forEach((value, name) => void res.appendHeader(name, value));
      for await (const chunk of response.body ?? []) res.write(chunk);
      res.end();
    } catch {
      res.writeHead(500).end();
    }
  });
  server.listen(0, hostname, () => print((server.address() as AddressInfo).port));
}

function print(port: number): void {
  console.log(`listening on port ${port}`);
}
