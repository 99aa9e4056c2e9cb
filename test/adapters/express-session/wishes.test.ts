// What users of express-session ask for: its behaviour, seen, and the drop-in's.

import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { createServer, get as httpGet, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import express from "express";
import type { SessionMiddleware, SessionOptions, SessionRequest } from "../../../src/adapters/express-session/index.ts";
import { type SessionStore, StoreError } from "../../../src/index.ts";
import { memory } from "../../../src/stores/memory/index.ts";
import { redis } from "../../../src/stores/redis/index.ts";
import { type RedisServer, startRedis } from "../../servers/redis.ts";
import { type App, Browser, listen } from "../apps.ts";
import { dropIn, original } from "./both.ts";

interface Data {
  [key: string]: unknown;
  passport?: { user: unknown };
}
type Req = Omit<SessionRequest, "session"> & express.Request & { session: SessionRequest["session"] & Data };
type Route = (req: Req, res: express.Response, next: express.NextFunction) => unknown;

const BASICS = { secret: "keyboard cat", resave: false, saveUninitialized: false } satisfies SessionOptions;
let server: RedisServer;
const apps: App[] = [];
before(async () => {
  server = await startRedis();
});
after(async () => {
  for (const app of apps) await app.close().catch(() => {});
  await server.stop();
});

/** An application with its session, that counts what its handler of errors got. */
async function serve(
  middleware: SessionMiddleware,
  routes: Record<string, Route>,
): Promise<App & { browser(): Browser; errors: Error[] }> {
  const app = express();
  const errors: Error[] = [];
  app.use(middleware as express.RequestHandler);
  for (const [path, route] of Object.entries(routes)) app.get(path, (req, res, next) => route(req as never, res, next));
  app.use((error: Error & { status?: number }, _req: express.Request, res: express.Response, _next: unknown) => {
    errors.push(error);
    if (!res.headersSent) res.status(error.status ?? 500).send("failed");
  });
  const running = await listen(createServer(app));
  apps.push(running);
  return { ...running, errors, browser: () => new Browser(running.url) };
}

/** A store for express-session that takes its time to save. */
function slow(ms: number) {
  const store = new original.MemoryStore();
  const { set } = store;
  const saved: string[] = [];
  store.set = (sid, session, done) => {
    setTimeout(() => set.call(store, sid, session, () => done?.(saved.push(sid) as never & undefined)), ms);
  };
  return { store, saved };
}

/** A coatcheck store that takes its time to write, and remembers its keys. */
function slowOurs(ms: number): SessionStore & { keys: Set<string>; values: string[]; isDown: boolean } {
  const { sync: _, inProcess: __, ...inner } = memory();
  const keys = new Set<string>();
  const values: string[] = [];
  const store = {
    ...inner,
    keys,
    values,
    isDown: false,
    read(key: string, until?: number) {
      if (store.isDown) throw new StoreError("the store is down");
      return inner.read(key, until);
    },
    async create(key: string, session: Parameters<typeof inner.create>[1]) {
      if (store.isDown) throw new StoreError("the store is down");
      keys.add(key);
      values.push(Buffer.from(session.value).toString("latin1"));
      await sleep(ms);
      return inner.create(key, session);
    },
    async update(...args: Parameters<typeof inner.update>) {
      if (store.isDown) throw new StoreError("the store is down");
      await sleep(ms);
      return inner.update(...args);
    },
  };
  return store;
}

/** Resolves when the headers are here, as a browser follows a redirect without waiting for the body. */
function headersOf(url: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => httpGet(url, { headers, agent: false }, resolve).on("error", reject));
}

describe("a redirect never overtakes the save (issues 360, 309, 74, 167, 526)", () => {
  const routes: Record<string, Route> = {
    "/login": (req, res) => {
      req.session.user = "ann";
      res.redirect("/home");
    },
  };

  test("express-session sends the redirect before the session is saved", async () => {
    const { store, saved } = slow(150);
    const app = await serve(original({ ...BASICS, store: store as never }), routes);
    const res = await headersOf(`${app.url}/login`);
    assert.equal(res.statusCode, 302);
    assert.equal(saved.length, 0);
    res.resume();
    await sleep(200);
    await app.close();
  });

  for (const [kind, make] of [
    ["an existing store", () => slow(150)],
    ["a coatcheck store", () => ({ store: slowOurs(150), saved: undefined })],
  ] as const) {
    test(`the drop-in saves first, with ${kind}`, async () => {
      const { store, saved } = make();
      const app = await serve(dropIn({ ...BASICS, store: store as never }), {
        ...routes,
        "/home": (req, res) => res.send(String(req.session.user)),
      });
      const res = await headersOf(`${app.url}/login`);
      if (saved !== undefined) assert.equal(saved.length, 1);
      const cookie = res.headers["set-cookie"]![0]!.split(";")[0]!;
      assert.equal(await (await fetch(`${app.url}/home`, { headers: { cookie } })).text(), "ann");
      res.resume();
      await app.close();
    });
  }

  test("what a streamed response writes to its session after the first byte is saved before its end", async () => {
    const app = await serve(dropIn({ ...BASICS, store: slowOurs(20) }), {
      "/stream": async (req, res) => {
        req.session.begun = true;
        res.write("one ");
        await sleep(50);
        req.session.done = true;
        res.end("two");
      },
      "/look": (req, res) => res.json([req.session.begun, req.session.done]),
    });
    const browser = app.browser();
    assert.equal(await browser.text("/stream"), "one two");
    assert.equal(await browser.text("/look"), "[true,true]");
    await app.close();
  });
});

describe("methods give promises (pull request 737, issues 607, 952)", () => {
  const routes: Record<string, Route> = {
    "/": async (req, res) => {
      req.session.n = 1;
      const { id } = req.session;
      await req.session.save();
      req.session.n = 2;
      await req.session.reload();
      const { n } = req.session;
      await req.session.regenerate();
      const isNew = req.session.id !== id;
      await req.session.destroy();
      res.json([n, isNew, req.session === undefined]);
    },
    "/callbacks": (req, res, next) => {
      req.session.n = 1;
      const returned = req.session.save((error) =>
        error ? next(error) : res.send(String((returned as unknown) === req.session)),
      );
    },
  };

  test("express-session gives none", async () => {
    const app = await serve(original({ ...BASICS, store: new original.MemoryStore() }), {
      "/": (req, res) => {
        const saving = req.session.save() as unknown;
        res.send(String(saving instanceof Promise));
      },
    });
    assert.equal(await app.browser().text("/"), "false");
    await app.close();
  });

  test("the drop-in gives promises, and takes callbacks", async () => {
    for (const store of [new dropIn.MemoryStore(), new original.MemoryStore(), memory()]) {
      const app = await serve(dropIn({ ...BASICS, store: store as never }), routes);
      assert.equal(await app.browser().text("/"), "[1,true,true]");
      assert.equal(await app.browser().text("/callbacks"), "true");
      await app.close();
    }
  });

  test("a rejection that nobody awaits does not end the process", async () => {
    const store = new dropIn.MemoryStore();
    store.set = (_sid, _session, done) => done?.(new Error("full"));
    const app = await serve(dropIn({ ...BASICS, store }), {
      "/": async (req, res) => {
        req.session.save();
        const error = await req.session.save().catch((error: Error) => error.message);
        res.send(error as string);
      },
    });
    assert.equal(await app.browser().text("/"), "full");
    await app.close();
  });
});

describe("genid may be asynchronous (issue 107)", () => {
  function counting() {
    let ids = 0;
    return async () => {
      await sleep(5);
      return `id-${++ids}`;
    };
  }
  const routes: Record<string, Route> = {
    "/": (req, res) => {
      req.session.n = 1;
      res.send(String(req.sessionID));
    },
    "/again": (req, res, next) =>
      req.session.regenerate((error) => {
        if (error) return next(error);
        req.session.n = 2;
        res.send(`${req.sessionID} ${req.session.id === req.sessionID}`);
      }),
  };

  test("express-session takes the promise for the id", async () => {
    const app = await serve(original({ ...BASICS, genid: counting(), store: new original.MemoryStore() }), routes);
    assert.equal(await app.browser().text("/"), "[object Promise]");
    await app.close();
  });

  test("the drop-in waits for it, also when a session is regenerated by a store of express-session", async () => {
    for (const store of [new dropIn.MemoryStore(), new original.MemoryStore(), memory()]) {
      const app = await serve(dropIn({ ...BASICS, genid: counting(), store: store as never }), routes);
      const browser = app.browser();
      assert.equal(await browser.text("/"), "id-1");
      assert.match(browser.cookie!, /s%3Aid-1\./);
      assert.equal(await browser.text("/again"), "id-2 true");
      assert.match(browser.cookie!, /s%3Aid-2\./);
      await app.close();
    }
  });

  test("an id that can't be made is an error", async () => {
    const refusing = async () => Promise.reject(new Error("no id"));
    const app = await serve(dropIn({ ...BASICS, genid: refusing }), routes);
    assert.equal((await fetch(app.url)).status, 500);
    assert.equal(app.errors[0]?.message, "no id");
    await app.close();
  });
});

describe("all sessions of a user end (issues 865, 504; connect-redis 288)", () => {
  const routes: Record<string, Route> = {
    "/login/:user": (req, res) => {
      req.session.passport = { user: req.params.user };
      res.send("hello");
    },
    "/who": (req, res) => res.send(String(req.session.passport?.user ?? "nobody")),
  };

  for (const kind of ["memory", "redis"] as const) {
    test(`revokeAll(user), with ${kind}()`, async () => {
      const store = kind === "memory" ? memory() : redis({ url: server.url, prefix: "revoke:" });
      const middleware = dropIn({ ...BASICS, store });
      const app = await serve(middleware, routes);
      const [phone, laptop, other] = [app.browser(), app.browser(), app.browser()];
      await phone.text("/login/ann");
      await laptop.text("/login/ann");
      await other.text("/login/bob");
      assert.equal(await middleware.revokeAll("ann"), 2);
      assert.deepEqual(
        [await phone.text("/who"), await laptop.text("/who"), await other.text("/who")],
        ["nobody", "nobody", "bob"],
      );
      await app.close();
      await middleware.close();
    });
  }

  test("the option owner names the user of applications without Passport", async () => {
    const middleware = dropIn({
      ...BASICS,
      store: memory(),
      owner: (session) => (session as unknown as Data).name as string,
    });
    const app = await serve(middleware, {
      "/login": (req, res) => {
        req.session.name = "ann";
        res.send("hello");
      },
      "/who": (req, res) => res.send(String(req.session.name)),
    });
    const browser = app.browser();
    await browser.text("/login");
    assert.equal(await middleware.revokeAll("ann"), 1);
    assert.equal(await browser.text("/who"), "undefined");
    await app.close();
  });

  test("an existing store can't, and says so", async () => {
    await assert.rejects(dropIn({ ...BASICS }).revokeAll("ann"), /revokeAll\(\) needs a store with list\(\)/);
  });
});

describe("the store knows no id, and no value (issues 830, 646, 721)", () => {
  const routes: Record<string, Route> = {
    "/": (req, res) => {
      req.session.card = "4111";
      res.send(req.sessionID);
    },
  };

  test("express-session stores the id as it is in the cookie", async () => {
    const store = new original.MemoryStore();
    const app = await serve(original({ ...BASICS, store }), routes);
    const id = await app.browser().text("/");
    assert.deepEqual(Object.keys((store as unknown as { sessions: object }).sessions), [id]);
    await app.close();
  });

  test("the drop-in stores a hash of it, and a sealed value", async () => {
    const store = slowOurs(0);
    const app = await serve(dropIn({ ...BASICS, store }), routes);
    const browser = app.browser();
    const id = await browser.text("/");
    const [key] = [...store.keys];
    assert.match(browser.cookie!, new RegExp(`s%3A${id}\\.`));
    assert.ok(!key!.includes(id.slice(0, 8)) && !id.includes(key!));
    assert.ok(!store.values.some((value) => value.includes("4111")));
    await app.close();
  });
});

describe("a logout is final (issues 632, 830; connect-redis 328)", () => {
  function routes(started: EventEmitter): Record<string, Route> {
    return {
      "/login": (req, res) => {
        req.session.user = "ann";
        res.send("hello");
      },
      "/slow": async (req, res) => {
        started.emit("slow");
        await sleep(100);
        req.session.seen = true;
        res.send("seen");
      },
      "/logout": (req, res, next) => req.session.destroy((error) => (error ? next(error) : res.send("bye"))),
      "/who": (req, res) => res.send(String(req.session.user)),
    };
  }

  async function afterLogout(middleware: SessionMiddleware): Promise<string> {
    const started = new EventEmitter();
    const app = await serve(middleware, routes(started));
    const browser = app.browser();
    await browser.text("/login");
    const { cookie } = browser;
    const isSlow = new Promise((resolve) => started.once("slow", resolve));
    const slow = fetch(`${app.url}/slow`, { headers: { cookie } });
    await isSlow;
    await fetch(`${app.url}/logout`, { headers: { cookie } });
    assert.equal(await (await slow).text(), "seen");
    const who = await (await fetch(`${app.url}/who`, { headers: { cookie } })).text();
    await app.close();
    return who;
  }

  test("in express-session a request under way brings the session back", async () => {
    assert.equal(await afterLogout(original({ ...BASICS, store: new original.MemoryStore() })), "ann");
  });

  test("with a coatcheck store it stays ended", async () => {
    assert.equal(await afterLogout(dropIn({ ...BASICS, store: memory() })), "undefined");
    const onRedis = dropIn({ ...BASICS, store: redis({ url: server.url, prefix: "logout:" }) });
    assert.equal(await afterLogout(onRedis), "undefined");
    await onRedis.close();
  });
});

describe("parallel requests keep each other's keys (connect-redis 333, 75; issue 361)", () => {
  const routes: Record<string, Route> = {
    "/begin": (req, res) => {
      req.session.begun = true;
      req.session.old = 1;
      res.send("begun");
    },
    "/set/:key": async (req, res) => {
      await sleep(20);
      req.session[String(req.params.key)] = true;
      if (req.params.key === "k0") delete req.session.old;
      res.send("set");
    },
    "/keys": (req, res) =>
      res.send(
        Object.keys(req.session)
          .filter((key) => key !== "cookie")
          .sort()
          .join(),
      ),
  };
  const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);

  async function keysAfter(middleware: SessionMiddleware): Promise<string[]> {
    const app = await serve(middleware, routes);
    const browser = app.browser();
    await browser.text("/begin");
    const headers = { cookie: browser.cookie };
    await Promise.all(keys.map(async (key) => (await fetch(`${app.url}/set/${key}`, { headers })).text()));
    const found = (await browser.text("/keys")).split(",");
    await app.close();
    return found;
  }

  test("in express-session one of them wins", async () => {
    assert.deepEqual((await keysAfter(original({ ...BASICS, store: new original.MemoryStore() }))).length < 20, true);
  });

  test("with a coatcheck store all of them do, and what one has deleted is gone", async () => {
    const all = ["begun", ...keys].sort();
    assert.deepEqual(await keysAfter(dropIn({ ...BASICS, store: memory() })), all);
    const onRedis = dropIn({ ...BASICS, store: redis({ url: server.url, prefix: "keys:" }) });
    assert.deepEqual(await keysAfter(onRedis), all);
    await onRedis.close();
  });

  test("also where they run on two servers", async () => {
    const middlewares = [0, 1].map(() => dropIn({ ...BASICS, store: redis({ url: server.url, prefix: "two:" }) }));
    const apps = await Promise.all(middlewares.map((middleware) => serve(middleware, routes)));
    const browser = apps[0]!.browser();
    await browser.text("/begin");
    const headers = { cookie: browser.cookie };
    await Promise.all(keys.map(async (key, i) => (await fetch(`${apps[i % 2]!.url}/set/${key}`, { headers })).text()));
    assert.equal(await browser.text("/keys"), ["begun", ...keys].sort().join());
    for (const app of apps) await app.close();
    for (const middleware of middlewares) await middleware.close();
  });
});

describe("an outage is an error (issues 99, 4, 78, 225, 266; connect-redis 88, 135)", () => {
  const routes: Record<string, Route> = {
    "/": (req, res) => {
      if (req.session === undefined) return res.send("no session");
      req.session.n = 1;
      res.send("done");
    },
  };

  test("express-session goes on without a session while its store is disconnected", async () => {
    const store = new original.MemoryStore();
    const app = await serve(original({ ...BASICS, store }), routes);
    store.emit("disconnect");
    assert.equal(await app.browser().text("/"), "no session");
    await app.close();
  });

  test("express-session says that all is well when it could not save", async () => {
    const store = new original.MemoryStore();
    store.set = (_sid, _session, done) => done?.(new Error("down"));
    const app = await serve(original({ ...BASICS, store }), routes);
    const res = await fetch(app.url);
    assert.deepEqual([res.status, await res.text()], [200, "done"]);
    assert.equal(app.errors[0]?.message, "down"); // too late for another answer
    await app.close();
  });

  test("with a coatcheck store the browser gets 503, and nobody is logged out", async () => {
    const store = slowOurs(0);
    const middleware = dropIn({ ...BASICS, store, storeTimeout: 300 });
    const app = await serve(middleware, { ...routes, "/n": (req, res) => res.send(String(req.session.n)) });
    const browser = app.browser();
    assert.equal(await browser.text("/"), "done");
    store.isDown = true;
    const { cookie } = browser;
    const reading = await fetch(`${app.url}/n`, { headers: { cookie } });
    assert.deepEqual([reading.status, await reading.text(), reading.headers.get("set-cookie")], [503, "failed", null]);
    const writing = await fetch(app.url);
    assert.deepEqual([writing.status, await writing.text()], [503, "failed"]);
    store.isDown = false;
    await sleep(1_500); // the circuit breaker asks again
    assert.equal(await browser.text("/n"), "1");
    await app.close();
  });
});

describe("a page that polls does not keep its user logged in (issues 114, 210, 287, 291, 583)", () => {
  const extend = (req: IncomingMessage) => !req.url!.startsWith("/poll");
  const routes: Record<string, Route> = {
    "/": (req, res) => {
      req.session.n ??= 1;
      res.send("page");
    },
    "/poll": (req, res) => res.send(String(req.session.n)),
  };

  async function polls(middleware: SessionMiddleware): Promise<[unknown, unknown]> {
    const app = await serve(middleware, routes);
    const browser = app.browser();
    await browser.text("/");
    const { cookie } = browser;
    const poll = async () => (await fetch(`${app.url}/poll`, { headers: { cookie } })).text();
    const first = await poll();
    for (let i = 0; i < 8; i++) {
      await sleep(100);
      await poll();
    }
    const last = await poll();
    await app.close();
    return [first, last];
  }
  const cookie = { maxAge: 600 };

  test("in express-session it does", async () => {
    const polled = await polls(original({ ...BASICS, cookie, store: new original.MemoryStore() }));
    assert.deepEqual(polled, ["1", "1"]);
  });

  test("extend says which requests count, with any store", async () => {
    const onRedis = redis({ url: server.url, prefix: "poll:" });
    for (const store of [new dropIn.MemoryStore(), new original.MemoryStore(), memory(), onRedis]) {
      const polled = await polls(dropIn({ ...BASICS, cookie, rolling: true, extend, store: store as never }));
      assert.deepEqual(polled, ["1", "undefined"]);
    }
    await onRedis.close();
  });

  /** How many cookies a page and a poll get. */
  async function renewed(middleware: SessionMiddleware): Promise<[page: number, poll: number]> {
    const app = await serve(middleware, routes);
    const browser = app.browser();
    await browser.text("/");
    const { cookie } = browser;
    const cookies = async (path: string) =>
      (await fetch(app.url + path, { headers: { cookie } })).headers.getSetCookie().length;
    const counts: [number, number] = [await cookies("/"), await cookies("/poll")];
    await app.close();
    return counts;
  }

  test("with rolling, express-session renews the cookie with each poll, and extend says which requests do", async () => {
    const options = { ...BASICS, cookie, rolling: true };
    assert.deepEqual(await renewed(original({ ...options, store: new original.MemoryStore() })), [1, 1]);
    for (const store of [new dropIn.MemoryStore(), memory()]) {
      assert.deepEqual(await renewed(dropIn({ ...options, extend, store: store as never })), [1, 0]);
    }
  });

  test("without it, requests extend the session, with any store", async () => {
    for (const store of [new dropIn.MemoryStore(), memory()]) {
      assert.deepEqual(await polls(dropIn({ ...BASICS, cookie, store: store as never })), ["1", "1"]);
    }
  });
});

describe("compat: 2 (issues 111, 241)", () => {
  test("takes the defaults of version 2", async () => {
    assert.throws(() => dropIn({ compat: 2 }), /option "secret" is undefined: it is required/);
    const store = new dropIn.MemoryStore();
    const app = await serve(dropIn({ compat: 2, secret: "x", store }), { "/": (_req, res) => res.send("unused") });
    const res = await fetch(app.url);
    assert.equal(res.headers.get("set-cookie"), null);
    assert.deepEqual(Object.keys(store.sessions), []);
    await app.close();
  });

  test("the end of a session takes its cookie out of the browser", async () => {
    const routes: Record<string, Route> = {
      "/": (req, res) => {
        req.session.n = 1;
        res.send("set");
      },
      "/destroy": async (req, res) => {
        await req.session.destroy();
        res.send("bye");
      },
    };
    const cookie = { path: "/", sameSite: "lax", maxAge: 60_000 } as const;
    const app = await serve(dropIn({ compat: 2, secret: "x", cookie }), routes);
    const browser = app.browser();
    await browser.text("/");
    const res = await fetch(`${app.url}/destroy`, { headers: { cookie: browser.cookie } });
    const [cleared] = res.headers.getSetCookie();
    assert.equal(cleared, "connect.sid=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax");
    await app.close();
  });
});

test("a value that is no JSON is an error, and its response is sent", async () => {
  for (const store of [new dropIn.MemoryStore(), memory(), slowOurs(0)]) {
    const app = await serve(dropIn({ ...BASICS, store: store as never }), {
      "/": (req, res) => {
        const circle: Data = {};
        circle.self = circle;
        req.session.circle = circle;
        res.send("done");
      },
      "/stream": async (req, res) => {
        req.session.n = 1n;
        res.write("begun");
        res.end();
      },
    });
    for (const path of ["/", "/stream"]) {
      const res = await fetch(app.url + path);
      assert.deepEqual([res.status, await res.text()], [500, "failed"], path);
    }
    assert.match(app.errors[0]!.message, /circular/);
  }
});

test("two middlewares on one store keep their own cookies (issues 161, 988)", async () => {
  const store = new dropIn.MemoryStore();
  const [one, two] = ["one.test", "two.test"].map((domain) => dropIn({ ...BASICS, store, cookie: { domain } }));
  const app = express();
  app.use((req, res, next) => (req.url === "/one" ? one : two)!(req, res, next));
  app.use((req, res) => {
    (req as unknown as Req).session.n = 1;
    res.send("set");
  });
  const running = createServer(app).listen(0, "127.0.0.1");
  await new Promise((resolve) => running.once("listening", resolve));
  const { port } = running.address() as AddressInfo;
  const domains = [];
  for (const path of ["one", "two"]) {
    const res = await fetch(`http://127.0.0.1:${port}/${path}`);
    domains.push(/Domain=([^;]+)/.exec(res.headers.get("set-cookie")!)![1]);
  }
  assert.deepEqual(domains, ["one.test", "two.test"]);
  running.closeAllConnections();
  running.close();
});
