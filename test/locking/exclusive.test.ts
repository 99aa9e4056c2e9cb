// Tests of exclusive mode: one request has the session to itself, and others wait.

import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { describe, test } from "node:test";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { type CookieSource, LeaseLostError, LockTimeoutError, QueueFullError, type Session } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { Browser } from "../support/browser.ts";
import { farm, increment, LEASE, settledWithin } from "../support/farm.ts";
import { type Data, named, setUp } from "../support/set-up.ts";

function increments(browser: Browser<Data>, count: number): Promise<unknown> {
  return Promise.all(Array.from({ length: count }, () => increment(browser)));
}

describe("an exclusive request", () => {
  test("has the session to itself: 100 parallel n++ give 100, with a write for each", async () => {
    const { browser, store } = await farm(1, { lease: "10s" });
    await increments(browser, 100);
    assert.deepEqual(await browser.contents(), { n: 100 });
    // The first takes the lease, the last one's write releases it, and in between it is handed over.
    // (On a slow machine it may also be released in between.)
    const { read, update } = count(store.calls) as { read: number; update: number };
    assert.ok(read >= 2 && read <= 10, `${read} reads`);
    assert.ok(update >= 101 && update <= 120, `${update} writes`);
  });

  test("has the session to itself in the whole farm", async () => {
    const { browser } = await farm(4);
    await increments(browser, 100);
    assert.deepEqual(await browser.contents(), { n: 100 });
  });

  test("gets the session in the order of arrival", async () => {
    const { browser } = await farm(1);
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const session = await browser.open("exclusive");
        order.push(i);
        await turn();
        await session.commit();
      }),
    );
    assert.deepEqual(
      order,
      Array.from({ length: 20 }, (_, i) => i),
    );
  });

  test("that only reads hands the session over without a store call", async () => {
    const { browser, store } = await farm(1);
    await Promise.all(Array.from({ length: 10 }, () => browser.request((session) => session.get("n"), "exclusive")));
    assert.deepEqual(store.calls, ["read", "update", "update"]);
  });

  test("of a browser without a session does not wait", async () => {
    const { store, sessions } = setUp();
    const [one, other] = await Promise.all([0, 1].map(() => sessions.open(undefined, { mode: "exclusive" })));
    one!.set("a", 1);
    other!.set("a", 2);
    await Promise.all([one!.commit(), other!.commit()]);
    assert.deepEqual(store.calls, ["create", "create"]);
  });

  test("holds the session through a save, until its end", async () => {
    const { browser } = await farm(2);
    const first = await browser.open("exclusive");
    first.set("n", 1);
    await first.save();
    const second = browser.open("exclusive");
    assert.equal(await settledWithin(second, 100), false);
    first.set("n", 2);
    await first.commit();
    assert.equal((await second).get("n"), 2);
    await (await second).commit();
  });

  test("holds the session while it runs: the lease is renewed", async () => {
    const { browser, servers } = await farm(2);
    const first = await browser.open("exclusive");
    const second = browser.open("exclusive");
    await sleep(2.5 * LEASE);
    assert.equal(await settledWithin(second, 0), false);
    first.set("n", 1);
    await first.commit();
    assert.equal((await second).get("n"), 1);
    await (await second).commit();
    assert.deepEqual(
      servers.flatMap(({ events }) => named(events, "takeover")),
      [],
    );
  });

  test("releases the session when it fails", async () => {
    const { browser } = await farm(2);
    const failing = await browser.open("exclusive");
    failing.set("n", () => {});
    await assert.rejects(async () => failing.commit(), { code: "COATCHECK_UNSTORABLE" });
    const tooLarge = await browser.open("exclusive");
    tooLarge.set("n", "x".repeat(2 ** 20));
    await assert.rejects(async () => tooLarge.commit(), { code: "COATCHECK_TOO_LARGE" });
    const discarding = await browser.open("exclusive");
    discarding.set("n", 1);
    discarding.discard();
    await discarding.commit();
    await increment(browser);
    assert.deepEqual(await browser.contents(), { n: 1 });
  });

  test("regenerates the session: a request that waited under the old ticket finds no session, and the new ticket works", async () => {
    const { browser } = await farm(2);
    const regenerating = await browser.open("exclusive");
    const waiting = browser.open("exclusive");
    regenerating.set("n", 1);
    await regenerating.regenerate();
    regenerating.set("user", "ann");
    await browser.end(regenerating);
    assert.equal((await waiting).isNew, true);
    await increment(browser);
    assert.deepEqual(await browser.contents(), { n: 2, user: "ann" });
  });

  test("destroys the session: a request that waited finds no session, and the cookie is cleared", async () => {
    const { browser } = await farm(2);
    const ending = await browser.open("exclusive");
    const waiting = browser.open("exclusive");
    await ending.destroy();
    await browser.end(ending);
    assert.equal((await waiting).isNew, true);
    assert.equal(browser.cookie, undefined);
  });

  test("does not revive a session that was revoked meanwhile", async () => {
    const { browser, servers } = await farm(1);
    const session = await browser.open("exclusive");
    const waiting = browser.open("exclusive");
    assert.equal(await servers[0]!.sessions.revoke(session.id), true);
    session.set("n", 1);
    assert.deepEqual(await session.commit(), []);
    assert.equal((await waiting).isNew, true);
    assert.deepEqual(named(servers[0]!.events, "gone"), [{ id: session.id }]);
  });
});

describe("other requests while one holds the session", () => {
  test("read it without waiting", async () => {
    const { browser } = await farm(2);
    const session = await browser.open("exclusive");
    session.set("n", 1);
    for (const mode of ["readonly", "merge"] as const) {
      const reading = await browser.open(mode);
      assert.equal(reading.get("n"), 0);
      await reading.commit();
    }
    await session.commit();
  });

  for (const servers of [1, 2]) {
    test(`commit merged changes after it, ${servers === 1 ? "in its process" : "on another server"}`, async () => {
      const { browser } = await farm(servers);
      const session = await browser.open("exclusive");
      const merging = await browser.open("merge");
      merging.update("n", (n) => (n as number) + 10);
      const merged = merging.commit();
      assert.equal(await settledWithin(merged, 50), false);
      session.set("n", 1);
      await session.commit();
      await merged;
      assert.deepEqual(await browser.contents(), { n: 11 });
    });
  }

  test("merge and exclude in any order, and lose no write", async () => {
    const { browser } = await farm(3);
    await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        if (i % 3 === 0) return increment(browser);
        const session = await browser.open("merge");
        if (i % 3 === 1) session.update("n", (n) => (n as number) + 1);
        else session.set(`key${i}`, i);
        await session.commit();
      }),
    );
    const { n, ...keys } = await browser.contents();
    assert.equal(n, 40);
    assert.equal(Object.keys(keys).length, 20);
  });

  test("can regenerate the session only after it", async () => {
    const { browser } = await farm(2);
    const session = await browser.open("exclusive");
    const login = await browser.open("merge");
    const regenerated = login.regenerate();
    assert.equal(await settledWithin(regenerated, 50), false);
    session.set("n", 1);
    await session.commit();
    assert.equal(await regenerated, true);
    await browser.end(login);
    assert.deepEqual(await browser.contents(), { n: 1 });
  });
});

describe("a holder that stalls", () => {
  test("loses the session to another request, and its commit is refused", async () => {
    const { browser, servers } = await farm(2, { maxHold: 1 });
    const stuck = await browser.open("exclusive");
    stuck.set("n", 100);
    await sleep(LEASE / 2); // its first renewal is due, and maxHold is over
    await increment(browser);
    assert.equal(named(servers[0]!.events, "takeover").length, 1);
    await assert.rejects(async () => stuck.commit(), LeaseLostError);
    assert.deepEqual(named(servers[1]!.events, "leaseLost"), [{ id: stuck.id }]);
    assert.deepEqual(await browser.contents(), { n: 1 });
  });

  test("is contended by several servers, and those that lose the takeover wait on without a warning", async (t) => {
    const warnings: Error[] = [];
    const listen = (warning: Error) => warnings.push(warning);
    process.on("warning", listen);
    t.after(() => process.off("warning", listen));
    const { browser, store } = await farm(4, { maxHold: 1 });
    const stuck = await browser.open("exclusive");
    // A write takes a while, in which the time to wait passes.
    store.before = async (operation) => {
      if (operation === "update") await sleep(30);
    };
    await increments(browser, 8);
    store.before = undefined;
    stuck.discard();
    await stuck.commit();
    assert.deepEqual(await browser.contents(), { n: 8 });
    await sleep(1);
    assert.deepEqual(warnings.map(({ name }) => name), []); // biome-ignore format: one line
  });

  test("still commits if no other request has taken the session", async () => {
    const { browser } = await farm(1, { maxHold: 1 });
    const slow = await browser.open("exclusive");
    await sleep(LEASE / 2);
    slow.set("n", 1);
    await slow.commit();
    assert.deepEqual(await browser.contents(), { n: 1 });
  });

  test("does not block the requests of its own process either", async () => {
    const { browser } = await farm(1, { maxHold: 1 });
    const stuck = await browser.open("exclusive");
    await increment(browser);
    await assert.rejects(async () => {
      stuck.set("n", 100);
      await stuck.commit();
    }, LeaseLostError);
    assert.deepEqual(await browser.contents(), { n: 1 });
  });
});

describe("waiting", () => {
  for (const servers of [1, 2]) {
    test(`ends after maxWait with an error, ${servers === 1 ? "in the queue" : "for another server"}`, async () => {
      const { browser } = await farm(servers, { maxWait: 100 });
      const session = await browser.open("exclusive");
      await assert.rejects(browser.open("exclusive"), (error) => {
        assert.ok(error instanceof LockTimeoutError);
        assert.deepEqual([error.status, error.code], [503, "COATCHECK_LOCK_TIMEOUT"]);
        return true;
      });
      await session.commit();
      await increment(browser);
      assert.deepEqual(await browser.contents(), { n: 1 });
    });
  }

  test("is limited to maxQueue requests", async () => {
    const { browser } = await farm(1, { maxQueue: 2 });
    const session = await browser.open("exclusive");
    const waiting = [increment(browser), increment(browser)];
    await assert.rejects(browser.open("exclusive"), (error) => {
      assert.ok(error instanceof QueueFullError);
      assert.deepEqual([error.status, error.code], [429, "COATCHECK_QUEUE_FULL"]);
      return true;
    });
    await session.commit();
    await Promise.all(waiting);
    assert.deepEqual(await browser.contents(), { n: 2 });
  });

  test("is reported with its duration", async () => {
    const { browser, servers, openAt } = await farm(2);
    const session = await openAt(0);
    const began = performance.now();
    const waiting = [openAt(1), openAt(1)];
    const allBegan = performance.now();
    assert.equal(await settledWithin(waiting[0]!, 20), false);
    const longerThan = performance.now() - allBegan;
    await session.commit();
    for (const next of waiting) await (await next).commit();
    const shorterThan = performance.now() - began;
    await increment(browser);
    const waits = servers.map(({ events }) => named(events, "wait"));
    assert.deepEqual(
      waits.map(({ length }) => length),
      [0, 2],
    );
    for (const { id, waited } of waits[1]!) {
      assert.equal(id, session.id);
      assert.ok(longerThan < waited && waited < shorterThan, `${longerThan} < ${waited} < ${shorterThan}`);
    }
  });

  test("uses the store's change notifications", async () => {
    const inner = memory();
    const { browser, store } = await farm(2, {}, {}, inner);
    store.watch = (...listeners) => inner.watch!(...listeners);
    const notified = setUp({}, store);
    const waitingBrowser = new Browser<Data>(notified.sessions);
    waitingBrowser.cookie = browser.cookie;
    const session = await browser.open("exclusive");
    store.calls.length = 0;
    const waiting = waitingBrowser.open("exclusive");
    await sleep(300); // with growing pauses there would be many reads
    assert.ok(store.calls.length <= 4, store.calls.join());
    await session.commit();
    await (await waiting).commit();
    await notified.sessions.close();
  });
});

describe("a client that leaves", () => {
  /** A request whose connection the test can cut. */
  function request(cookie: string | undefined): { source: CookieSource; socket: EventEmitter; cut(): void } {
    const socket = new EventEmitter();
    const source = { headers: { cookie }, socket } as unknown as CookieSource;
    return { source, socket, cut: () => socket.emit("close") };
  }

  for (const servers of [1, 2]) {
    test(`ends its request's wait, ${servers === 1 ? "in the queue" : "for another server"}`, async () => {
      const { browser, servers: all } = await farm(servers);
      const session = await browser.open("exclusive");
      const { source, cut } = request(browser.cookie);
      const waiting = all[0]!.sessions.open(source, { mode: "exclusive" });
      await sleep(20);
      cut();
      await assert.rejects(waiting, { code: "COATCHECK_CLIENT_GONE" });
      await session.commit();
      await increment(browser);
      assert.deepEqual(await browser.contents(), { n: 1 });
    });
  }

  test("later has no listener: none stays on a connection that is kept open", async () => {
    const { browser, servers, openAt } = await farm(2);
    const { source, socket } = request(browser.cookie);
    const session = await openAt(0);
    const waiting = [0, 1, 1].map((server) => servers[server]!.sessions.open(source, { mode: "exclusive" }));
    await sleep(20);
    await session.commit();
    await Promise.all(waiting.map(async (next) => (await next).commit()));
    assert.equal(socket.listenerCount("close"), 0);
  });

  test("by closing its HTTP/2 stream ends its request's wait", async () => {
    const { browser, servers, openAt } = await farm(1);
    const session = await openAt(0);
    const { source, socket: stream } = request(browser.cookie);
    const http2 = { ...(source as object), socket: new EventEmitter(), stream } as unknown as CookieSource;
    const waiting = servers[0]!.sessions.open(http2, { mode: "exclusive" });
    await turn();
    stream.emit("close");
    await assert.rejects(waiting, { code: "COATCHECK_CLIENT_GONE" });
    await session.commit();
  });

  test("by aborting its Request ends its request's wait", async () => {
    const { browser, servers } = await farm(1);
    const session = await browser.open("exclusive");
    const controller = new AbortController();
    const source = new Request("http://localhost/", {
      headers: { cookie: browser.cookie! },
      signal: controller.signal,
    });
    const waiting = servers[0]!.sessions.open(source, { mode: "exclusive" });
    await turn();
    controller.abort();
    await assert.rejects(waiting, { code: "COATCHECK_CLIENT_GONE" });
    await session.commit();
  });

  test("still has its changes saved by a handler that commits", async () => {
    const { browser, servers } = await farm(1);
    const { source, cut } = request(browser.cookie);
    const session = (await servers[0]!.sessions.open(source, { mode: "exclusive" })) as Session<Data>;
    cut();
    session.set("n", 5);
    await session.commit();
    await increment(browser);
    assert.deepEqual(await browser.contents(), { n: 6 });
  });

  test("does not keep the session locked if its handler never commits", async () => {
    const { browser, servers } = await farm(1);
    const { source, cut } = request(browser.cookie);
    await servers[0]!.sessions.open(source, { mode: "exclusive" });
    cut();
    await increment(browser);
    assert.deepEqual(await browser.contents(), { n: 1 });
  });
});

describe("an invalid option of exclusive mode", () => {
  for (const [name, value] of Object.entries({ lease: "10ms", maxHold: -1, maxWait: "soon", maxQueue: 1.5 })) {
    test(`is refused with its name and value: ${name}`, () => {
      assert.throws(() => setUp({ exclusive: { [name]: value } }), {
        code: "COATCHECK_OPTION",
        message: new RegExp(`"exclusive.${name}" is ${JSON.stringify(value)}`),
      });
    });
  }
});

function count(calls: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const call of calls) counts[call] = (counts[call] ?? 0) + 1;
  return counts;
}
