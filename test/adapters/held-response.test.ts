// Responses that wait for a store: what applications and libraries do to them meanwhile.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import compression from "compression";
import connect from "connect";
import express from "express";
import express4 from "express4";
import fastify from "fastify";
import { session as onExpress } from "../../src/adapters/express.ts";
import { session as onFastify } from "../../src/adapters/fastify.ts";
import { session as onFetch } from "../../src/adapters/fetch.ts";
import { session as onNode } from "../../src/adapters/node.ts";
import { createSessions, type Session, type Sessions, StoreError } from "../../src/index.ts";
import { SECRET, type WatchedStore, watched } from "../support/stores.ts";
import { type App, Browser, listen, throughFetch } from "./apps.ts";

interface Data {
  n: number;
  items: string[];
}

type Request = IncomingMessage & { session: Session<Data> };
type Handler = (req: Request, res: ServerResponse, next: (error?: unknown) => void) => unknown;

let store: WatchedStore;
let sessions: Sessions<Data>;
let app: App | undefined;

beforeEach(() => {
  store = watched();
  store.before = () => sleep(5);
  sessions = createSessions<Data>({ store, secret: SECRET, cookie: { secure: false }, sweepInterval: false });
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

/** The same handler in each framework that hands Node's response on. */
const frameworks: Record<string, (handler: Handler) => RequestListener> = {
  node: (handler) =>
    onNode(sessions, { onError: onErrorOf })((req, res) =>
      handler(req as Request, res, (error) => onErrorOf(error, req, res)),
    ),
  express: (handler) => onApp(express(), handler),
  "express 4": (handler) => onApp(express4(), handler),
  connect: (handler) => {
    const app = connect();
    app.use(onExpress(sessions));
    app.use(handler as never);
    app.use(((error: Error, req: IncomingMessage, res: ServerResponse, _next: unknown) =>
      onErrorOf(error, req, res)) as never);
    return app;
  },
};

function onApp(app: express.Express, handler: Handler): RequestListener {
  app.use(onExpress(sessions));
  app.use((req, res, next) => handler(req as never, res, next) as never);
  app.use(((error, req, res, next) => {
    if (res.headersSent) next(error);
    else onErrorOf(error, req, res);
  }) as express.ErrorRequestHandler);
  return app as unknown as RequestListener;
}

function onErrorOf(error: unknown, _req: IncomingMessage, res: ServerResponse): void {
  const { status = 500, message } = error as Error & { status?: number };
  res.statusMessage = "";
  if (res.headersSent) res.destroy();
  else res.writeHead(status, { "Content-Type": "text/plain" }).end(`handled: ${message}`);
}

for (const [name, serve] of Object.entries(frameworks)) {
  describe(`${name}: a response that waits for the store`, () => {
    test("refuses what Node refuses: the error handler answers, and nothing is saved", async () => {
      const refused: ((res: ServerResponse) => unknown)[] = [
        (res) => res.end(42 as never),
        (res) => res.write(null as never),
        (res) => res.write({} as never),
        (res) => res.writeHead(42),
        (res) => res.writeHead(200, { "bad name": "1" }),
        (res) => res.writeHead(200, { "X-A": undefined as never }),
        (res) => res.writeHead(200, ["X-A"] as never),
        (res) => Object.assign(res, { statusCode: 1000 }).end("x"),
        (res) => Object.assign(res, { statusMessage: "two\r\nlines" }).end("x"),
      ];
      let at = 0;
      const browser = await served(
        serve((req, res) => {
          req.session.data.n = 1;
          refused[at]!(res);
        }),
      );
      for (at = 0; at < refused.length; at++) {
        const answer = await browser.get("/");
        assert.equal(answer.status, 500, String(refused[at]));
        assert.match(await answer.text(), /^handled: /);
      }
      assert.deepEqual(store.calls, []);
    });

    test("passes an error of a released call to the error handler", async () => {
      const browser = await served(
        serve((req, res) => {
          req.session.data.n = 1;
          res.setHeader("Trailer", "X-A");
          res.setHeader("Content-Length", 1);
          res.end("x");
        }),
      );
      const answer = await browser.get("/");
      assert.equal(answer.status, 500);
      assert.match(await answer.text(), /^handled: Trailers are invalid/);
    });

    test("is sent if an error comes after its end", async () => {
      const browser = await served(
        serve((req, res, next) => {
          req.session.data.n = 1;
          res.statusCode = 400;
          res.end("refused");
          next(new Error("too late to show"));
        }),
      );
      const answer = await browser.get("/");
      assert.deepEqual([answer.status, await answer.text()], [400, "refused"]);
    });

    test("ignores writes after its end, but tells their callbacks", async () => {
      const errors: unknown[] = [];
      const browser = await served(
        serve((req, res) => {
          req.session.data.n = 1;
          res.end("first");
          res.write("second", (error) => errors.push((error as NodeJS.ErrnoException).code));
          res.end("third");
        }),
      );
      assert.equal(await browser.text("/"), "first");
      assert.deepEqual(errors, ["ERR_STREAM_WRITE_AFTER_END"]);
    });

    test("wakes a writer that waits for drain, also if it has flushed the headers since", async () => {
      const browser = await served(
        serve((req, res) => {
          req.session.data.n = 1;
          assert.equal(res.write("one"), false);
          res.flushHeaders();
          res.once("drain", () => res.end("two"));
        }),
      );
      assert.equal(await browser.text("/"), "onetwo");
    });

    test("keeps the headers of every response where the commit fails, and loses those of its body", async () => {
      const browser = await served(
        serve((req, res) => {
          req.session.data.n = 1;
          const headers = {
            "Access-Control-Allow-Origin": "*",
            "Strict-Transport-Security": "max-age=1",
            "Content-Security-Policy": "default-src 'self'",
            "X-Request-Id": "7",
            Vary: "Origin",
            ETag: '"1"',
            "Last-Modified": "Thu, 01 Jan 1970 00:00:00 GMT",
            "Content-Language": "en",
            "Content-Disposition": "attachment",
            "Cache-Control": "public, max-age=60",
            Location: "/elsewhere",
          };
          for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
          res.end("body");
        }),
      );
      store.before = () => {
        throw new StoreError("coatcheck: the store at 10.0.0.1 is down");
      };
      const answer = await browser.get("/");
      assert.equal(answer.status, 503);
      assert.equal(answer.headers.get("access-control-allow-origin"), "*");
      assert.equal(answer.headers.get("strict-transport-security"), "max-age=1");
      assert.equal(answer.headers.get("content-security-policy"), "default-src 'self'");
      assert.equal(answer.headers.get("x-request-id"), "7");
      for (const name of [
        "etag",
        "last-modified",
        "content-language",
        "content-disposition",
        "cache-control",
        "location",
      ]) {
        assert.equal(answer.headers.get(name), null, name);
      }
      assert.match(await answer.text(), /^handled: /);
    });

    test("tells the callbacks of a body that is not sent, since its commit fails", async () => {
      const told: string[] = [];
      const browser = await served(
        serve((req, res) => {
          req.session.data.n = 1;
          res.write("x", (error) => told.push(error!.name));
          res.end("y", () => told.push("end"));
        }),
      );
      store.before = () => {
        throw new StoreError("coatcheck: down");
      };
      assert.equal((await browser.get("/")).status, 503);
      assert.deepEqual(told, ["StoreError", "end"]);
    });

    test("ends with an error's response, whatever is written later by code that does not know", async () => {
      const told: unknown[] = [];
      const { promise: written, resolve: done } = Promise.withResolvers<void>();
      const browser = await served(
        serve(async (req, res) => {
          req.session.set("n", (() => {}) as never);
          res.write("x");
          await sleep(60);
          res.write("late", (error) => told.push((error as NodeJS.ErrnoException).code));
          res.end("later");
          done();
        }),
      );
      assert.equal((await browser.get("/")).status, 500);
      await written;
      await sleep(10);
      assert.deepEqual(told, ["ERR_STREAM_WRITE_AFTER_END"]);
    });

    test("looks sent to what looks at it", async () => {
      const seen: unknown[] = [];
      const browser = await served(
        serve((req, res) => {
          req.session.data.n = 1;
          res.write("x");
          seen.push(
            res.headersSent,
            Boolean((res as ServerResponse & { _header: unknown })._header),
            res.writableEnded,
          );
          assert.throws(() => res.setHeader("X-A", "1"), { code: "ERR_HTTP_HEADERS_SENT" });
          assert.throws(() => res.writeHead(200), { code: "ERR_HTTP_HEADERS_SENT" });
          res.end();
          seen.push(res.writableEnded);
        }),
      );
      assert.equal((await browser.get("/")).status, 200);
      assert.deepEqual(seen, [true, true, false, true]);
    });
  });
}

describe("compression 1.7", () => {
  const page = "a line of a page\n".repeat(500);

  for (const [order, use] of Object.entries({
    "before the session": [compression(), undefined],
    "after the session": [undefined, compression()],
  })) {
    test(`${order}: streams a page, and the cookie comes with it`, async () => {
      const app = express();
      if (use[0]) app.use(use[0]);
      app.use(onExpress(sessions));
      if (use[1]) app.use(use[1]);
      app.use(async (req, res) => {
        (req.session as unknown as Session<Data>).data.n = 1;
        res.type("text/plain");
        for (let i = 0; i < 4; i++) {
          res.write(page);
          await sleep(2);
        }
        res.end(page);
      });
      const browser = await served(app as unknown as RequestListener);
      const answer = await browser.get("/");
      assert.equal(answer.headers.get("content-encoding"), "gzip");
      assert.equal(await answer.text(), page.repeat(5));
      assert.equal(answer.setCookies.length, 1);
    });
  }
});

describe("two kinds of sessions on one response", () => {
  let admins: Sessions<Data>;
  let adminStore: WatchedStore;
  beforeEach(() => {
    adminStore = watched();
    adminStore.before = () => sleep(2);
    admins = createSessions<Data>({
      store: adminStore,
      secret: SECRET,
      cookie: { secure: false, name: "admin" },
      sweepInterval: false,
    });
  });
  afterEach(() => admins.close());

  const handler = (users: Session<Data>, admins: Session<Data>, path: string): string => {
    if (path.includes("user")) users.data.n = (users.data.n ?? 0) + 1;
    if (path.includes("admin")) admins.data.n = (admins.data.n ?? 0) + 10;
    return `${users.data.n} ${admins.data.n}`;
  };
  type Both = IncomingMessage & { session: Session<Data>; adminSession: Session<Data> };

  const both: Record<string, () => Promise<Browser>> = {
    node: () =>
      served((req, res) =>
        onNode(sessions)((req, res) =>
          onNode(admins, { property: "adminSession" })((req, res) => {
            const { session, adminSession, url } = req as Both;
            res.end(handler(session, adminSession, url!));
          })(req, res),
        )(req, res),
      ),
    express: () => {
      const app = express();
      app.use(onExpress(sessions), onExpress(admins, { property: "adminSession" }));
      app.use((req, res) => {
        const { session, adminSession } = req as unknown as Both;
        res.send(handler(session, adminSession, req.url));
      });
      return served(app as unknown as RequestListener);
    },
    fastify: async () => {
      const instance = fastify();
      await instance.register(onFastify(sessions));
      await instance.register(onFastify(admins, { property: "adminSession" }));
      instance.get("/*", async (request) => {
        const { session, adminSession } = request as unknown as Both;
        return handler(session, adminSession, request.url);
      });
      app = { url: await instance.listen({ host: "127.0.0.1", port: 0 }), close: () => instance.close() };
      return new Browser(app.url);
    },
    fetch: () => {
      const inner = (users: Session<Data>) =>
        onFetch(admins)((request, admins) => new Response(handler(users, admins, request.url)));
      return served(throughFetch(onFetch(sessions)((request, users) => inner(users)(request))));
    },
  };

  for (const [name, serve] of Object.entries(both)) {
    test(`${name}: each has its own cookie, and is saved`, async () => {
      const browser = await serve();
      const first = await browser.get("/user-admin");
      assert.equal(await first.text(), "1 10");
      assert.deepEqual(first.setCookies.map((cookie) => cookie.split("=")[0]).sort(), ["admin", "sid"]);
      browser.cookie = first.setCookies.map((cookie) => cookie.split(";")[0]).join("; ");
      const second = await browser.get("/admin");
      assert.equal(await second.text(), "1 20");
      assert.deepEqual(second.setCookies, []);
      assert.equal(await browser.text("/user"), "2 20");
    });

    test(`${name}: if one can't be committed, the other's cookie still arrives`, async () => {
      const browser = await serve();
      adminStore.before = () => {
        throw new StoreError("coatcheck: down");
      };
      const answer = await browser.get("/user-admin");
      assert.equal(answer.status, 503);
      // To the adapter around it, a fetch handler that answers 503 has failed: nothing of its session is saved.
      const names = answer.setCookies.map((cookie) => cookie.split("=")[0]);
      assert.deepEqual(names, name === "fetch" ? [] : ["sid"]);
    });
  }

  test("with one cookie for both, a warning says so", async () => {
    const others = createSessions<Data>({ store: watched(), secret: SECRET, cookie: { secure: false } });
    const app = express();
    app.use(onExpress(sessions), onExpress(others, { property: "otherSession" }));
    app.use((req, res) => {
      const { session, otherSession } = req as unknown as { session: Session<Data>; otherSession: Session<Data> };
      session.data.n = otherSession.data.n = 1;
      res.end();
    });
    const browser = await served(app as unknown as RequestListener);
    const warned = once(process, "warning");
    await browser.get("/");
    const [warning] = await warned;
    assert.match(warning.message, /two sessions of one response have the same cookie "sid".*cookie: \{ name \}/);
    await others.close();
  });

  test("under one name they are an error that says so", async () => {
    const app = express();
    app.use(onExpress(sessions), onExpress(admins));
    app.use((_req, res) => void res.send("never seen"));
    app.use(((error, _req, res, _next) => void res.status(500).send(error.message)) as express.ErrorRequestHandler);
    const browser = await served(app as unknown as RequestListener);
    assert.match(await browser.text("/"), /req\.session is a session of other sessions.*property/);

    const instance = fastify();
    await instance.register(onFastify(sessions));
    await assert.rejects(async () => instance.register(onFastify(admins)), /session of other sessions|property/);
    await instance.close();
  });
});

test("what another package has put at req.session is an error that says so", async () => {
  const app = express();
  app.use((req, _res, next) => {
    (req as unknown as { session: object }).session = { cookie: {} };
    next();
  });
  app.use(onExpress(sessions));
  app.use(((error, _req, res, _next) => void res.status(500).send(error.message)) as express.ErrorRequestHandler);
  const browser = await served(app as unknown as RequestListener);
  assert.match(await browser.text("/"), /req\.session is set already.*express-session.*property/);
});

describe("a session that is opened after the response has started", () => {
  test("can be read, and its cookie is an error", async () => {
    const errors: string[] = [];
    const app = express();
    app.use((_req, res, next) => {
      res.write("begun");
      next();
    });
    app.use(onExpress(sessions));
    app.use((req, res) => {
      (req.session as unknown as Session<Data>).data.n = 1;
      res.end();
    });
    app.use(((error, _req, res, _next) => {
      errors.push(error.message);
      res.destroy();
    }) as express.ErrorRequestHandler);
    const browser = await served(app as unknown as RequestListener);
    await assert.rejects(browser.text("/"));
    assert.match(errors.join(), /had started before its session was opened/);
  });
});
