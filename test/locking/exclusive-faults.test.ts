// Tests of exclusive mode when the store fails, and when a request ends in an unusual way.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { LeaseLostError, StoreError } from "../../src/index.ts";
import type { Browser } from "../support/browser.ts";
import { assertFree, fail, farm, increment, LEASE, repair, settledWithin, stall } from "../support/farm.ts";
import fc, { runs } from "../support/random.ts";
import { all, clock, type Data, MINUTE, named } from "../support/set-up.ts";

/** The number of timers that keep the process running. */
function refdTimers(): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
}

describe("a request that holds the session while the store fails", () => {
  for (const [call, operation] of [
    ["destroy", "delete"],
    ["regenerate", "create"],
  ] as const) {
    test(`keeps the session if ${call} fails`, async () => {
      const all = await farm(2);
      const session = await all.openAt(0);
      fail(all.store, operation);
      await assert.rejects(session[call](), StoreError);
      repair(all.store);
      session.set("n", 1);
      const next = all.openAt(1);
      assert.equal(await settledWithin(next, 20), false);
      await session.commit();
      assert.equal((await next).get("n"), 1);
      await (await next).commit();
      await assertFree(all);
    });
  }

  test("does not block other requests for good if it can't release the session", async () => {
    const { store, openAt, browser } = await farm(1, {}, { storeTimeout: 100 });
    const session = await openAt(0);
    const next = openAt(0);
    session.set("n", 1);
    fail(store, "update");
    await assert.rejects(async () => session.commit(), StoreError);
    repair(store);
    (await next).set("m", 1);
    await (await next).commit();
    assert.deepEqual(await browser.contents(), { n: 0, m: 1 });
  });

  test("does not hand over its lease after a write of unknown outcome", async () => {
    const { store, openAt, browser } = await farm(1, {}, { encryption: "off" });
    const [first, next] = [openAt(0), openAt(0)];
    const session = await first;
    session.set("n", 1);
    store.after = () => {
      store.after = undefined;
      throw new Error("the test cuts the connection");
    };
    await assert.rejects(async () => session.commit(), StoreError);
    (await next).set("m", 1);
    await (await next).commit();
    assert.deepEqual(await browser.contents(), { n: 1, m: 1 });
  });

  test("regenerates the session after a renewal that is under way", async () => {
    const { store, openAt, browser } = await farm(1);
    const session = await openAt(0);
    session.set("n", 1);
    const renewal = stall(store, "update");
    await renewal.reached;
    const regenerated = session.regenerate();
    assert.equal(await settledWithin(regenerated, 20), false);
    renewal.pass();
    assert.equal(await regenerated, true);
    await browser.end(session);
    assert.deepEqual(await browser.contents(), { n: 1 });
  });

  test("sends one renewal at a time", async () => {
    const { store, openAt } = await farm(1);
    const session = await openAt(0);
    store.calls.length = 0;
    const renewal = stall(store, "update");
    await renewal.reached;
    await sleep(LEASE);
    renewal.pass();
    session.set("n", 1);
    await session.commit();
    assert.deepEqual(store.calls, ["update", "update"]);
  });

  test("leaves the session free if another request's regenerate fails after it", async () => {
    const all = await farm(2);
    const session = await all.openAt(0);
    const login = await all.browser.open("merge");
    const regenerated = login.regenerate();
    fail(all.store, "create");
    await session.commit();
    await assert.rejects(regenerated, StoreError);
    repair(all.store);
    await assertFree(all);
  });
});

describe("a request that holds the session", () => {
  test("releases it if the commit after a save fails", async () => {
    const all = await farm(2);
    const session = await all.openAt(0);
    session.set("n", 1);
    const saved = session.save();
    session.set("m", () => {});
    await assert.rejects(async () => session.commit(), { code: "COATCHECK_UNSTORABLE" });
    await saved;
    await assertFree(all);
  });

  test("releases it with a save after maxHold", async () => {
    const all = await farm(2, { maxHold: 1 });
    const slow = await all.openAt(0);
    await sleep(LEASE / 2);
    slow.set("n", 1);
    await slow.save();
    await assertFree(all);
    slow.set("n", 7);
    await assert.rejects(async () => slow.commit(), LeaseLostError);
    assert.deepEqual(await all.browser.contents(), { n: 2 });
  });

  test("makes no store calls after its end, and leaves no timers", async () => {
    for (const end of ["commit", "save", "destroy", "regenerate", "reload"] as const) {
      const timers = refdTimers();
      const { store, openAt, servers } = await farm(1);
      const [first, next] = [openAt(0), openAt(0)];
      const session = await first;
      if (end === "reload") await servers[0]!.sessions.revoke(session.id);
      else session.set("n", 1);
      await session[end]();
      await session.commit();
      await (await next).commit();
      assert.equal(refdTimers(), timers);
      store.calls.length = 0;
      await sleep(LEASE / 2);
      assert.deepEqual(store.calls, [], end);
    }
  });

  test("keeps the other fields of the record", async () => {
    const { browser, openAt, servers } = await farm(1, {}, { cookie: { maxAge: "30d" } });
    await browser.request((session) => {
      session.owner = "ann";
    });
    const session = await openAt(0);
    assert.deepEqual(
      (await all(servers[0]!.sessions.list({ owner: "ann" }))).map(({ owner }) => owner),
      ["ann"],
    );
    assert.deepEqual(await session.commit(), []);
    const reading = await openAt(0);
    assert.equal(reading.owner, "ann");
    assert.deepEqual(await reading.commit(), []);
  });

  test("can begin a new session after destroy", async () => {
    const { browser, openAt } = await farm(2);
    const session = await openAt(0);
    await session.destroy();
    for (const n of [1, 2, 3]) {
      session.set("n", n);
      assert.equal(await session.save(), true);
    }
    assert.equal(await session.regenerate(), true);
    session.set("n", 4);
    await browser.end(session);
    assert.deepEqual(await browser.contents(), { n: 4 });
  });

  test("can't regenerate it after another request has taken it over, or after its end", async () => {
    const { servers, openAt, browser } = await farm(2, { maxHold: 1 });
    const stuck = await openAt(0);
    await (await openAt(1)).commit();
    await assert.rejects(stuck.regenerate(), LeaseLostError);
    const late = await openAt(0);
    await servers[1]!.sessions.revoke(late.id);
    assert.equal(await late.regenerate(), false);
    assert.deepEqual(await late.commit(), []);
    assert.deepEqual(await browser.contents(), {});
  });

  test("reports a lost lease once", async () => {
    const { servers, openAt } = await farm(2, { maxHold: 1 });
    const stuck = await openAt(0);
    await (await openAt(1)).commit();
    stuck.set("n", 1);
    await assert.rejects(stuck.save(), LeaseLostError);
    await assert.rejects(async () => stuck.commit(), LeaseLostError);
    assert.equal(named(servers[0]!.events, "leaseLost").length, 1);
  });

  test("keeps it alive for longer than its idle timeout", async () => {
    const { openAt, browser } = await farm(1, {}, { idleTimeout: 1.5 * LEASE });
    const slow = await openAt(0);
    await sleep(2 * LEASE);
    slow.set("n", 1);
    await slow.commit();
    assert.deepEqual(await browser.contents(), { n: 1 });
  });

  test("extends its expiry with the lease's writes", async (t) => {
    const tick = clock(t);
    const { openAt, store, browser } = await farm(1, {}, { idleTimeout: "20m" });
    tick(15 * MINUTE);
    const session = await openAt(0);
    assert.equal(session.expiresAt, Date.now() + 20 * MINUTE);
    await session.commit();
    assert.deepEqual(store.calls, ["read", "update", "update"]);
    tick(15 * MINUTE);
    assert.deepEqual(await browser.contents(), { n: 0 });
  });

  test("and opens it a second time gets an error that says so", async () => {
    const { browser } = await farm(1, { maxWait: 50 });
    const session = await browser.open("exclusive");
    await assert.rejects(browser.open("exclusive"), /this one has opened it twice/);
    await session.commit();
  });

  test("does not get a session that is past its absolute timeout", async (t) => {
    const tick = clock(t);
    const { openAt, servers } = await farm(1, {}, { idleTimeout: "20m", absoluteTimeout: "30m" });
    tick(15 * MINUTE);
    await (await openAt(0)).commit();
    tick(15 * MINUTE);
    assert.equal((await openAt(0)).isNew, true);
    assert.equal(named(servers[0]!.events, "takeover").length, 0);
  });
});

interface Step {
  mode: "merge" | "exclusive";
  actions: ("save" | "reload" | "discard" | "get" | "turn")[];
}

/** A request that increments once, with other actions in between. False: it has failed, but may have been applied. */
async function count(browser: Browser<Data>, { mode, actions }: Step): Promise<boolean> {
  const session = await browser.open(mode).catch(() => undefined);
  if (session === undefined) return false;
  const add = () => {
    if (mode === "merge") session.update("n", (n) => (n as number) + 1);
    else session.set("n", (session.get("n") as number) + 1);
  };
  let saved = false;
  try {
    for (const action of actions) {
      if (action === "turn") await turn();
      else if (action === "reload") await session.reload();
      else if (action === "discard") session.discard();
      else if (action === "get") session.get("n");
      else if (!saved) {
        add();
        await session.save();
        saved = true;
      }
    }
    if (!saved) add();
    await session.commit();
    return true;
  } catch {
    session.discard();
    await Promise.resolve(session.commit()).catch(() => {});
    return false;
  }
}

test("merging and exclusive requests lose no increment that succeeded, also when the store fails now and then", async () => {
  const actions = fc.array(fc.constantFrom("save", "reload", "discard", "get", "turn"), { maxLength: 4 });
  const step = fc.record({ mode: fc.constantFrom("merge", "exclusive"), actions }) as fc.Arbitrary<Step>;
  const faults = fc.uniqueArray(fc.nat(60), { maxLength: 2 });
  const setting = fc.record({
    servers: fc.integer({ min: 1, max: 3 }),
    steps: fc.array(step, { maxLength: 12 }),
    cut: faults,
    lost: faults,
    // Without encryption, the bytes in the store do not show whether a write was applied whose answer was lost.
    encryption: fc.constantFrom("server", "off"),
  });
  const property = fc.asyncProperty(setting, async ({ servers, steps, cut, lost, encryption }) => {
    const { browser, store } = await farm(servers, {}, { encryption });
    let calls = 0;
    store.before = () => {
      if (cut.includes(++calls)) throw new Error("the test cuts the connection before");
    };
    store.after = () => {
      if (lost.includes(calls)) throw new Error("the test cuts the connection after");
    };
    const results = await Promise.all(steps.map((one) => count(browser, one)));
    store.before = store.after = undefined;
    const { n } = (await browser.contents()) as { n: number };
    const succeeded = results.filter(Boolean).length;
    assert.ok(n >= succeeded && n <= steps.length, `${n} after ${succeeded} of ${steps.length} succeeded`);
    if (lost.length + cut.length === 0) assert.equal(n, steps.length);
    // The session is free again.
    await increment(browser);
    assert.deepEqual(await browser.contents(), { n: n + 1 });
  });
  await fc.assert(property, { numRuns: runs(60) });
});
