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
import { clock, type Data, MINUTE, setUp } from "./support/set-up.ts";
import { SECRET, watched } from "./support/stores.ts";

const BROWSERS = 20;
const options = { secret: SECRET, storeTimeout: "1s" } as const;

const places: Record<string, () => Promise<{ url: string; stop(): Promise<void> }>> = {
  file: async () => ({ url: join(tempDir("shutdown"), "sessions"), stop: async () => {} }),
  redis: startRedis,
  postgres: startPostgres,
};

describe("a server that is told to stop under load", () => {
  for (const [place, start] of Object.entries(places)) {
    test(`${place}: has saved all that it answered, and ends by itself`, async (t) => {
      const store = await start();
      const totals = { saved: 0, failed: 0, failedButDone: 0 };
      const browsers = Array.from({ length: BROWSERS }, () => new CountingBrowser());
      try {
        for (let round = 0; round < 2; round++) {
          const server = await startCounter({ place, address: store.url, options });
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
        const server = await startCounter({ place, address: store.url, options });
        for (const browser of browsers) {
          const n = Number((await browser.get(server.port)).body);
          const { saved, failed } = browser;
          assert.ok(n >= saved && n <= saved + failed, `${saved} were saved, ${failed} failed, and ${n} are there`);
          totals.saved += saved;
          totals.failed += failed;
          totals.failedButDone += n - saved;
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

  test("ends also while its store hangs", async () => {
    const store = await startRedis();
    const browser = new CountingBrowser();
    try {
      const server = await startCounter({ place: "redis", address: store.url, options });
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
  test("waits for commits that are under way, and refuses what begins after it", async () => {
    const { sessions, store, browser } = setUp();
    await browser.request((session) => session.set("n", 1));
    const [first, late] = [await browser.open(), await browser.open()];
    let goOn = () => {};
    store.before = (operation) =>
      operation === "update" ? new Promise<void>((resolve) => { goOn = resolve; }) : undefined; // biome-ignore format: one line
    first.set("n", 2);
    let isSaved = false;
    store.after = (operation) => {
      if (operation === "update") isSaved = true;
    };
    const saving = browser.end(first);
    const { close } = store;
    store.close = async () => assert.ok(isSaved, "the store is closed last");
    const closing = sessions.close();
    await assert.rejects(sessions.open(undefined), {
      code: "COATCHECK_STORE",
      status: 503,
      message: /sessions are closed/,
    });
    goOn();
    await Promise.all([closing, saving]);
    late.set("n", 3);
    store.before = undefined;
    store.calls.length = 0;
    await assert.rejects(async () => late.commit(), /the store is closed; not asked to update/);
    assert.deepEqual(store.calls, []);
    await close();
  });

  test("waits for a sweep: what it has removed is reported, and it removes no more", async (t) => {
    const tick = clock(t);
    const { sessions, store } = setUp({ idleTimeout: "1m" });
    let ended = 0;
    sessions.on("end", () => ended++);
    for (let i = 0; i < 501; i++) {
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
    assert.equal(reported, 500, "one step of the sweep, before the store is closed");
    assert.equal(await sweeping, 500);
  });

  test("closes once, however often it is called", async () => {
    const store = watched();
    let closed = 0;
    store.close = async () => void closed++;
    const { sessions } = setUp({}, store);
    await Promise.all([sessions.close(), sessions.close()]);
    await sessions.close();
    assert.equal(closed, 1);
  });

  test("does not wait for a store that hangs: neither for its commits nor for its end", async () => {
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
});
