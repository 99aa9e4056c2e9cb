// Tests of csrf() in each framework: the same attacks, over HTTP.

import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { node } from "@elysiajs/node";
import { serve } from "@hono/node-server";
import { Elysia } from "elysia";
import express from "express";
import express4 from "express4";
import fastify from "fastify";
import { H3, toNodeHandler } from "h3";
import { Hono } from "hono";
import Koa from "koa";
import * as elysiaAdapter from "../../src/adapters/elysia.ts";
import * as expressAdapter from "../../src/adapters/express.ts";
import * as fastifyAdapter from "../../src/adapters/fastify.ts";
import * as fetchAdapter from "../../src/adapters/fetch.ts";
import * as h3Adapter from "../../src/adapters/h3.ts";
import * as honoAdapter from "../../src/adapters/hono.ts";
import * as koaAdapter from "../../src/adapters/koa.ts";
import * as nestAdapter from "../../src/adapters/nest.ts";
import * as nodeAdapter from "../../src/adapters/node.ts";
import * as routerAdapter from "../../src/adapters/react-router.ts";
import * as startAdapter from "../../src/adapters/tanstack-start.ts";
import {
  CoatcheckError,
  CsrfError,
  createSessions,
  OptionError,
  type Session,
  type Sessions,
} from "../../src/index.ts";
import { type App, Browser, listen, throughFetch } from "./apps.ts";

interface Data {
  n: number;
}

/** GET gives a token, and POST counts. */
function act(method: string, session: Session<Data>): string {
  if (method === "GET") return session.csrfToken();
  session.update("n", (n = 0) => n + 1);
  return "done";
}

const FORM = "application/x-www-form-urlencoded";
const ORIGINS = ["https://partner.example.com"];
const parsed = (type: string | undefined, body: string) =>
  type === FORM ? Object.fromEntries(new URLSearchParams(body)) : type === "application/json" ? JSON.parse(body) : {};

function expressApp(app: express.Express, sessions: Sessions<Data>): Promise<App> {
  app.use(expressAdapter.session(sessions));
  app.use(express.urlencoded({ extended: false }), express.json());
  app.use(expressAdapter.csrf({ origins: ORIGINS }));
  app.use((req, res) => void res.send(act(req.method, req.session as unknown as Session<Data>)));
  app.use(((error, _req, res, _next) => void res.sendStatus(error.status)) as express.ErrorRequestHandler);
  return listen(createServer(app as never));
}

/** Frameworks whose adapters leave bodies to the handler take the token of a header or of the query. */
const apps: Record<string, { parsesBodies: boolean; start: (sessions: Sessions<Data>) => Promise<App> }> = {
  express: { parsesBodies: true, start: (sessions) => expressApp(express(), sessions) },
  "express 4": { parsesBodies: true, start: (sessions) => expressApp(express4(), sessions) },

  fastify: {
    parsesBodies: true,
    async start(sessions) {
      const app = fastify();
      app.addContentTypeParser(FORM, { parseAs: "string" }, (_request, body, done) =>
        done(null, parsed(FORM, String(body))),
      );
      await app.register(fastifyAdapter.session(sessions));
      await app.register(fastifyAdapter.csrf({ origins: ORIGINS }));
      app.all("/", async (request) => act(request.method, request.session as unknown as Session<Data>));
      return { url: await app.listen({ host: "127.0.0.1", port: 0 }), close: () => app.close() };
    },
  },

  koa: {
    parsesBodies: true,
    async start(sessions) {
      const app = new Koa();
      app.silent = true;
      app.use(koaAdapter.session(sessions));
      app.use(async (ctx, next) => {
        Object.assign(ctx.request, { body: parsed(ctx.get("content-type"), await text(ctx.req)) });
        await next();
      });
      app.use(koaAdapter.csrf({ origins: ORIGINS }));
      app.use((ctx) => {
        ctx.body = act(ctx.method, ctx.session as unknown as Session<Data>);
      });
      return listen(createServer(app.callback()));
    },
  },

  hono: {
    parsesBodies: true,
    start(sessions) {
      const app = new Hono();
      app.onError((error, c) => ("getResponse" in error ? error.getResponse() : c.text("failed", 500)));
      app.use(honoAdapter.session(sessions));
      app.use(honoAdapter.csrf({ origins: ORIGINS }));
      app.all("/", async (c) => {
        const isForm = c.req.header("content-type") === FORM;
        if (isForm) await c.req.parseBody(); // it is still there
        return c.text(act(c.req.method, c.get("session") as unknown as Session<Data>));
      });
      return new Promise((resolve) => {
        const server = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) =>
          resolve({
            url: `http://127.0.0.1:${port}`,
            close: async () => void (server as Server).close().closeAllConnections(),
          }),
        );
      });
    },
  },

  h3: {
    parsesBodies: false,
    start(sessions) {
      const app = new H3({ silent: true });
      app.use(h3Adapter.session(sessions));
      app.use(h3Adapter.csrf({ origins: ORIGINS }));
      app.all("/", (event) => act(event.req.method, event.context.session as unknown as Session<Data>));
      return listen(createServer(toNodeHandler(app)));
    },
  },

  elysia: {
    parsesBodies: true,
    start(sessions) {
      const app = new Elysia({ adapter: node() })
        .use(elysiaAdapter.session(sessions))
        .onBeforeHandle(elysiaAdapter.csrf({ origins: ORIGINS }))
        .all("/", ({ request, session }) => act(request.method, session));
      return new Promise((resolve) => {
        app.listen({ port: 0, hostname: "127.0.0.1" }, (server) => {
          const { server: own } = (server as unknown as { node: { server: Server } }).node;
          own.once("listening", () =>
            resolve({
              url: `http://127.0.0.1:${(own.address() as { port: number }).port}`,
              close: async () => void own.close().closeAllConnections(),
            }),
          );
        });
      });
    },
  },

  fetch: {
    parsesBodies: false,
    start(sessions) {
      const check = fetchAdapter.csrf({ origins: ORIGINS });
      const handle = fetchAdapter.session(sessions)(
        check((request: Request, session: Session<Data>) => new Response(act(request.method, session))),
      );
      return listen(createServer(throughFetch(handle)));
    },
  },

  node: {
    parsesBodies: false,
    start(sessions) {
      const check = nodeAdapter.csrf({ origins: ORIGINS });
      const handle = nodeAdapter.session(sessions)(
        check<Data>((req, res) => void res.end(act(req.method!, req.session))),
      );
      return listen(createServer(handle));
    },
  },
};

for (const [name, { parsesBodies, start }] of Object.entries(apps)) {
  describe(`${name}: csrf()`, () => {
    const sessions = createSessions<Data>({ secret: "a secret for the tests of adapters", cookie: { secure: "auto" } });
    let app: App;
    let user: Browser;
    let token: string;
    before(async () => {
      app = await start(sessions);
      user = new Browser(app.url);
      token = await (await user.get("/")).text();
    });
    after(async () => {
      await app.close();
      await sessions.close();
    });

    const counted = async () => (await sessions.open(user.cookie, { mode: "readonly" })).get("n") ?? 0;
    /** The status of a POST, which counts exactly if it is 200. */
    async function status(headers: Record<string, string>, body?: string, query = ""): Promise<number> {
      const n = await counted();
      const answer = await user.get(`/${query}`, { method: "POST", headers, ...(body !== undefined && { body }) });
      assert.equal(await counted(), answer.status === 200 ? n + 1 : n);
      return answer.status;
    }

    test("lets the application's own pages through", async () => {
      assert.equal(await status({ "sec-fetch-site": "same-origin", "content-type": FORM }, "a=1"), 200);
      assert.equal(await status({ origin: app.url }), 200);
      assert.equal(await status({ origin: ORIGINS[0]!, "sec-fetch-site": "cross-site" }), 200);
    });

    test("refuses another site's forms and scripts", async () => {
      const origin = "https://evil.test";
      assert.equal(
        await status({ origin, "sec-fetch-site": "cross-site", "content-type": FORM }, `_csrf=${token}`),
        403,
      );
      assert.equal(await status({ origin, "sec-fetch-site": "same-site" }), 403);
      assert.equal(await status({ origin, "content-type": "text/plain" }, "{}"), 403);
      assert.equal(await status({ origin: "null" }), 403);
      assert.equal(await status({}), 403);
    });

    test("takes the token of a browser that does not say where it comes from", async () => {
      assert.equal(await status({ "x-csrf-token": token }), 200);
      assert.equal(await status({}, undefined, `?_csrf=${token}`), 200);
      assert.equal(await status({ "x-csrf-token": token.slice(0, -1) + (token.endsWith("A") ? "B" : "A") }), 403);
      if (!parsesBodies) return;
      assert.equal(await status({ "content-type": FORM }, `_csrf=${token}&a=1`), 200);
      assert.equal(await status({ "content-type": "application/json" }, JSON.stringify({ _csrf: token })), 200);
      assert.equal(await status({ "content-type": FORM }, "a=1"), 403);
      assert.equal(await status({ "content-type": FORM }, `_csrf=${token}&_csrf=${token}`), parsedTwice[name] ?? 403);
    });
  });
}

/** What these make of a field that comes twice: the last one, or the first. */
const parsedTwice: Record<string, number> = { fastify: 200, koa: 200, hono: 200 };

describe("csrf() where no framework runs", () => {
  const sessions = createSessions<Data>({ secret: "a secret for the tests of adapters" });
  after(() => sessions.close());
  const evil = () =>
    new Request("https://shop.example.com/", { method: "POST", headers: { "sec-fetch-site": "cross-site" } });
  const own = () =>
    new Request("https://shop.example.com/", { method: "POST", headers: { "sec-fetch-site": "same-origin" } });

  test("NestJS: a guard", async () => {
    const guard = nestAdapter.csrf();
    const contextOf = async (request: Request) => {
      const session = await sessions.open(request);
      return { switchToHttp: () => ({ getRequest: () => ({ method: "POST", session, body: {}, query: {} }) }) };
    };
    assert.equal(guard.canActivate((await contextOf(own())) as never), true);
    const forged = (await contextOf(evil())) as never;
    assert.throws(() => guard.canActivate(forged), CsrfError);
  });

  test("React Router: a middleware", async () => {
    const check = routerAdapter.csrf();
    const run = async (request: Request) => {
      const session = await sessions.open(request);
      const context = { get: (place: object) => (place === routerAdapter.sessionContext ? session : undefined) };
      return check({ request, context } as never, async () => new Response("done"));
    };
    assert.equal(await (await run(own())).text(), "done");
    await assert.rejects(run(evil()), (thrown: Response) => thrown.status === 403);
  });

  test("TanStack Start: a middleware of requests", async () => {
    const check = startAdapter.csrf();
    const run = async (request: Request) => {
      const context = { session: await sessions.open(request) };
      return check({ request, context, pathname: "/", next: () => ({ response: new Response("done") }) } as never);
    };
    assert.equal(await ((await run(own())) as { response: Response }).response.text(), "done");
    assert.equal(((await run(evil())) as Response).status, 403);
  });

  test("goes by a method that middleware before it has overridden", async () => {
    const check = expressAdapter.csrf();
    const headers = { "sec-fetch-site": "cross-site" };
    for (const [method, isRefused] of [
      ["GET", false],
      ["DELETE", true],
    ] as const) {
      const req = { method: "GET", headers, session: undefined as unknown };
      req.session = await sessions.open(req as never);
      req.method = method;
      let result: unknown;
      check(req as never, {} as never, (error) => {
        result = error;
      });
      assert.equal(result instanceof CsrfError, isRefused, method);
    }
  });

  test("without a session is an error, and no way around the check", () => {
    const check = expressAdapter.csrf();
    const run = (method: string) => {
      let result: unknown = "not called";
      check({ method, headers: {} } as never, {} as never, (error) => {
        result = error;
      });
      return result;
    };
    assert.equal(run("GET"), undefined);
    assert.match(String(run("POST")), /csrf\(\) finds no session under "session". Put session\(\) before it/);
    assert.ok(run("POST") instanceof CoatcheckError);
  });

  test("refuses wrong options when the application starts", () => {
    for (const { csrf } of [expressAdapter, fastifyAdapter, koaAdapter, honoAdapter, h3Adapter, elysiaAdapter]) {
      assert.throws(() => csrf({ origins: ["partner.example.com"] }), OptionError);
      assert.throws(() => csrf({ origin: [] } as never), /did you mean "origins"/);
    }
  });
});
