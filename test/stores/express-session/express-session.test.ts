// The adapters from and to stores of express-session.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { RedisStore } from "connect-redis";
import express from "express";
import { createClient } from "redis";
import { conformance } from "../../../src/conformance/index.ts";
import { OptionError, StoreError } from "../../../src/errors.ts";
import { createSessions } from "../../../src/index.ts";
import type { SessionStore, Version } from "../../../src/store.ts";
import { type ExpressStoreLike, fromExpressStore, toExpressStore } from "../../../src/stores/express-session/index.ts";
import { memory } from "../../../src/stores/memory/index.ts";
import { startRedis } from "../../servers/redis.ts";
import { shiftedStore } from "../../support/shifted-store.ts";

const HOUR = 3_600_000;
const expressSession = createRequire(import.meta.url)("express-session") as {
  (options: object): express.RequestHandler;
  MemoryStore: new () => ExpressStoreLike;
};

const redis = await startRedis();
const client = createClient({
  url: redis.url,
  socket: { reconnectStrategy: 50, connectTimeout: 500 },
  disableOfflineQueue: true,
});
client.on("error", () => {});
await client.connect();
after(async () => {
  client.destroy();
  await redis.stop();
});
const redisStore = new RedisStore({ client, prefix: "theirs:" }) as unknown as ExpressStoreLike;

describe("express-session's MemoryStore: conformance", () => {
  const theirs = new expressSession.MemoryStore();
  suite(() => fromExpressStore(theirs), { list: true, claimExpired: false });
});

describe("connect-redis: conformance", () => {
  suite(() => fromExpressStore(redisStore), {
    list: true,
    claimExpired: false,
    outage: {
      stop: () => redis.stop(),
      start: async () => {
        await redis.start();
        for (let tries = 0; !client.isReady && tries < 200; tries++) await sleep(20);
      },
      within: 3_000,
    },
  });
});

describe("fromExpressStore", () => {
  test("has atomic: false, and between processes the last writer wins", async () => {
    const data = new Map<string, string>();
    const [a, b] = [fromExpressStore(mapStore(data)), fromExpressStore(mapStore(data, 20))];
    assert.equal(a.atomic, false);
    const version = (await a.create("k", session("first"))) as Version;
    const answers = await Promise.all([
      b.update("k", session("late"), version),
      a.update("k", session("early"), version),
    ]);
    assert.ok(answers.every((answer) => answer !== "conflict" && answer !== "gone"));
    assert.equal(Buffer.from((await a.read("k"))!.value).toString(), "late");
  });

  test("gives the express-session store a session with a cookie, so that its own expiry works", async () => {
    const store = fromExpressStore(redisStore);
    const key = newKey();
    await store.create(key, session("coat", Date.now() + 90_000));
    assert.ok(Math.abs((await client.ttl(`theirs:${key}`)) - 90) <= 1);
    await store.touch(key, Date.now() + HOUR);
    assert.ok(Math.abs((await client.ttl(`theirs:${key}`)) - 3600) <= 1);
    const { cookie } = JSON.parse((await client.get(`theirs:${key}`))!);
    assert.ok(Math.abs(cookie.originalMaxAge - HOUR) < 2_000);
    assert.ok(Math.abs(Date.parse(cookie.expires) - Date.now() - HOUR) < 2_000);
    await store.delete(key);
    assert.equal(await client.exists(`theirs:${key}`), 0);
  });

  test("gives the cookie a maxAge, which some stores read", async () => {
    let maxAge = 0;
    const theirs = mapStore();
    const set = theirs.set;
    theirs.set = (sid, session, done) => {
      maxAge = (session as { cookie: { maxAge: number } }).cookie.maxAge;
      return set(sid, session, done);
    };
    await fromExpressStore(theirs).create("k", session());
    assert.ok(Math.abs(maxAge - HOUR) < 1_000);
  });

  test("accepts keys of any characters", async () => {
    const store = fromExpressStore(mapStore());
    const keys = ["../../etc/passwd", "a:b", "a?b#c", "\u0000", "", "é😀", "x".repeat(1_000)];
    for (const key of keys) await store.create(key, session(key));
    for (const key of keys) assert.equal(Buffer.from((await store.read(key))!.value).toString(), key);
  });

  test("turns each failure of the express-session store into a StoreError, however it is reported", async () => {
    const fault = new Error("connection lost");
    const failures: Record<string, (done: (error?: unknown) => void) => unknown> = {
      "calls back": (done) => done(fault),
      throws: () => {
        throw fault;
      },
      rejects: () => Promise.reject(fault),
      "never answers": () => {},
    };
    for (const [failure, fail] of Object.entries(failures)) {
      const broken: ExpressStoreLike = {
        get: (_, done) => fail(done),
        set: (_, __, done) => fail(done),
        destroy: (_, done) => fail(done),
        all: (done) => fail(done),
      };
      const store = fromExpressStore(broken, { timeout: 50 });
      for (const call of [
        () => store.read("k"),
        () => store.create("k", session()),
        () => store.update("k", session(), "v"),
        () => store.delete("k"),
        () => store.touch("k", Date.now()),
        () => listed(store),
      ]) {
        await assert.rejects(call, StoreError, failure);
      }
    }
    const writes: ExpressStoreLike = { ...mapStore(), set: (_, __, done) => done(fault) };
    await assert.rejects(fromExpressStore(writes).create("k", session()), /failed to create: connection lost/);
  });

  test("a call that never ends blocks the session's other calls no longer than the time limit", async () => {
    const theirs = mapStore();
    const store = fromExpressStore(
      { ...theirs, get: (sid, done) => sid !== "stuck" && theirs.get(sid, done) },
      { timeout: 100 },
    );
    const begun = Date.now();
    const [first, second, other] = await Promise.allSettled([
      store.read("stuck"),
      store.read("stuck"),
      store.read("other"),
    ]);
    assert.deepEqual([first.status, second.status, other.status], ["rejected", "rejected", "fulfilled"]);
    assert.ok(Date.now() - begun < 1_000);
  });

  test("a file store's ENOENT is a missing session", async () => {
    const missing = Object.assign(new Error("no such file"), { code: "ENOENT" });
    const store = fromExpressStore({ ...mapStore(), get: (_, done) => done(missing) });
    assert.equal(await store.read("k"), undefined);
  });

  test("a session of another library is an error", async () => {
    const theirs = mapStore(new Map([["k", '{"cookie":{},"user":"ann"}']]));
    await assert.rejects(fromExpressStore(theirs).read("k"), /is not a session of coatcheck/);
  });

  test("an object that is not a store is refused", () => {
    assert.throws(() => fromExpressStore({} as ExpressStoreLike), OptionError);
    assert.throws(() => fromExpressStore(undefined as unknown as ExpressStoreLike), OptionError);
  });

  test("works under the core", () => serves(fromExpressStore(redisStore)));
});

describe("toExpressStore", () => {
  test("works under express-session: sessions are kept, regenerated and destroyed", async () => {
    const store = memory();
    const { visit, close } = await site(toExpressStore(store));
    const ann = await visit("/count");
    assert.equal(ann.body, "1");
    assert.equal((await visit("/count", ann.cookie)).body, "2");
    assert.equal((await visit("/count")).body, "1");
    const login = await visit("/login", ann.cookie);
    assert.notEqual(login.cookie, ann.cookie);
    assert.equal((await visit("/count", login.cookie)).body, "1");
    assert.equal((await visit("/count", ann.cookie)).body, "1");
    await visit("/logout", login.cookie);
    const again = await visit("/count", login.cookie);
    assert.equal(again.body, "1");
    await close();
  });

  test("stores a session under a hash of its id", async () => {
    const store = memory();
    const { visit, close } = await site(toExpressStore(store));
    const { cookie } = await visit("/count");
    const [key] = await listed(store);
    assert.match(key!, /^[\w-]{43}$/);
    assert.ok(!decodeURIComponent(cookie!).includes(key!));
    await close();
  });

  test("a session lives as long as its cookie, and a request extends it", async () => {
    const store = memory();
    const { visit, close } = await site(toExpressStore(store), { cookie: { maxAge: 60_000 } });
    const { cookie } = await visit("/count");
    const end = async () => {
      for await (const { expiresAt } of store.list!({})) return expiresAt;
      return 0;
    };
    const first = await end();
    assert.ok(Math.abs(first - Date.now() - 60_000) < 2_000);
    await sleep(30);
    await visit("/look", cookie);
    assert.ok((await end()) > first);
    await close();
  });

  test("a session whose cookie has no expiry lives for ttl", async () => {
    const store = memory();
    await promised((done) => toExpressStore(store, { ttl: "2h" }).set("sid", { cookie: { expires: null } }, done));
    for await (const { expiresAt } of store.list!({})) assert.ok(Math.abs(expiresAt - Date.now() - 2 * HOUR) < 1_000);
  });

  test("a session lives by the store's clock, whatever the clock of this server says", async () => {
    for (const ahead of [HOUR, -HOUR]) {
      const store = shiftedStore(ahead);
      const { visit, close } = await site(toExpressStore(store), { cookie: { maxAge: 60_000 } });
      const { cookie } = await visit("/count");
      await sleep(30);
      assert.equal((await visit("/count", cookie)).body, "2");
      await visit("/look", cookie);
      for await (const { expiresAt } of store.list!({})) {
        assert.ok(Math.abs(expiresAt - (await store.time!()) - 60_000) < 5_000);
      }
      await close();
    }
  });

  test("a request that still runs when its session is destroyed does not bring it back", async () => {
    const store = memory();
    const { visit, close } = await site(toExpressStore(store));
    const { cookie } = await visit("/count");
    const slow = visit("/slow", cookie);
    await sleep(50);
    await visit("/logout", cookie);
    assert.equal((await slow).status, 200);
    assert.deepEqual(await listed(store), []);
    await close();
  });

  test("the last of two parallel requests wins, without an error", async () => {
    const { visit, close } = await site(toExpressStore(memory()));
    const { cookie } = await visit("/count");
    const answers = await Promise.all([visit("/slow", cookie), visit("/count", cookie), visit("/count", cookie)]);
    assert.ok(answers.every(({ status }) => status === 200));
    assert.equal((await visit("/look", cookie)).body, "slow");
    await close();
  });

  test("has all, length, clear and load", async () => {
    const store = toExpressStore(memory());
    const { close } = await site(store);
    for (const user of ["ann", "bob"]) {
      await promised((done) => store.set(user, { cookie: { expires: new Date(Date.now() + HOUR) }, user }, done));
    }
    const all = (await promised((done) => store.all!(done))) as { user: string }[];
    assert.deepEqual(all.map(({ user }) => user).sort(), ["ann", "bob"]);
    assert.equal(await promised((done) => store.length!(done)), 2);
    const loaded = (await promised((done) => store.load("ann", done))) as { user: string; cookie: { expires: Date } };
    assert.equal(loaded.user, "ann");
    assert.ok(loaded.cookie.expires instanceof Date);
    await promised((done) => store.clear!(done));
    assert.equal(await promised((done) => store.length!(done)), 0);
    assert.equal(await promised((done) => store.load("ann", done)), undefined);
    await close();
  });

  test("has no all, length and clear if the store has no list", () => {
    const { list: _, ...bare } = memory();
    const store = toExpressStore(bare as SessionStore);
    assert.deepEqual([store.all, store.length, store.clear], [undefined, undefined, undefined]);
    assert.ok(store instanceof EventEmitter);
  });

  test("a store that is down is an error for express-session, never a new session", async () => {
    const down = memory();
    down.read = () => Promise.reject(new StoreError("down"));
    const { visit, close } = await site(toExpressStore(down));
    assert.equal((await visit("/count", "connect.sid=s%3Aid.x")).status, 200, "a forged cookie causes no store call");
    const { cookie } = await visit("/count");
    const answer = await visit("/count", cookie);
    assert.equal(answer.status, 500);
    assert.equal(answer.cookie, undefined);
    await close();
  });
});

type Capabilities = Parameters<typeof conformance>[1];

/** Leaves out the cases with several processes: between those, the last writer wins. */
function suite(makeStore: () => SessionStore, capabilities: Capabilities): void {
  for (const { name, run } of conformance(makeStore, { watch: false, ...capabilities })) test(name, run);
}

async function serves(store: SessionStore): Promise<void> {
  const sessions = createSessions<{ user?: string }>({ store, secret: "a secret of at least 32 characters" });
  const first = await sessions.open("");
  first.data.user = "ann";
  const [setCookie] = await first.commit();
  const second = await sessions.open(setCookie!.split(";")[0]!);
  assert.equal(second.data.user, "ann");
  await second.destroy();
  await second.commit();
  const third = await sessions.open(setCookie!.split(";")[0]!);
  assert.equal(third.data.user, undefined);
  await sessions.close();
}

async function site(store: object, options: object = {}) {
  const app = express();
  app.use(expressSession({ secret: "keyboard cat", resave: false, saveUninitialized: false, store, ...options }));
  type Request = express.Request & {
    session: { views?: number | string; regenerate(done: () => void): void; destroy(done: () => void): void };
  };
  app.get("/count", (request, response) => {
    const { session } = request as Request;
    session.views = Number(session.views ?? 0) + 1;
    response.send(String(session.views));
  });
  app.get("/look", (request, response) => void response.send(String((request as Request).session.views)));
  app.get("/slow", (request, response) => {
    (request as Request).session.views = "slow";
    setTimeout(() => response.send("slow"), 150);
  });
  app.get("/login", (request, response) => {
    (request as Request).session.regenerate(() => {
      (request as Request).session.views = 0;
      response.send("in");
    });
  });
  app.get("/logout", (request, response) => (request as Request).session.destroy(() => response.send("out")));
  app.use(((_error, _request, response, _next) => void response.sendStatus(500)) as express.ErrorRequestHandler);
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    async visit(path: string, cookie?: string) {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, cookie ? { headers: { cookie } } : {});
      return {
        status: answer.status,
        body: await answer.text(),
        cookie: answer.headers.get("set-cookie")?.split(";")[0] ?? undefined,
      };
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** A minimal store for express-session. `delay`: milliseconds that a write takes. */
function mapStore(data = new Map<string, string>(), delay = 0): ExpressStoreLike {
  return {
    get: (sid, done) => void setImmediate(() => done(null, data.has(sid) ? JSON.parse(data.get(sid)!) : null)),
    set: (sid, session, done) => {
      const text = JSON.stringify(session);
      setTimeout(() => {
        data.set(sid, text);
        done();
      }, delay);
    },
    destroy: (sid, done) => {
      data.delete(sid);
      done();
    },
  };
}

function promised(call: (done: (error?: unknown, result?: unknown) => void) => void): Promise<unknown> {
  return new Promise((resolve, reject) => call((error, result) => (error ? reject(error) : resolve(result))));
}

async function listed(store: SessionStore): Promise<string[]> {
  const keys = [];
  for await (const { key } of store.list!({})) keys.push(key);
  return keys;
}

function session(text = "coat", expiresAt = Date.now() + HOUR) {
  return { value: Buffer.from(text), expiresAt };
}

function newKey(): string {
  return randomBytes(18).toString("base64url");
}
