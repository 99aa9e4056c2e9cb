import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import connect from "connect";
import express from "express";
import express4 from "express4";
import fastify from "fastify";
import { session as expressSession } from "../../src/adapters/express.ts";
import { session as fastifySession } from "../../src/adapters/fastify.ts";
import { session as fetchSession } from "../../src/adapters/fetch.ts";
import { session as nodeSession } from "../../src/adapters/node.ts";
import type { Session, Sessions } from "../../src/index.ts";

/** What the routes of the tests keep. */
export interface Data {
  n: number;
  [key: `key${number}`]: number;
  user: string;
}

/** An answer that every framework can give. A stream's chunks are sent one by one. */
export interface Answer {
  status?: number;
  headers?: Record<string, string>;
  body?: string;
  stream?: () => AsyncIterable<string>;
}

export type Route = (session: Session<Data>, url: URL) => Answer | Promise<Answer>;

export interface App {
  url: string;
  close(): Promise<void>;
}

/** Serves one route function through each framework: the same application, behind every adapter. */
export const frameworks: Record<string, (sessions: Sessions<Data>, route: Route) => Promise<App>> = {
  node: (sessions, route) =>
    listen(
      createServer(
        nodeSession(sessions)(async (req, res) => {
          const { status, headers, body, stream } = await route(req.session, urlOf(req.url));
          res.writeHead(status ?? 200, headers);
          if (stream) Readable.from(stream()).pipe(res);
          else res.end(body);
        }),
      ),
    ),

  express: (sessions, route) => listen(createServer(expressApp(express(), sessions, route))),
  "express 4": (sessions, route) => listen(createServer(expressApp(express4(), sessions, route))),

  connect: (sessions, route) => {
    const app = connect();
    app.use(expressSession(sessions));
    app.use((req, res, next) => {
      const { session } = req as unknown as { session: Session<Data> };
      Promise.resolve(route(session, urlOf(req.url))).then(({ status = 200, headers, body, stream }) => {
        res.statusCode = status;
        for (const [name, value] of Object.entries(headers ?? {})) res.setHeader(name, value);
        if (stream) Readable.from(stream()).pipe(res);
        else res.end(body);
      }, next);
    });
    return listen(createServer(app));
  },

  fastify: async (sessions, route) => {
    const app = fastify();
    await app.register(fastifySession(sessions));
    app.all("/*", async (request, reply) => {
      const { status, headers, body, stream } = await route(
        request.session as unknown as Session<Data>,
        urlOf(request.url),
      );
      reply.code(status ?? 200).headers(headers ?? {});
      return reply.send(stream ? Readable.from(stream()) : body);
    });
    return { url: await app.listen({ host: "127.0.0.1", port: 0 }), close: () => app.close() };
  },

  fetch: (sessions, route) => {
    const handle = fetchSession(sessions)(async (request, session) => {
      const { status, headers, body, stream } = await route(
        session,
        urlOf(new URL(request.url).pathname + new URL(request.url).search),
      );
      const content = stream ? ReadableStream.from(encoded(stream())) : body;
      return new Response(content, { status: status ?? 200, headers: headers ?? {} });
    });
    return listen(createServer(throughFetch(handle)));
  },
};

function expressApp(app: express.Express, sessions: Sessions<Data>, route: Route): RequestListener {
  app.use(expressSession(sessions));
  app.use((req, res, next) => {
    Promise.resolve()
      .then(() => route(req.session as unknown as Session<Data>, urlOf(req.originalUrl)))
      .then(({ status, headers, body, stream }) => {
        res.status(status ?? 200).set(headers ?? {});
        if (stream) Readable.from(stream()).pipe(res);
        else res.end(body);
      })
      .catch(next);
  });
  app.use(((error, _req, res, _next) => {
    res.status(error.status ?? 500).send(String(error.message));
  }) as express.ErrorRequestHandler);
  return app as unknown as RequestListener;
}

/** The few lines that a fetch runtime is made of: a Node request in, a Response out. */
export function throughFetch(handle: (request: Request) => Promise<Response>): RequestListener {
  return async (req, res) => {
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
  };
}

async function* encoded(texts: AsyncIterable<string>): AsyncIterable<Uint8Array> {
  for await (const text of texts) yield new TextEncoder().encode(text);
}

function urlOf(path: string | undefined): URL {
  return new URL(path ?? "/", "http://localhost");
}

export async function listen(server: Server): Promise<App> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A browser's part: keeps the cookie that the application hands out. */
export class Browser {
  readonly #base: string;
  cookie: string | undefined;

  constructor(base: string, cookie?: string) {
    this.#base = base;
    this.cookie = cookie;
  }

  async get(path: string, init: RequestInit = {}): Promise<Response & { setCookies: string[] }> {
    const headers = { ...(this.cookie === undefined ? {} : { cookie: this.cookie }), ...(init.headers as object) };
    const response = await fetch(this.#base + path, { redirect: "manual", ...init, headers });
    const setCookies = response.headers.getSetCookie();
    for (const cookie of setCookies) {
      this.cookie = /Max-Age=0/.test(cookie) ? undefined : cookie.split(";")[0];
    }
    return Object.assign(response, { setCookies });
  }

  async text(path: string): Promise<string> {
    return (await this.get(path)).text();
  }
}
