import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { describe, test } from "node:test";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { type CookieSource, LeaseLostError, LockTimeoutError, QueueFullError, type Session } from "../src/index.ts";
import { memory } from "../src/stores/memory.ts";
import { Browser } from "./support/browser.ts";
import { farm, increment, LEASE, settledWithin } from "./support/farm.ts";
import { type Data, named, setUp } from "./support/set-up.ts";

function increments(browser: Browser<Data>, count: number): Promise<unknown> {
  return Promise.all(Array.from({ length: count }, () => increment(browser)));
}

describe("an exclusive request", () => {
  test("has the session to itself: 100 parallel n++ give 100, with a write for each", async () => {
    const { browser, store } = await farm(1, { lease: "10s" });
    await increments(browser, 100);
    assert.deepEqual(await browser.contents(), { n: 100 });
    // The first claims it, the last lets go of it with its write; in between it is handed on.
    // (A slow machine may let others have a turn in between.)
    const { read, update } = count(store.calls) as { read: number; update: number };
    assert.ok(read >= 2 && read <= 10, `${read} reads`);
    assert.ok(update >= 101 && update <= 120, `${update} writes`);
  });

  test("has it to itself in the whole farm", async () => {
    const { browser } = await farm(4);
    await increments(browser, 100);
    assert.deepEqual(await browser.contents(), { n: 100 });
  });

  test("comes first if it came first", async () => {
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

  test("that only reads hands the session on without a word to the store", async () => {
    const { browser, store } = await farm(1);
    await Promise.all(Array.from({ length: 10 }, () => browser.request((session) => session.get("n"), "exclusive")));
    assert.deepEqual(store.calls, ["read", "update", "update"]);
  });

  test("of a browser without a session waits for nobody", async () => {
    const { store, sessions } = setUp();
    const [one, other] = await Promise.all([0, 1].map(() => sessions.open(undefined, { mode: "exclusive" })));
    one!.set("a", 1);
    other!.set("a", 2);
    await Promise.all([one!.commit(), other!.commit()]);
    assert.deepEqual(store.calls, ["create", "create"]);
  });

  test("keeps the session over a save, and until its end", async () => {
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

  test("keeps the session for as long as it runs: the lease is renewed", async () => {
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

  test("lets go of the session when it fails", async () => {
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

  test("moves the session: who waited under the old ticket finds nothing, and the new one works", async () => {
    const { browser } = await farm(2);
    const moving = await browser.open("exclusive");
    const waiting = browser.open("exclusive");
    moving.set("n", 1);
    await moving.regenerate();
    moving.set("user", "ann");
    await browser.end(moving);
    assert.equal((await waiting).isNew, true);
    await increment(browser);
    assert.deepEqual(await browser.contents(), { n: 2, user: "ann" });
  });

  test("ends the session: who waited finds nothing, and logout is final", async () => {
    const { browser } = await farm(2);
    const ending = await browser.open("exclusive");
    const waiting = browser.open("exclusive");
    await ending.destroy();
    await browser.end(ending);
    assert.equal((await waiting).isNew, true);
    assert.equal(browser.cookie, undefined);
  });

  test("does not bring back a session that was revoked meanwhile", async () => {
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

describe("others, while a request has the whole session", () => {
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
    test(`commit merged changes when it is done, ${servers === 1 ? "in its process" : "on another server"}`, async () => {
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

  test("merge and exclude in any order without losing a write", async () => {
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

  test("can regenerate the session only when it is done", async () => {
    const { browser } = await farm(2);
    const session = await browser.open("exclusive");
    const login = await browser.open("merge");
    const moved = login.regenerate();
    assert.equal(await settledWithin(moved, 50), false);
    session.set("n", 1);
    await session.commit();
    assert.equal(await moved, true);
    await browser.end(login);
    assert.deepEqual(await browser.contents(), { n: 1 });
  });
});

describe("a holder that stands still", () => {
  test("is taken over after one lease, and its commit is refused", async () => {
    const { browser, servers } = await farm(2, { maxHold: 1 });
    const stuck = await browser.open("exclusive");
    stuck.set("n", 100);
    await sleep(LEASE / 2); // its first renewal was due, and maxHold over
    await increment(browser);
    assert.equal(named(servers[0]!.events, "takeover").length, 1);
    await assert.rejects(async () => stuck.commit(), LeaseLostError);
    assert.deepEqual(named(servers[1]!.events, "leaseLost"), [{ id: stuck.id }]);
    assert.deepEqual(await browser.contents(), { n: 1 });
  });

  test("still commits if nobody wanted the session", async () => {
    const { browser } = await farm(1, { maxHold: 1 });
    const slow = await browser.open("exclusive");
    await sleep(LEASE / 2);
    slow.set("n", 1);
    await slow.commit();
    assert.deepEqual(await browser.contents(), { n: 1 });
  });

  test("does not keep the requests of its own process waiting either", async () => {
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
    test(`ends after maxWait with an error, ${servers === 1 ? "in line" : "for another server"}`, async () => {
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

  test("is for so many requests as the queue takes", async () => {
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

  test("is reported, with its time", async () => {
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

  test("goes by the store's word where it gives one", async () => {
    const inner = memory();
    const { browser, store } = await farm(2, {}, {}, inner);
    store.watch = (...listeners) => inner.watch!(...listeners);
    const heard = setUp({}, store);
    const listening = new Browser<Data>(heard.sessions);
    listening.cookie = browser.cookie;
    const session = await browser.open("exclusive");
    store.calls.length = 0;
    const waiting = listening.open("exclusive");
    await sleep(300); // growing pauses would have looked again and again
    assert.ok(store.calls.length <= 4, store.calls.join());
    await session.commit();
    await (await waiting).commit();
    await heard.sessions.close();
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
    test(`is not waited with, ${servers === 1 ? "in line" : "for another server"}`, async () => {
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

  test("or not: nothing listens to a connection that is kept for the next request", async () => {
    const { browser, servers, openAt } = await farm(2);
    const { source, socket } = request(browser.cookie);
    const session = await openAt(0);
    const waiting = [0, 1, 1].map((server) => servers[server]!.sessions.open(source, { mode: "exclusive" }));
    await sleep(20);
    await session.commit();
    await Promise.all(waiting.map(async (next) => (await next).commit()));
    assert.equal(socket.listenerCount("close"), 0);
  });

  test("by the end of its stream, over a connection that others use, is not waited with either", async () => {
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

  test("by an aborted Request is not waited with either", async () => {
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

  test("still gets its changes stored by a handler that commits", async () => {
    const { browser, servers } = await farm(1);
    const { source, cut } = request(browser.cookie);
    const session = (await servers[0]!.sessions.open(source, { mode: "exclusive" })) as Session<Data>;
    cut();
    session.set("n", 5);
    await session.commit();
    await increment(browser);
    assert.deepEqual(await browser.contents(), { n: 6 });
  });

  test("does not keep the session, if its handler never commits", async () => {
    const { browser, servers } = await farm(1);
    const { source, cut } = request(browser.cookie);
    await servers[0]!.sessions.open(source, { mode: "exclusive" });
    cut();
    await increment(browser);
    assert.deepEqual(await browser.contents(), { n: 1 });
  });
});

describe("an option of exclusive mode that is wrong", () => {
  for (const [name, value] of Object.entries({ lease: "10ms", maxHold: -1, maxWait: "soon", maxQueue: 1.5 })) {
    test(`is refused by name and value: ${name}`, () => {
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
