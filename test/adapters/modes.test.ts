// The mode of a route, where the session is open already.

import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import express from "express";
import express4 from "express4";
import fastify from "fastify";
import { session as onExpress } from "../../src/adapters/express.ts";
import { session as onFastify } from "../../src/adapters/fastify.ts";
import { session as onFetch } from "../../src/adapters/fetch.ts";
import { session as onNode } from "../../src/adapters/node.ts";
import type { RouteMode } from "../../src/adapters/options.ts";
import { createSessions, type Mode, type Session, type Sessions } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { SECRET } from "../support/stores.ts";
import { type App, Browser, listen, throughFetch } from "./apps.ts";

interface Data {
  n: number;
  log: string[];
}

/** What the application's own middleware does, before a route. */
type Before = (session: Session<Data>) => void;
/** What a route does. */
type Route = (session: Session<Data> | undefined) => Promise<string>;
interface Application {
  mode?: Mode;
  routeMode?: RouteMode;
  before?: Before;
  route: Route;
}

let sessions: Sessions<Data>;
let app: App | undefined;
/** How many requests are inside of the route, and the most that were at the same time. */
let inside = 0;
let most = 0;

beforeEach(() => {
  inside = most = 0;
  const { sync: _, inProcess: __, ...late } = memory();
  sessions = createSessions<Data>({ store: late, secret: SECRET, cookie: { secure: false }, sweepInterval: false });
});
afterEach(async () => {
  await app?.close();
  app = undefined;
  await sessions.close();
});

async function served(listener: RequestListener): Promise<Browser> {
  app = await listen(createServer(listener));
  return new Browser(app.url);
}

/** The same application in each framework: a session for all, some work, and a route that has the session in its own mode. */
const frameworks: Record<string, (application: Application) => Promise<Browser>> = {
  node: ({ mode, routeMode, before, route }) =>
    served(
      onNode(sessions, { ...(mode && { mode }), onError })((req, res) => {
        before?.(req.session as Session<Data>);
        onNode(sessions, { ...(routeMode && { mode: routeMode }), onError })(async (req, res) => {
          res.end(await route(req.session));
        })(req, res);
      }),
    ),
  express: (application) => served(onApp(express(), application)),
  "express 4": (application) => served(onApp(express4(), application)),
  fastify: async ({ mode, routeMode, before, route }) => {
    const instance = fastify();
    await instance.register(onFastify(sessions, mode && { mode }));
    instance.addHook("onRequest", async (request) => before?.(request.session as unknown as Session<Data>));
    await instance.register(async (scope) => {
      await scope.register(onFastify(sessions, routeMode && { mode: routeMode }));
      scope.get("/*", async (request) => route(request.session as unknown as Session<Data>));
    });
    app = { url: await instance.listen({ host: "127.0.0.1", port: 0 }), close: () => instance.close() };
    return new Browser(app.url);
  },
  fetch: ({ mode, routeMode, before, route }) => {
    const inner = onFetch(sessions, { ...(routeMode && { mode: routeMode }), onError: respond })(
      async (_request, session) => new Response(await route(session)),
    );
    const outer = onFetch(sessions, { ...(mode && { mode }), onError: respond })((request, session) => {
      before?.(session);
      return inner(request);
    });
    return served(throughFetch(outer));
  },
};

function onApp(app: express.Express, { mode, routeMode, before, route }: Application): RequestListener {
  app.use(onExpress(sessions, mode && { mode }));
  app.use((req, _res, next) => {
    before?.(req.session as unknown as Session<Data>);
    next();
  });
  app.use(onExpress(sessions, routeMode && { mode: routeMode }), (req, res, next) => {
    route(req.session as unknown as Session<Data>).then((text) => res.send(text), next);
  });
  app.use(((error, req, res, _next) => onError(error, req, res)) as express.ErrorRequestHandler);
  return app as unknown as RequestListener;
}

function onError(error: unknown, _req: IncomingMessage, res: ServerResponse): void {
  res.statusCode = (error as { status?: number }).status ?? 500;
  res.end((error as Error).message);
}

function respond(error: Error): Response {
  return new Response(error.message, { status: 500 });
}

/** Reads, waits, and writes what it has read: without a lock, counts are lost. */
const count: Route = async (session) => {
  most = Math.max(most, ++inside);
  const n = session!.data.n ?? 0;
  await sleep(3);
  session!.data.n = n + 1;
  inside--;
  return String(n + 1);
};

async function begun(browser: Browser): Promise<Browser> {
  const session = await sessions.open(null);
  session.data.n = 0;
  const [cookie] = await session.commit();
  browser.cookie = cookie!.split(";")[0];
  return browser;
}

async function counted(browser: Browser): Promise<number | undefined> {
  return (await sessions.open(browser.cookie)).data.n;
}

for (const [name, serve] of Object.entries(frameworks)) {
  describe(`${name}: the route's mode wins`, () => {
    test("exclusive under merge: 10 requests at the same time count to 10", async () => {
      const browser = await begun(await serve({ routeMode: "exclusive", route: count }));
      const answers = await Promise.all(Array.from({ length: 10 }, () => browser.text("/")));
      assert.deepEqual(
        answers.map(Number).sort((one, other) => one - other),
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
      );
      assert.equal(most, 1);
      assert.equal(await counted(browser), 10);
    });

    test("exclusive under merge, whose middleware has read: the route reads what is there under the lock", async () => {
      const before: Before = (session) => void session.data.n;
      const browser = await begun(await serve({ routeMode: "exclusive", before, route: count }));
      await Promise.all(Array.from({ length: 5 }, () => browser.text("/")));
      assert.equal(await counted(browser), 5);
    });

    test("merge under exclusive: requests run at the same time", async () => {
      const browser = await begun(await serve({ mode: "exclusive", routeMode: "merge", route: count }));
      await Promise.all(Array.from({ length: 5 }, () => browser.text("/")));
      assert.ok(most > 1, "no two requests were inside at the same time");
    });

    test("readonly under merge: a write throws, and nothing is saved", async () => {
      const route: Route = async (session) => {
        assert.throws(() => session!.set("n", 5), { code: "COATCHECK_CLOSED" });
        return String(session!.data.n);
      };
      const browser = await begun(await serve({ routeMode: "readonly", route }));
      assert.equal(await browser.text("/"), "0");
    });

    test("merge under readonly: the route's writes are saved", async () => {
      const browser = await begun(await serve({ mode: "readonly", routeMode: "merge", route: count }));
      assert.equal(await browser.text("/"), "1");
      assert.equal(await counted(browser), 1);
    });

    test("none: the route has no session", async () => {
      const route: Route = async (session) => String(session);
      const browser = await begun(await serve({ routeMode: "none", route }));
      assert.equal(await browser.text("/"), "undefined");
    });

    test("no mode: the session stays as it is", async () => {
      const browser = await begun(await serve({ mode: "exclusive", route: count }));
      await Promise.all(Array.from({ length: 5 }, () => browser.text("/")));
      assert.deepEqual([most, await counted(browser)], [1, 5]);
    });

    test("after a write it is too late: an error says what to do, and the session stays free", async () => {
      const before: Before = (session) => session.data.log.push("seen");
      for (const routeMode of ["exclusive", "readonly"] as const) {
        const browser = await begun(await serve({ routeMode, before, route: count }));
        const session = await sessions.open(browser.cookie);
        session.data.log = [];
        await session.commit();
        const answer = await browser.get("/");
        assert.equal(answer.status, 500);
        const message = name === "fastify" ? ((await answer.json()) as Error).message : await answer.text();
        assert.match(message, new RegExp(`can't go on in mode "${routeMode}".*before what writes`));
        assert.equal(most, 0);
        await (await sessions.open(browser.cookie, { mode: "exclusive" })).commit();
        await app!.close();
      }
    });
  });
}
