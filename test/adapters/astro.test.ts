// What the adapter for Astro does without Astro: its answers to errors, its options, and the driver of Astro's sessions.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { APIContext } from "astro";
import { parse, stringify } from "devalue";
import { type SessionDriver, session, sessionDriver } from "../../src/adapters/astro.ts";
import { createSessions, type Sessions, StoreError } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { SECRET, type WatchedStore, watched } from "../support/stores.ts";

let store: WatchedStore;
beforeEach(() => {
  store = watched();
});

describe("the middleware", () => {
  let sessions: Sessions<{ n: number }>;
  let cookie: string;
  beforeEach(async () => {
    sessions = createSessions({ store, secret: SECRET, cookie: { secure: false }, sweepInterval: false });
    const opened = await sessions.open(null);
    opened.data.n = 1;
    cookie = (await opened.commit())[0]!.split(";")[0]!;
  });
  afterEach(() => sessions.close());

  function contextOf(more: Partial<APIContext> = {}): APIContext {
    const url = new URL("http://localhost/");
    const request = new Request(url, { headers: { cookie } });
    return { request, url, locals: {} as App.Locals, isPrerendered: false, routePattern: "/", ...more };
  }

  test("a store that is down gives 503, or what onError makes of it", async () => {
    store.before = () => {
      throw new StoreError("coatcheck: Redis failed to read: connect ECONNREFUSED 10.9.8.7:6379");
    };
    const next = () => assert.fail("the page is not rendered");
    const response = await session(sessions)(contextOf(), next);
    assert.equal(response.status, 503);
    assert.equal(await response.text(), "Service Unavailable: try again in a moment.\n");
    const closed = await session(sessions, { onError: () => new Response("closed") })(contextOf(), next);
    assert.equal(await closed.text(), "closed");
  });

  test("other sessions under the same name are refused", async () => {
    const others = createSessions<object>();
    const context = contextOf();
    const next = () => session(others)(context, async () => new Response());
    await assert.rejects(session(sessions)(context, next), /Astro\.locals\.session is a session of other sessions/);
  });

  test("a page that is rendered at build time, and mode none, have no session", async () => {
    for (const [context, options] of [
      [contextOf({ isPrerendered: true }), {}],
      [contextOf(), { mode: "none" }],
    ] as const) {
      await session(sessions, options)(context, async () => new Response());
      assert.equal(context.locals.session, undefined);
    }
  });

  test("a misspelt option is refused", () => {
    assert.throws(() => session(sessions, { onerror: () => new Response() } as never), /did you mean "onError"/);
  });
});

describe("the driver of Astro's own sessions", () => {
  const ID = "0b9a2a3e-7d3c-4d39-9a43-0c2f3f1f9f10";
  let driver: SessionDriver;
  beforeEach(() => {
    driver = sessionDriver({ store, secret: SECRET })();
  });

  type Entries = Map<string, { data: unknown; expires?: number }>;

  async function read(): Promise<Entries> {
    const text = await driver.getItem(ID);
    return text === null ? new Map() : (parse(text) as Entries);
  }

  /** What one request does between its read and its write. */
  async function request(change: (entries: Entries) => void | Promise<void>): Promise<void> {
    const entries = await read();
    await change(entries);
    await driver.setItem(ID, stringify(entries));
  }

  const set = (key: string, data: unknown) => request((entries) => void entries.set(key, { data }));
  const found = async () => Object.fromEntries([...(await read())].map(([key, { data }]) => [key, data]));

  test("neither ids nor values are readable in the store", async () => {
    await set("user", "ann the shopkeeper");
    const stored = [...store.rows].flatMap(([key, value]) => [key, Buffer.from(value).toString("latin1")]);
    assert.equal(stored.length, 2);
    assert.doesNotMatch(stored.join("\n"), new RegExp(`${ID}|shopkeeper|user`));
    assert.deepEqual(await found(), { user: "ann the shopkeeper" });
  });

  test("what two requests change at the same time is merged by keys", async () => {
    await set("a", 1);
    await set("b", 1);
    await request(async (slow) => {
      slow.set("c", { data: "slow" });
      slow.delete("a");
      await request((fast) => {
        fast.set("d", { data: "fast" });
        fast.set("a", { data: 2 });
        fast.delete("b");
      });
    });
    assert.deepEqual(await found(), { c: "slow", d: "fast" });
  });

  test("of two values of one key the later one holds", async () => {
    await set("a", 1);
    await set("b", 1);
    await request(async (slow) => {
      slow.set("a", { data: "slow" });
      await set("a", "fast");
    });
    assert.deepEqual(await found(), { a: "slow", b: 1 });
  });

  test("a request that deletes every key leaves none", async () => {
    await set("user", "ann");
    await request(async (slow) => {
      slow.clear();
      await set("late", 1);
    });
    assert.deepEqual(await found(), {});
  });

  test("a session that has ended stays ended", async () => {
    await set("a", 1);
    await request(async (slow) => {
      slow.set("b", { data: 1 });
      await driver.removeItem(ID);
    });
    assert.deepEqual(await found(), {});
  });

  test("a session that has ended stays ended, also if a slow request has set all of its keys", async () => {
    await set("a", 1);
    await request(async (slow) => {
      slow.set("a", { data: "slow" });
      await driver.removeItem(ID);
    });
    assert.deepEqual(await found(), {});
    assert.equal(await driver.getItem(ID), null);
  });

  test("a write between read and write of another process is not lost", async () => {
    await set("a", 1);
    let isFirst = true;
    store.before = async (method: string) => {
      if (method !== "update" || !isFirst) return;
      isFirst = false;
      await set("b", "other");
    };
    await set("c", "own");
    assert.deepEqual(await found(), { a: 1, b: "other", c: "own" });
  });

  test("secrets are rotated", async () => {
    await set("a", 1);
    driver = sessionDriver({ store, secret: ["a newer secret, which is long enough", SECRET] })();
    assert.deepEqual(await found(), { a: 1 });
    await set("b", 1);
    driver = sessionDriver({ store, secret: "a newer secret, which is long enough" })();
    assert.deepEqual(await found(), { a: 1, b: 1 });
  });

  test("a session ends when nobody reads it", async () => {
    driver = sessionDriver({ store, secret: SECRET, idleTimeout: 1500 })();
    await set("a", 1);
    for (let i = 0; i < 4; i++) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      assert.deepEqual(await found(), { a: 1 });
    }
    await new Promise((resolve) => setTimeout(resolve, 1800));
    assert.deepEqual(await found(), {});
  });

  test("a store that is down is an error, and no empty session", async () => {
    store.before = () => {
      throw new StoreError("down");
    };
    await assert.rejects(driver.getItem(ID), StoreError);
    await assert.rejects(driver.setItem(ID, stringify(new Map([["a", { data: 1 }]]))), StoreError);
  });

  test("wrong options are refused", () => {
    assert.throws(() => sessionDriver({ store }), /"secret" is missing/);
    assert.throws(() => sessionDriver({ store, secret: "short" }), /"secret" is too short/);
    assert.throws(() => sessionDriver({ secret: SECRET } as never), /"store" is undefined/);
    assert.throws(() => sessionDriver({ store, secrets: SECRET } as never), /did you mean "secret"/);
    sessionDriver({ store: memory() });
  });
});
