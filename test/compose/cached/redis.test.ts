// cached(redis): round trips, lost subscriptions, and a farm of processes.

import assert from "node:assert/strict";
import { Agent, request } from "node:http";
import { after, before, describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { cached } from "../../../src/compose/index.ts";
import { createSessions, type SessionsOptions } from "../../../src/index.ts";
import { redis } from "../../../src/stores/redis/index.ts";
import { freePort, launch, type ServerProcess, waitFor } from "../../servers/process.ts";
import { type RedisServer, startRedis } from "../../servers/redis.ts";
import { startTcpFaultProxy, type TcpFaultProxy } from "../../servers/tcp-fault-proxy.ts";
import { Browser } from "../../support/browser.ts";
import type { Data } from "../../support/set-up.ts";
import { SECRET } from "../../support/stores.ts";

let server: RedisServer;
before(async () => {
  server = await startRedis();
});
after(() => server.stop());

/** A server of the farm, in this process. */
function serve(t: TestContext, options: SessionsOptions<Data> = {}) {
  const states: boolean[] = [];
  const store = cached(redis({ url: server.url }), { onListening: (listening) => states.push(listening) });
  const sessions = createSessions<Data>({ store, secret: SECRET, ...options });
  t.after(() => sessions.close());
  return { sessions, states };
}

/** A browser whose session is cached on a server. */
async function cachedBrowser(sessions: ReturnType<typeof serve>["sessions"]): Promise<Browser<Data>> {
  const browser = new Browser(sessions);
  await browser.request((session) => session.set("n", 0));
  await waitFor("a cached session", async () => (await commands(() => browser.contents())).length === 0);
  return browser;
}

/** The commands that Redis gets during the work. */
async function commands(work: () => Promise<unknown>): Promise<string[]> {
  await server.cli("config", "resetstat");
  await work();
  const stats = await server.cli("info", "commandstats");
  return [...stats.matchAll(/cmdstat_([^:]+):/g)]
    .map(([, command]) => command!)
    .filter((command) => !/^(config|info|client|ping|hello|select)/.test(command));
}

describe("cached(redis)", () => {
  test("a request that only reads makes no round trip", async (t) => {
    const { sessions } = serve(t);
    const browser = await cachedBrowser(sessions);
    const sent = await commands(async () => {
      for (let i = 0; i < 100; i++) assert.deepEqual(await browser.request((session) => void session.get("n")), []);
    });
    assert.deepEqual(sent, []);
    const written = await commands(() => browser.request((session) => session.set("n", 1)));
    assert.ok(written.includes("publish") && !written.includes("get"), `not an update alone: ${written}`);
    assert.deepEqual(await commands(() => browser.contents()), [], "an own write is not cached");
  });

  test("cached reads keep a session alive, with few touches in Redis", async (t) => {
    const { sessions } = serve(t, { idleTimeout: "2s" });
    const browser = await cachedBrowser(sessions);
    const end = Date.now() + 3_500;
    let reads = 0;
    await server.cli("config", "resetstat");
    for (; Date.now() < end; reads++) {
      await browser.request((session) => assert.equal(session.get("n"), 0));
      await sleep(5);
    }
    const [, touches] = /cmdstat_pexpireat:calls=(\d+)/.exec(await server.cli("info", "commandstats"))!;
    assert.ok(Number(touches) >= 2 && Number(touches) < reads / 2, `${touches} touches in ${reads} reads`);
  });

  test("a lost subscription empties the cache and is reported; then sessions are cached again", async (t) => {
    const [a, b] = [serve(t), serve(t)];
    const browser = await cachedBrowser(a.sessions);
    const other = new Browser(b.sessions);
    other.cookie = browser.cookie;
    for (let round = 1; round <= 5; round++) {
      assert.ok(Number(await server.cli("client", "kill", "type", "pubsub")) > 0);
      await waitFor("the loss", () => a.states.length >= 2 * round - 1);
      await other.request((session) => session.set("n", round));
      await waitFor("the return", () => a.states.length >= 2 * round);
      // This browser carries no revision of the other one's write, so the server itself must know of it.
      assert.equal((await browser.contents()).n, round);
      await waitFor("a cached session", async () => (await commands(() => browser.contents())).length === 0);
    }
    assert.deepEqual(a.states, Array(5).fill([false, true]).flat());
  });

  test("a Redis that is down is an error, and one that lost its data has no cached session", async (t) => {
    const { sessions, states } = serve(t);
    const browser = await cachedBrowser(sessions);
    await server.stop();
    await waitFor("the loss", () => states.length === 1);
    await assert.rejects(browser.contents(), { name: "StoreError" });
    await server.start();
    await waitFor("the return", () => states.length === 2);
    await waitFor("the store", async () => Object.keys(await browser.contents()).length === 0);
  });

  test("a Redis that is emptied (FLUSHALL): one write is dropped, and all users see the truth", async (t) => {
    const { sessions } = serve(t);
    const browsers: Browser<Data>[] = [];
    for (let i = 0; i < 10; i++) browsers.push(await cachedBrowser(sessions));
    let gone = 0;
    sessions.on("gone", () => gone++);
    await server.cli("flushall");
    for (const browser of browsers) await browser.request((session) => session.set("n", 1));
    assert.equal(gone, 1);
    const [first, ...others] = await Promise.all(browsers.map((browser) => browser.contents()));
    assert.deepEqual(first, {}, "a session that is gone is read");
    for (const contents of others) assert.deepEqual(contents, { n: 1 }, "the write of a new session is lost");
    await browsers[0]!.request((session) => session.set("n", 2));
    assert.deepEqual(await browsers[0]!.contents(), { n: 2 });
  });

  test("a Redis that is emptied is noticed by requests that only read, within maxAge", async (t) => {
    const store = cached(redis({ url: server.url }), { maxAge: "1s" });
    const sessions = createSessions<Data>({ store, secret: SECRET });
    t.after(() => sessions.close());
    const browsers = [await cachedBrowser(sessions), await cachedBrowser(sessions)];
    await server.cli("flushall");
    await sleep(1_100);
    for (const browser of browsers) assert.deepEqual(await browser.contents(), {});
  });

  test("a logout on one server ends the session on the other", async (t) => {
    const [a, b] = [serve(t), serve(t)];
    const browser = await cachedBrowser(a.sessions);
    const thief = new Browser(b.sessions);
    thief.cookie = browser.cookie;
    await waitFor("a cached session", async () => (await commands(() => thief.contents())).length === 0);
    await browser.request((session) => session.destroy());
    await waitFor("the end", async () => Object.keys(await thief.contents()).length === 0);
    await thief.request((session) => session.update("n", () => "zombie"));
    assert.deepEqual(await thief.contents(), { n: "zombie" }, "not a new session");
  });

  test("parallel writers through two servers lose nothing", async (t) => {
    const servers = [serve(t), serve(t)].map(({ sessions }) => sessions);
    const browser = await cachedBrowser(servers[0]!);
    const request = async (index: number, work: (session: Awaited<ReturnType<typeof browser.open>>) => unknown) => {
      const session = await servers[index % 2]!.open(browser.cookie);
      work(session);
      await session.commit();
    };
    await Promise.all(Array.from({ length: 100 }, (_, i) => request(i, (s) => s.update("n", (n) => Number(n) + 1))));
    await Promise.all(Array.from({ length: 50 }, (_, i) => request(i, (s) => s.set(`key ${i}`, i))));
    for (const sessions of servers) {
      const session = await sessions.open(browser.cookie);
      await session.reload();
      assert.equal(session.get("n"), 100);
      assert.equal(session.keys().length, 51);
    }
  });
});

describe("cached(redis): a farm of three processes", () => {
  const farm: { process: ServerProcess; port: number }[] = [];
  const agent = new Agent({ keepAlive: true });
  let subscriptions: TcpFaultProxy;
  before(async () => {
    subscriptions = await startTcpFaultProxy(server.port);
    const module = new URL("../../fixtures/compose/cached-server.ts", import.meta.url).pathname;
    for (let i = 0; i < 3; i++) {
      const port = await freePort();
      const args = [module, String(port), server.url, `redis://127.0.0.1:${subscriptions.port}`];
      const ready = async () => (await fetch(`http://127.0.0.1:${port}`)).ok;
      const name = `cached server on port ${port}`;
      farm.push({ port, process: await launch({ name, command: process.execPath, args, ready }) });
    }
  });
  after(async () => {
    agent.destroy();
    await Promise.all(farm.map(({ process }) => process.stop()));
    await subscriptions.close();
  });

  /** Sends a browser's request, and keeps the response's cookies. Gives the count. */
  function send(browser: Browser<Data>, to: number, method: "GET" | "POST"): Promise<number> {
    return new Promise((resolve, reject) => {
      const headers = browser.cookie === undefined ? {} : { cookie: browser.cookie };
      const sent = request({ host: "127.0.0.1", port: farm[to]!.port, method, agent, headers }, (answer) => {
        browser.keep(answer.headers["set-cookie"] ?? []);
        let text = "";
        answer.setEncoding("utf8").on("data", (part) => {
          text += part;
        });
        answer.on("end", () => (answer.statusCode === 200 ? resolve(Number(text)) : reject(new Error(text))));
      });
      sent.on("error", reject).end();
    });
  }

  for (const lag of [0, 100]) {
    test(`a browser always sees its own writes, with announcements ${lag} ms late`, async () => {
      subscriptions.lag = lag;
      let reads = 0;
      await Promise.all(
        Array.from({ length: 20 }, async (_, index) => {
          const browser = new Browser<Data>();
          for (let n = 1; n <= 250; n++) {
            const at = (index + n) % 3;
            assert.equal(await send(browser, at, "POST"), n);
            for (const other of [1, 2]) {
              assert.equal(await send(browser, (at + other) % 3, "GET"), n);
              reads++;
            }
          }
        }),
      );
      assert.equal(reads, 10_000);
    });
  }

  test("another browser with the same ticket sees a write once it is announced, and nothing older after that", async () => {
    subscriptions.lag = 50;
    let late = 0;
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        const writer = new Browser<Data>();
        await send(writer, 0, "POST");
        const ticket = writer.cookie!;
        for (let n = 2; n <= 20; n++) {
          // Caches the state that the next write makes stale.
          await readOnce(ticket);
          await send(writer, 0, "POST");
          let seen = n - 1;
          for (let reads = 0; seen < n; reads++) {
            const now = await readOnce(ticket);
            assert.ok(now >= seen, `${now} after ${seen}`);
            seen = now;
            if (seen < n && reads === 0) late++;
          }
          assert.equal(seen, n);
        }
      }),
    );
    assert.ok(late > 0, "no read came before its announcement, so none proves that reads are cached");

    /** A browser that has the ticket, and no revision cookie. */
    function readOnce(ticket: string): Promise<number> {
      const browser = new Browser<Data>();
      browser.cookie = ticket;
      return send(browser, 1, "GET");
    }
  });
});
