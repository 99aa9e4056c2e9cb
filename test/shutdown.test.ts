// Tests of stopping: a server under load, and sessions.close().

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createSessions, StoreError } from "../src/index.ts";
import { startPostgres } from "./servers/postgres.ts";
import { tempDir } from "./servers/process.ts";
import { startRedis } from "./servers/redis.ts";
import { CountingBrowser, startCounter } from "./support/counters.ts";
import { settledWithin, stall } from "./support/farm.ts";
import { login } from "./support/login.ts";
import { clock, type Data, MINUTE, setUp } from "./support/set-up.ts";
import { SECRET, watched } from "./support/stores.ts";

const BROWSERS = 20;
const options = { secret: SECRET, storeTimeout: "1s" } as const;

/** The URL or path of each store. */
const environments: Record<string, () => Promise<{ url: string; stop(): Promise<void> }>> = {
  file: async () => ({ url: join(tempDir("shutdown"), "sessions"), stop: async () => {} }),
  redis: startRedis,
  postgres: startPostgres,
};

describe("a server that gets SIGTERM under load", () => {
  for (const [environment, start] of Object.entries(environments)) {
    test(`${environment}: has saved every change that it answered, and exits`, async (t) => {
      const store = await start();
      const totals = { saved: 0, failed: 0, failedButSaved: 0 };
      const browsers = Array.from({ length: BROWSERS }, () => new CountingBrowser());
      try {
        for (let round = 0; round < 2; round++) {
          const server = await startCounter({ environment, address: store.url, options });
          await Promise.all(browsers.map((browser) => browser.increment(server.port)));
          const using = browsers.map(async (browser) => {
            for (;;) {
              const { status, headers } = await browser.increment(server.port);
              if (status === undefined) return;
              assert.ok(status === 200 || status === 503, `${status}`);
              if (status === 503) assert.equal(headers["retry-after"], "1");
            }
          });
          await sleep(200 + Math.random() * 100);
          server.child.kill("SIGTERM");
          assert.equal(await server.exited, 0);
          await Promise.all(using);
        }
        const server = await startCounter({ environment, address: store.url, options });
        for (const browser of browsers) {
          const n = Number((await browser.get(server.port)).body);
          const { saved, failed } = browser;
          assert.ok(
            n >= saved && n <= saved + failed,
            `${saved} increments were answered, ${failed} failed, and the count is ${n}`,
          );
          totals.saved += saved;
          totals.failed += failed;
          totals.failedButSaved += n - saved;
        }
        server.child.kill("SIGTERM");
        assert.equal(await server.exited, 0);
        t.diagnostic(JSON.stringify(totals));
      } finally {
        for (const browser of browsers) browser.close();
        await store.stop();
      }
    });
  }

  test("exits while its store hangs", async () => {
    const store = await startRedis();
    const browser = new CountingBrowser();
    try {
      const server = await startCounter({ environment: "redis", address: store.url, options });
      await browser.increment(server.port);
      store.pause();
      const hanging = browser.increment(server.port);
      await sleep(50);
      server.child.kill("SIGTERM");
      assert.equal(await server.exited, 0);
      assert.notEqual((await hanging).status, 200);
    } finally {
      browser.close();
      await store.stop();
    }
  });
});

describe("sessions.close()", () => {
  test("waits for pending commits and refuses later calls", async () => {
    const { sessions, store, browser } = setUp();
    await browser.request((session) => session.set("n", 1));
    const [first, late] = [await browser.open(), await browser.open()];
    let finishUpdate = () => {};
    store.before = (operation) =>
      operation === "update" ? new Promise<void>((resolve) => { finishUpdate = resolve; }) : undefined; // biome-ignore format: one line
    first.set("n", 2);
    let isSaved = false;
    store.after = (operation) => {
      if (operation === "update") isSaved = true;
    };
    const saving = browser.end(first);
    const { close } = store;
    store.close = async () => assert.ok(isSaved, "the store closes after the commit");
    const closing = sessions.close();
    await assert.rejects(sessions.open(undefined), {
      code: "COATCHECK_STORE",
      status: 503,
      message: /sessions.close\(\) was called/,
    });
    finishUpdate();
    await Promise.all([closing, saving]);
    late.set("n", 3);
    store.before = undefined;
    store.calls.length = 0;
    await assert.rejects(async () => late.commit(), /cannot update: the store is closed/);
    assert.deepEqual(store.calls, []);
    await close();
  });

  test("waits for the current step of a sweep, reports its sessions, and stops the sweep", async (t) => {
    const tick = clock(t);
    const { sessions, store } = setUp({ idleTimeout: "1m" });
    let ended = 0;
    sessions.on("end", () => ended++);
    for (let i = 0; i < 101; i++) {
      const session = await sessions.open(undefined);
      session.set("n", i);
      await session.commit();
    }
    tick(2 * MINUTE);
    const claim = stall(store, "claimExpired");
    const { close } = store;
    let reported = 0;
    store.close = () => {
      reported = ended;
      return close();
    };
    const sweeping = sessions.sweep();
    await claim.reached;
    const closing = sessions.close();
    assert.equal(await settledWithin(closing, 20), false);
    claim.pass();
    await closing;
    assert.equal(reported, 100, "one step of the sweep is reported before the store closes");
    assert.equal(await sweeping, 100);
  });

  test("closes the store once for several calls", async () => {
    const store = watched();
    let closed = 0;
    store.close = async () => void closed++;
    const { sessions } = setUp({}, store);
    await Promise.all([sessions.close(), sessions.close()]);
    await sessions.close();
    assert.equal(closed, 1);
  });

  test("does not wait for a store that hangs, neither in commits nor in close", async () => {
    const store = watched();
    const never = () => new Promise<never>(() => {});
    store.close = never;
    const sessions = createSessions<Data>({ store, secret: SECRET, storeTimeout: 50, sweepInterval: false });
    store.before = never;
    const session = await sessions.open(undefined);
    session.set("n", 1);
    await Promise.all([
      assert.rejects(async () => session.commit(), StoreError),
      assert.rejects(sessions.close(), /did not close within 50 ms/),
    ]);
  });

  test("waits for updates, creates and deletes under way", async () => {
    const { browser, sessions, store } = setUp();
    await browser.request((session) => session.set("a", 1));
    const changing = await browser.open();
    changing.set("a", 2);
    const other = await login(sessions, "u");
    const ending = await other.open();
    const beginning = await sessions.open(undefined);
    beginning.set("b", 1);
    const order: string[] = [];
    store.before = () => new Promise((resolve) => setTimeout(resolve, 20));
    store.after = (operation) => void order.push(operation);
    const close = store.close;
    store.close = async () => {
      order.push("close");
      await close();
    };
    const work = [changing.commit(), beginning.commit(), ending.destroy()];
    await sessions.close();
    assert.deepEqual(order.slice(0, 3).sort(), ["create", "delete", "update"]);
    assert.deepEqual(order.slice(3), ["close"]);
    await Promise.all(work);
  });

  test("waits for a session that is being created, and for one whose lease is being released", async () => {
    for (const [mode, operation] of [
      ["merge", "create"],
      ["exclusive", "update"],
    ] as const) {
      const { sessions, store, browser } = setUp();
      if (mode === "exclusive") await browser.request((session) => session.set("n", 0));
      const session = await browser.open(mode);
      const write = stall(store, operation);
      session.set("n", 1);
      const committed = session.commit();
      await write.reached;
      const closed = sessions.close();
      assert.equal(await settledWithin(closed, 20), false);
      write.pass();
      await Promise.all([committed, closed]);
    }
  });
});
