// What the default answers of the frameworks show of an error to strangers.

import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import { afterEach, beforeEach, describe, test } from "node:test";
import express from "express";
import fastify from "fastify";
import { session as onExpress } from "../../src/adapters/express.ts";
import { session as onFastify } from "../../src/adapters/fastify.ts";
import { session as onFetch } from "../../src/adapters/fetch.ts";
import { session as onNode } from "../../src/adapters/node.ts";
import { type CoatcheckError, createSessions, type Sessions, StoreError } from "../../src/index.ts";
import { SECRET, type WatchedStore, watched } from "../support/stores.ts";
import { type App, Browser, listen, throughFetch } from "./apps.ts";

const ADDRESS = "connect ECONNREFUSED 10.9.8.7:6379, user shopkeeper";

let store: WatchedStore;
let sessions: Sessions<{ n: number }>;
let cookie: string;
let app: App | undefined;

beforeEach(async () => {
  store = watched();
  sessions = createSessions({ store, secret: SECRET, cookie: { secure: false }, sweepInterval: false });
  const session = await sessions.open(null);
  session.data.n = 1;
  cookie = (await session.commit())[0]!.split(";")[0]!;
  store.before = () => {
    throw new StoreError(`coatcheck: Redis failed to read: ${ADDRESS}`);
  };
});
afterEach(async () => {
  await app?.close();
  app = undefined;
  await sessions.close();
});

const frameworks: Record<string, () => Promise<App>> = {
  node: () =>
    listen(
      createServer(
        onNode(sessions)((req, res) => {
          req.session.set("n" as never, 2 as never);
          res.end("never seen");
        }),
      ),
    ),
  "express in production": () => {
    const app = express();
    app.set("env", "production");
    app.use(onExpress(sessions));
    app.use((req, res) => {
      req.session.set("n" as never, 2 as never);
      res.end("never seen");
    });
    return listen(createServer(app as unknown as RequestListener));
  },
  fastify: async () => {
    const app = fastify();
    await app.register(onFastify(sessions));
    app.get("/", async (request) => {
      request.session.set("n" as never, 2 as never);
      return "never seen";
    });
    return { url: await app.listen({ host: "127.0.0.1", port: 0 }), close: () => app.close() };
  },
  fetch: () =>
    listen(
      createServer(
        throughFetch(
          onFetch(sessions)((_request, session) => {
            session.data.n = 2;
            return new Response("never seen");
          }),
        ),
      ),
    ),
};

describe("a 503 shows a fixed text", () => {
  for (const [name, serve] of Object.entries(frameworks)) {
    for (const [which, browser] of [
      ["opened", () => cookie],
      ["committed", () => undefined],
    ] as const) {
      test(`${name}: the session can't be ${which}`, async () => {
        app = await serve();
        const answer = await new Browser(app.url, browser()).get("/");
        assert.equal(answer.status, 503);
        const text = await answer.text();
        assert.match(text, /Service Unavailable/);
        assert.doesNotMatch(text, /10\.9\.8\.7|shopkeeper|Redis/);
      });
    }
  }

  test("Fastify's own error handler gets the error's class, code and status, and its cause", async () => {
    const seen: CoatcheckError[] = [];
    const app = fastify();
    await app.register(onFastify(sessions));
    app.setErrorHandler((error, _request, reply) => {
      seen.push(error as CoatcheckError);
      return reply.code(503).send("handled");
    });
    app.get("/", async () => "never seen");
    assert.equal((await app.inject({ url: "/", headers: { cookie } })).body, "handled");
    const [error] = seen;
    assert.ok(error instanceof StoreError && error instanceof Error);
    assert.deepEqual([error.name, error.code, error.status], ["StoreError", "COATCHECK_STORE", 503]);
    assert.match((error.cause as Error).message, /10\.9\.8\.7/);
    await app.close();
  });
});
