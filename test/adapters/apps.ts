// The test application in each framework.

import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { node } from "@elysiajs/node";
import { serve } from "@hono/node-server";
import connect from "connect";
import { Elysia } from "elysia";
import express from "express";
import express4 from "express4";
import fastify from "fastify";
import { H3, HTTPResponse, toNodeHandler } from "h3";
import { type Context, Hono } from "hono";
import Koa from "koa";
import { session as elysiaSession } from "../../src/adapters/elysia.ts";
import { session as expressSession } from "../../src/adapters/express.ts";
import { session as fastifySession } from "../../src/adapters/fastify.ts";
import { session as fetchSession } from "../../src/adapters/fetch.ts";
import { session as h3Session } from "../../src/adapters/h3.ts";
import { session as honoSession } from "../../src/adapters/hono.ts";
import { session as koaSession } from "../../src/adapters/koa.ts";
import { session as nodeSession } from "../../src/adapters/node.ts";
import type { AdapterOptions, RouteMode } from "../../src/adapters/options.ts";
import type { Session, Sessions } from "../../src/index.ts";
import type { SuiteExceptions } from "./suite.ts";
import type { AdminData, Data, Route } from "./suite-app.ts";

export { Browser } from "./browser.ts";
export type { AdminData, Data, Route } from "./suite-app.ts";

/** What an application may have beside the users' sessions. Modes and extension go by the path. */
export interface Extras {
  admins?: Sessions<AdminData>;
  mode?: (path: string) => RouteMode | undefined;
  extend?: (path: string) => boolean;
}

export interface App {
  url: string;
  close(): Promise<void>;
}

/** Serves one route function with each framework: the same application behind every adapter. */
export const frameworks: Record<string, (sessions: Sessions<Data>, route: Route, extras?: Extras) => Promise<App>> = {
  node: (sessions, route, { admins, ...by } = {}) => {
    const inner = nodeSession(
      sessions,
      byPath(by, (req) => req.url),
    )(async (req, res) => {
      const { status, headers, body, stream } = await route(
        req.session as unknown as Session<Data>,
        urlOf(req.url),
        adminOf(req),
      );
      res.writeHead(status ?? 200, headers);
      if (stream) Readable.from(stream()).pipe(res);
      else res.end(body);
    });
    const outer = admins ? nodeSession(admins, { property: "admin" })(inner as never) : inner;
    return listen(createServer(outer));
  },

  express: (sessions, route, extras) => listen(createServer(expressApp(express(), sessions, route, extras))),
  "express 4": (sessions, route, extras) => listen(createServer(expressApp(express4(), sessions, route, extras))),

  connect: (sessions, route, { admins, ...by } = {}) => {
    const app = connect();
    app.use(
      expressSession(
        sessions,
        byPath(by, (req) => req.url),
      ),
    );
    if (admins) app.use(expressSession(admins, { property: "admin" }));
    app.use((req, res, next) => {
      const { session } = req as unknown as { session: Session<Data> };
      Promise.resolve()
        .then(() => route(session, urlOf(req.url), adminOf(req)))
        .then(({ status = 200, headers, body, stream }) => {
          res.statusCode = status;
          for (const [name, value] of Object.entries(headers ?? {})) res.setHeader(name, value);
          if (stream) Readable.from(stream()).pipe(res);
          else res.end(body);
        })
        .catch(next);
    });
    return listen(createServer(app));
  },

  fastify: async (sessions, route, { admins, ...by } = {}) => {
    const app = fastify();
    await app.register(
      fastifySession(
        sessions,
        byPath(by, (request) => request.url),
      ),
    );
    if (admins) await app.register(fastifySession(admins, { property: "admin" }));
    app.all("/*", async (request, reply) => {
      const { status, headers, body, stream } = await route(
        request.session as unknown as Session<Data>,
        urlOf(request.url),
        adminOf(request),
      );
      reply.code(status ?? 200).headers(headers ?? {});
      return reply.send(stream ? Readable.from(stream()) : body);
    });
    return { url: await app.listen({ host: "127.0.0.1", port: 0 }), close: () => app.close() };
  },

  fetch: (sessions, route, { admins, ...by } = {}) => {
    const answer = async (request: Request, session: Session<Data>, admin: Session<AdminData> | undefined) => {
      const { pathname, search } = new URL(request.url);
      const { status, headers, body, stream } = await route(session, urlOf(pathname + search), admin);
      const content = stream ? ReadableStream.from(encoded(stream())) : body;
      return new Response(content, { status: status ?? 200, headers: headers ?? {} });
    };
    const users = fetchSession(
      sessions,
      byPath(by, (request) => new URL(request.url).pathname),
    );
    const handle = admins
      ? fetchSession(admins)((request, admin) => users((request, session) => answer(request, session, admin))(request))
      : users((request, session) => answer(request, session, undefined));
    return listen(createServer(throughFetch(handle)));
  },

  koa: (sessions, route, { admins, ...by } = {}) => {
    const app = new Koa();
    app.silent = true;
    app.use(
      koaSession(
        sessions,
        byPath(by, (ctx) => ctx.path),
      ),
    );
    if (admins) app.use(koaSession(admins, { property: "admin" }));
    app.use(async (ctx) => {
      const { session } = ctx as unknown as { session: Session<Data> };
      const { status, headers, body, stream } = await route(session, urlOf(ctx.url), adminOf(ctx));
      ctx.status = status ?? 200;
      ctx.set(headers ?? {});
      if (stream) ctx.body = Readable.from(stream());
      else if (body !== undefined) ctx.body = body;
    });
    return listen(createServer(app.callback()));
  },

  hono: (sessions, route, { admins, ...by } = {}) => {
    const app = new Hono();
    app.onError((error, c) => ("getResponse" in error ? error.getResponse() : c.text("failed", 500)));
    app.use(
      honoSession(
        sessions,
        byPath(by, (c) => c.req.path),
      ),
    );
    if (admins) app.use(honoSession(admins, { property: "admin" }));
    app.all("*", async (c: Context) => {
      const url = new URL(c.req.url);
      const { session, admin } = c.var as unknown as { session: Session<Data>; admin?: Session<AdminData> };
      const { status, headers, body, stream } = await route(session, url, admin);
      const content = stream ? ReadableStream.from(encoded(stream())) : (body ?? null);
      return c.newResponse(content, (status ?? 200) as 200, headers ?? {});
    });
    return new Promise((resolve) => {
      const server = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, () =>
        resolve(running(server as Server)),
      );
    });
  },

  h3: (sessions, route, { admins, ...by } = {}) => {
    const app = new H3({ silent: true });
    app.use(
      h3Session(
        sessions,
        byPath(by, (event) => event.url.pathname),
      ),
    );
    if (admins) app.use(h3Session(admins, { property: "admin" }));
    app.all("/**", async ({ url, context }) => {
      const { session } = context as unknown as { session: Session<Data> };
      const { status, headers, body, stream } = await route(session, url, adminOf(context));
      const content = stream ? ReadableStream.from(encoded(stream())) : (body ?? "");
      return new HTTPResponse(content, { status: status ?? 200, headers: headers ?? {} });
    });
    return listen(createServer(toNodeHandler(app)));
  },

  elysia: async (sessions, route, { admins, ...by } = {}) => {
    const app = new Elysia({ adapter: node() })
      .use(
        elysiaSession(
          sessions,
          byPath(by, (request) => new URL(request.url).pathname),
        ),
      )
      .use(admins ? elysiaSession(admins, { property: "admin" }) : new Elysia())
      .all("/*", async ({ request, set, session, ...context }) => {
        const { status, headers, body, stream } = await route(session, new URL(request.url), adminOf(context));
        set.status = status ?? 200;
        for (const [name, value] of Object.entries(headers ?? {})) set.headers[name.toLowerCase()] = value;
        return stream ? ReadableStream.from(encoded(stream())) : (body ?? "");
      });
    return new Promise((resolve) => {
      // Its own `port` stays 0.
      app.listen({ port: 0, hostname: "127.0.0.1" }, (server) => {
        const { node } = server as unknown as { node: { server: Server } };
        node.server.once("listening", () => resolve(running(node.server)));
      });
    });
  },
};

/** What a framework does in another way, and why. */
export const exceptions: Record<string, SuiteExceptions> = {
  h3: { errorHeaders: "h3 sends errors with the headers in event.res.errHeaders, and no others" },
  koa: { errorHeaders: "Koa's handler of errors removes all headers" },
};

function expressApp(
  app: express.Express,
  sessions: Sessions<Data>,
  route: Route,
  { admins, ...by }: Extras = {},
): RequestListener {
  app.use(
    expressSession(
      sessions,
      byPath(by, (req) => req.url),
    ),
  );
  if (admins) app.use(expressSession(admins, { property: "admin" }));
  app.use((req, res, next) => {
    Promise.resolve()
      .then(() => route(req.session as unknown as Session<Data>, urlOf(req.originalUrl), adminOf(req)))
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

/** The options of an adapter, for a framework whose requests have their path here. */
export function byPath<Request>(
  { mode, extend }: Pick<Extras, "mode" | "extend">,
  pathOf: (request: Request) => string | undefined,
): AdapterOptions<Request> {
  return {
    ...(mode && { mode: (request) => mode(pathOf(request) ?? "/") }),
    ...(extend && { extend: (request) => extend(pathOf(request) ?? "/") }),
  };
}

function adminOf(request: object): Session<AdminData> | undefined {
  return (request as { admin?: Session<AdminData> }).admin;
}

/** A minimal fetch runtime: turns Node requests into `Request`, and sends the `Response`. */
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
  return running(server);
}

function running(server: Server): App {
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
