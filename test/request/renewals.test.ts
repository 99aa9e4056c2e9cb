// Tests of sessions that are in use when their time is over.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { cached } from "../../src/compose/index.ts";
import { createSessions, type SessionStore } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { sealedCookie } from "../../src/stores/sealed-cookie/index.ts";
import { Browser } from "../support/browser.ts";
import { clock, key, MINUTE, named, setUp } from "../support/set-up.ts";
import { SECRET, watched } from "../support/stores.ts";

interface Data {
  n: number;
}

// Long enough that a busy machine is never late by a fifth of it. The tests wait at the same time.
const IDLE = 2_000;

const stores: Record<string, () => SessionStore> = {
  memory: () => memory(),
  "a store that does not extend what it reads": () => watched(),
  "cached()": () => cached(watched(), { maxAge: "1m" }),
  "sealedCookie()": () => sealedCookie(),
};

describe("a session that is in use when its time is over", { concurrency: true }, () => {
  for (const [name, make] of Object.entries(stores)) {
    describe(`on ${name}`, { concurrency: true }, () => {
      const begun = async () => {
        const sessions = createSessions<Data>({
          store: make(),
          secret: SECRET,
          idleTimeout: IDLE,
          sweepInterval: false,
        });
        const browser = new Browser<Data>(sessions);
        await browser.request((session) => session.set("n", 1));
        return { sessions, browser };
      };

      test("a request that comes before the session's end and commits after it keeps both", async () => {
        const { browser } = await begun();
        await sleep(0.8 * IDLE);
        await browser.request(async (session) => {
          assert.equal(session.isNew, false);
          await sleep(0.6 * IDLE);
          session.set("n", 2);
        });
        assert.deepEqual(await browser.contents(), { n: 2 });
      });

      test("a handler that takes longer than the idle timeout keeps the session", async () => {
        const { browser } = await begun();
        await browser.request(async (session) => {
          await sleep(2.5 * IDLE);
          session.set("n", 2);
        });
        assert.deepEqual(await browser.contents(), { n: 2 });
      });

      test("a session that nobody uses ends after the idle timeout", async () => {
        const { browser } = await begun();
        await browser.request(() => {});
        await sleep(1.3 * IDLE);
        assert.equal((await browser.open()).isNew, true);
      });
    });
  }
});

test("a store that takes a moment renews a session in time that had little more than half of its time left", async () => {
  const inner = watched();
  const store: SessionStore = {
    ...inner,
    async touch(id, expiresAt) {
      await sleep(0.1 * IDLE);
      return inner.touch(id, expiresAt);
    },
  };
  const sessions = createSessions<Data>({ store, secret: SECRET, idleTimeout: IDLE, sweepInterval: false });
  const requests = Array.from({ length: 8 }, async (_, i) => {
    const browser = new Browser<Data>(sessions);
    await browser.request((session) => session.set("n", 1));
    await sleep((0.3 + 0.02 * i) * IDLE);
    await browser.request(async (session) => {
      await sleep(0.9 * IDLE);
      session.set("n", 2);
    });
    assert.deepEqual(await browser.contents(), { n: 2 });
  });
  await Promise.all(requests);
});

describe("a session that is opened late", () => {
  test("is extended by one touch when it is opened, and by none when more than half of its time is left", async (t) => {
    const tick = clock(t);
    const { browser, store } = setUp({ idleTimeout: "20m" });
    await browser.request((session) => session.set("a", 1));
    store.calls.length = 0;
    tick(9 * MINUTE);
    await browser.open();
    assert.deepEqual(store.calls, ["read"]);
    tick(2 * MINUTE);
    await browser.open();
    assert.deepEqual(store.calls, ["read", "read", "touch"]);
  });

  test("is read although the store refuses to be written", async (t) => {
    const tick = clock(t);
    const { browser, store } = setUp({ idleTimeout: "20m" });
    await browser.request((session) => session.set("a", 1));
    tick(15 * MINUTE);
    store.before = (operation) => {
      if (operation !== "read") throw new Error("read only");
    };
    assert.equal((await browser.open()).get("a"), 1);
  });

  test("is new if it ends while it is being extended", async (t) => {
    const tick = clock(t);
    const { browser, store } = setUp({ idleTimeout: "20m" });
    await browser.request((session) => session.set("a", 1));
    tick(15 * MINUTE);
    store.before = (operation) => {
      if (operation === "touch") tick(6 * MINUTE);
    };
    assert.equal((await browser.open()).isNew, true);
  });
});

describe("the end that is sealed in a record", () => {
  test("ends a session that somebody with access to the database keeps alive", async (t) => {
    const tick = clock(t);
    const inner = memory();
    const { browser, events } = setUp({ idleTimeout: "20m" }, watched(inner));
    await browser.request((session) => session.set("a", 1));
    await inner.touch(key(browser), Date.now() + 365 * 24 * 60 * MINUTE);
    tick(61 * MINUTE);
    assert.equal((await browser.open()).isNew, true);
    assert.equal(await inner.read(key(browser)), undefined);
    assert.deepEqual(named(events, "end").map(({ reason }) => reason), ["expired"]); // biome-ignore format: one line
  });

  test("moves on while the session is used, by one write for each idle timeout", async (t) => {
    const tick = clock(t);
    const { browser, store } = setUp({ idleTimeout: "20m", absoluteTimeout: "30d" });
    await browser.request((session) => session.set("a", 1));
    store.calls.length = 0;
    for (let minutes = 0; minutes < 200; minutes += 5) {
      tick(5 * MINUTE);
      await browser.request((session) => assert.equal(session.get("a"), 1));
    }
    const updates = store.calls.filter((call) => call === "update").length;
    assert.ok(updates >= 5 && updates <= 10, `${updates} writes in 200 minutes`);
  });

  test("moves on in readonly requests, too", async (t) => {
    const tick = clock(t);
    const { browser, sessions } = setUp({ idleTimeout: "20m", absoluteTimeout: "30d" });
    await browser.request((session) => session.set("a", 1));
    for (let minutes = 0; minutes < 200; minutes += 15) {
      tick(15 * MINUTE);
      const session = await sessions.open(browser.cookie, { mode: "readonly" });
      assert.equal(session.get("a"), 1);
      await session.commit();
    }
  });

  test("moves on in requests that never commit", async (t) => {
    const tick = clock(t);
    const { browser, sessions } = setUp({ idleTimeout: "20m", absoluteTimeout: "30d" });
    await browser.request((session) => session.set("a", 1));
    for (let minutes = 0; minutes < 200; minutes += 15) {
      tick(15 * MINUTE);
      assert.equal((await sessions.open(browser.cookie)).get("a"), 1);
    }
  });

  test("is not moved over the head of a request that holds the session", async (t) => {
    const tick = clock(t);
    const { browser, sessions, events } = setUp({ idleTimeout: "20m" });
    await browser.request((session) => session.set("a", 1));
    tick(15 * MINUTE);
    const alone = await sessions.open(browser.cookie, { mode: "exclusive" });
    tick(15 * MINUTE);
    await (await sessions.open(browser.cookie, { mode: "readonly" })).commit();
    tick(4 * MINUTE);
    alone.set("a", 2);
    await alone.commit();
    assert.deepEqual(named(events, "leaseLost"), []);
    assert.deepEqual(await browser.contents(), { a: 2 });
  });

  test("is not there in records that are not sealed", async (t) => {
    const tick = clock(t);
    const inner = memory();
    const { browser } = setUp({ idleTimeout: "20m", encryption: "off" }, watched(inner));
    await browser.request((session) => session.set("a", 1));
    await inner.touch(key(browser), Date.now() + 24 * 60 * MINUTE);
    tick(120 * MINUTE);
    assert.equal((await browser.open()).isNew, false);
  });
});

test("a session that is opened and never committed is not kept in memory by its renewal", async () => {
  const { browser, sessions } = setUp({ idleTimeout: "100ms" });
  await browser.request((session) => session.set("a", 1));
  let collected = false;
  const registry = new FinalizationRegistry(() => {
    collected = true;
  });
  await (async () => registry.register(await sessions.open(browser.cookie), ""))();
  for (let i = 0; i < 50 && !collected; i++) {
    await sleep(20);
    (globalThis.gc as (() => void) | undefined)?.();
    if (globalThis.gc === undefined) return; // run with --expose-gc to see it
  }
  assert.ok(collected);
});
