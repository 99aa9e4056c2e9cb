import assert from "node:assert/strict";
import { Agent, request } from "node:http";
import { after, before, describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { cached } from "../../src/compose/index.ts";
import { createSessions, type SessionsOptions } from "../../src/index.ts";
import { redis } from "../../src/stores/redis/index.ts";
import { freePort, launch, type ServerProcess, waitFor } from "../servers/process.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";
import { startTcpFaultProxy, type TcpFaultProxy } from "../servers/tcp-fault-proxy.ts";
import { Browser } from "../support/browser.ts";
import type { Data } from "../support/set-up.ts";
import { SECRET } from "../support/stores.ts";

let server: RedisServer;
before(async () => {
  server = await startRedis();
});
after(() => server.stop());

/** A server of the farm, in this process. */
function serve(t: TestContext, options: SessionsOptions<Data> = {}) {
  const told: boolean[] = [];
  const store = cached(redis({ url: server.url }), { onListening: (listening) => told.push(listening) });
  const sessions = createSessions<Data>({ store, secret: SECRET, ...options });
  t.after(() => sessions.close());
  return { sessions, told };
}

/** A browser whose session is in the copies of a server. */
async function visitor(sessions: ReturnType<typeof serve>["sessions"]): Promise<Browser<Data>> {
  const browser = new Browser(sessions);
  await browser.request((session) => session.set("n", 0));
  await waitFor("a copy", async () => (await commands(() => browser.contents())).length === 0);
  return browser;
}

/** The commands that Redis got meanwhile. */
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
    const browser = await visitor(sessions);
    const asked = await commands(async () => {
      for (let i = 0; i < 100; i++) assert.deepEqual(await browser.request((session) => void session.get("n")), []);
    });
    assert.deepEqual(asked, []);
    const written = await commands(() => browser.request((session) => session.set("n", 1)));
    assert.ok(written.includes("publish") && !written.includes("getex"), `an update alone: ${written}`);
    assert.deepEqual(await commands(() => browser.contents()), [], "what was written here is a copy here");
  });

  test("a session stays alive by reads of its copy, which ask Redis now and then", async (t) => {
    const { sessions } = serve(t, { idleTimeout: "2s" });
    const browser = await visitor(sessions);
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

  test("a lost subscription empties the cache, and is told; then copies are kept again", async (t) => {
    const [a, b] = [serve(t), serve(t)];
    const browser = await visitor(a.sessions);
    const other = new Browser(b.sessions);
    other.cookie = browser.cookie;
    for (let round = 1; round <= 5; round++) {
      assert.ok(Number(await server.cli("client", "kill", "type", "pubsub")) > 0);
      await waitFor("the loss", () => a.told.length >= 2 * round - 1);
      await other.request((session) => session.set("n", round));
      await waitFor("the return", () => a.told.length >= 2 * round);
      // Without what the other browser saw: this server has to know it by itself.
      assert.equal((await browser.contents()).n, round);
      await waitFor("a copy", async () => (await commands(() => browser.contents())).length === 0);
    }
    assert.deepEqual(a.told, Array(5).fill([false, true]).flat());
  });

  test("a Redis that is down is an error, and not a copy; one that forgot has forgotten", async (t) => {
    const { sessions, told } = serve(t);
    const browser = await visitor(sessions);
    await server.stop();
    await waitFor("the loss", () => told.length === 1);
    await assert.rejects(browser.contents(), { name: "StoreError" });
    await server.start();
    await waitFor("the return", () => told.length === 2);
    await waitFor("the store", async () => Object.keys(await browser.contents()).length === 0);
  });

  test("logout at one server ends the session at the other", async (t) => {
    const [a, b] = [serve(t), serve(t)];
    const browser = await visitor(a.sessions);
    const stolen = new Browser(b.sessions);
    stolen.cookie = browser.cookie;
    await waitFor("a copy", async () => (await commands(() => stolen.contents())).length === 0);
    await browser.request((session) => session.destroy());
    await waitFor("the end", async () => Object.keys(await stolen.contents()).length === 0);
    await stolen.request((session) => session.update("n", () => "zombie"));
    assert.deepEqual(await stolen.contents(), { n: "zombie" }, "a session of its own");
  });

  test("parallel writers through two servers lose nothing", async (t) => {
    const servers = [serve(t), serve(t)].map(({ sessions }) => sessions);
    const browser = await visitor(servers[0]!);
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
    const module = new URL("../fixtures/compose/cached-server.ts", import.meta.url).pathname;
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

  /** A request of a browser, which takes the answer's cookies. Gives the count. */
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
    test(`a browser always sees what it wrote, announced ${lag} ms late`, async () => {
      subscriptions.lag = lag;
      let tries = 0;
      await Promise.all(
        Array.from({ length: 20 }, async (_, visitor) => {
          const browser = new Browser<Data>();
          for (let n = 1; n <= 250; n++) {
            const at = (visitor + n) % 3;
            assert.equal(await send(browser, at, "POST"), n);
            for (const other of [1, 2]) {
              assert.equal(await send(browser, (at + other) % 3, "GET"), n);
              tries++;
            }
          }
        }),
      );
      assert.equal(tries, 10_000);
    });
  }

  test("another browser with the same ticket sees it once it is announced, and nothing older after that", async () => {
    subscriptions.lag = 50;
    let late = 0;
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        const writer = new Browser<Data>();
        await send(writer, 0, "POST");
        const ticket = writer.cookie!;
        for (let n = 2; n <= 20; n++) {
          // The copy that will be old.
          await look(ticket);
          await send(writer, 0, "POST");
          let seen = n - 1;
          for (let reads = 0; seen < n; reads++) {
            const now = await look(ticket);
            assert.ok(now >= seen, `${now} after ${seen}`);
            seen = now;
            if (seen < n && reads === 0) late++;
          }
          assert.equal(seen, n);
        }
      }),
    );
    assert.ok(late > 0, "no read was early enough to tell copies from reads");

    /** Each time as if for the first time: only the ticket. */
    function look(ticket: string): Promise<number> {
      const browser = new Browser<Data>();
      browser.cookie = ticket;
      return send(browser, 1, "GET");
    }
  });
});
