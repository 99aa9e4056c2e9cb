// Tests of expiry: idle and absolute timeout, their extension, and the cookie's maxAge.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createSessions } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { isAlive, login } from "../support/login.ts";
import { all, clock, type Data, MINUTE, named, setUp } from "../support/set-up.ts";
import { SECRET, watched } from "../support/stores.ts";

describe("the server enforces", () => {
  test("the idle timeout", async (t) => {
    const tick = clock(t);
    const { browser, sessions } = setUp({ idleTimeout: "20m", cookie: { maxAge: "30d" } });
    await browser.request((session) => session.set("a", 1));
    tick(20 * MINUTE - 1);
    assert.equal((await sessions.open(browser.cookie, { mode: "readonly" })).isNew, false);
    tick(20 * MINUTE - 1); // the request before has used it
    assert.equal((await sessions.open(browser.cookie, { mode: "readonly" })).isNew, false);
    tick(20 * MINUTE);
    assert.equal((await browser.open()).isNew, true);
    assert.deepEqual(await all(sessions.list()), []);
  });

  test("the absolute timeout, however often the session is used", async (t) => {
    const tick = clock(t);
    const { browser, sessions, events } = setUp({ idleTimeout: "20m", absoluteTimeout: "1h" });
    await browser.request((session) => session.set("n", 0));
    const { id, createdAt } = await browser.open();
    for (let minutes = 0; minutes < 60; minutes += 10) {
      await browser.request((session) => {
        session.update("n", (n) => (n as number) + 1);
        assert.ok(session.expiresAt <= createdAt + 60 * MINUTE);
      });
      tick(10 * MINUTE);
    }
    assert.equal((await browser.open()).isNew, true);
    assert.deepEqual(await all(sessions.list()), []);
    assert.equal(await sessions.sweep(), 1);
    assert.deepEqual(named(events, "end"), [{ id, reason: "expired", data: { n: 6 } }]);
  });

  test("the absolute timeout at a store that extends a session when it is read", async (t) => {
    const tick = clock(t);
    const inner = memory();
    const { inProcess: _, ...store } = inner; // memory() extends on read
    const sessions = createSessions<Data>({ store, secret: SECRET, idleTimeout: "20m", absoluteTimeout: "1h", sweepInterval: false }); // biome-ignore format: one line
    const ends: unknown[] = [];
    sessions.on("end", (end) => ends.push(end));
    const browser = await login(sessions, "u1", { n: 1 });
    const { id } = await browser.open();
    for (let minutes = 0; minutes < 50; minutes += 10) {
      tick(10 * MINUTE);
      const session = await browser.open();
      assert.equal(session.isNew, false);
      assert.ok(session.expiresAt <= session.createdAt + 60 * MINUTE);
    }
    tick(9 * MINUTE);
    assert.equal((await browser.open()).isNew, false);
    tick(MINUTE);
    assert.deepEqual(await all(sessions.list()), []);
    assert.equal((await browser.open()).isNew, true);
    assert.deepEqual(ends, [{ id, reason: "expired", data: { n: 1 } }]);
    assert.equal(await inner.read(id), undefined);
  });

  test("the absolute timeout from the session's start: regenerate does not restart it", async (t) => {
    const tick = clock(t);
    const { browser } = setUp({ idleTimeout: "20m", absoluteTimeout: "30m" });
    await browser.request((session) => session.set("a", 1));
    tick(19 * MINUTE);
    await browser.request((session) => session.regenerate());
    tick(10 * MINUTE);
    assert.equal(await isAlive(browser), true);
    tick(MINUTE);
    assert.equal(await isAlive(browser), false);
  });
});

describe("the expiry is extended", () => {
  test("not while more than 90 % of the idle time is left, and then by one touch, or by the write itself", async (t) => {
    const tick = clock(t);
    const { browser, store } = setUp({ idleTimeout: "20m" });
    await browser.request((session) => session.set("a", 1));
    const begun = Date.now();
    const costs = async (handler: Parameters<typeof browser.request>[0] = () => {}) => {
      store.calls.length = 0;
      assert.deepEqual(await browser.request(handler), []);
      return store.calls.join();
    };
    assert.equal(await costs(), "read");
    tick(2 * MINUTE);
    assert.equal(await costs(), "read");
    tick(1);
    assert.equal(await costs(), "read,touch");
    assert.equal((await browser.open()).expiresAt, begun + 22 * MINUTE + 1);
    assert.equal(await costs(), "read");
    tick(10 * MINUTE);
    assert.equal(await costs((session) => session.set("a", 2)), "read,update");
    assert.equal(await costs(), "read");
    tick(19 * MINUTE);
    assert.equal(await costs(), "read,touch");
    tick(19 * MINUTE);
    assert.deepEqual(await browser.contents(), { a: 2 });
  });

  test("without a touch by a store that extends a session when it is read", async () => {
    let reads = 0;
    const inner = memory();
    const store = {
      ...watched(inner),
      read: (key: string, touchUntil?: number) => {
        reads++;
        return inner.read(key, touchUntil);
      },
      touch: () => assert.fail("no touch is needed"),
    };
    const sessions = createSessions<Data>({ store, secret: SECRET, sweepInterval: false, idleTimeout: 4_000 });
    const browser = await login(sessions, "u1");
    const before = (await browser.open()).expiresAt;
    await new Promise((resolve) => setTimeout(resolve, 600));
    await browser.request((session) => assert.ok(session.expiresAt > before));
    assert.equal(reads, 2);
  });

  test("not beyond the absolute timeout, and no useless touch is sent near it", async (t) => {
    const tick = clock(t);
    const { browser, store } = setUp({ idleTimeout: "20m", absoluteTimeout: "30m" });
    await browser.request((session) => session.set("a", 1));
    tick(15 * MINUTE);
    await browser.request(() => {}); // touched up to the end
    store.calls.length = 0;
    for (let i = 0; i < 7; i++) {
      tick(2 * MINUTE);
      await browser.request(() => {});
    }
    assert.deepEqual([...new Set(store.calls)], ["read"]);
  });
});

describe("a cookie with maxAge", () => {
  test("is sent again after a tenth of its time, so that an active user keeps it", async (t) => {
    const tick = clock(t);
    const { browser } = setUp({ idleTimeout: "30d", absoluteTimeout: "365d", cookie: { maxAge: "30d" } });
    const [first] = await browser.request((session) => session.set("a", 1));
    assert.match(first!, /Max-Age=2592000/);
    for (let visit = 0; visit < 10; visit++) {
      tick(2 * 1_440 * MINUTE);
      assert.deepEqual(await browser.request(() => {}), []);
      tick(2 * 1_440 * MINUTE);
      assert.deepEqual(await browser.request(() => {}), [first]);
      assert.deepEqual(await browser.request(() => {}), []);
    }
    // A write in between, which sends no cookie, does not count as sending one.
    tick(2 * 1_440 * MINUTE);
    assert.deepEqual(await browser.request((session) => session.set("a", 2)), []);
    tick(2 * 1_440 * MINUTE);
    assert.deepEqual(await browser.request((session) => session.set("a", 3)), [first]);
    // Also where a visitor only reads.
    tick(4 * 1_440 * MINUTE);
    assert.deepEqual(await browser.request(() => {}, "readonly"), [first]);
  });

  test("is not sent by a request whose session ended while it ran: the browser may hold a newer one", async (t) => {
    const tick = clock(t);
    for (const mode of ["merge", "readonly"] as const) {
      const { browser, sessions } = setUp({ idleTimeout: "30d", cookie: { maxAge: "30d" } });
      await browser.request((session) => session.set("a", 1));
      tick(5 * 1_440 * MINUTE);
      const slow = await browser.open(mode);
      await sessions.revoke(slow.id);
      assert.deepEqual(await slow.commit(), [], mode);
    }
  });
});
