import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { type CookieSource, LeaseLostError, LockTimeoutError, StoreError } from "../src/index.ts";
import type { Browser } from "./support/browser.ts";
import { farm, increment, LEASE, settledWithin } from "./support/farm.ts";
import { clock, type Data, MINUTE, named } from "./support/set-up.ts";
import type { Operation, WatchedStore } from "./support/stores.ts";

/** The next call of this kind waits in front of the store until it is let through. */
function stall(store: WatchedStore, operation: Operation): { reached: Promise<void>; pass(): void } {
  const reached = Promise.withResolvers<void>();
  const passed = Promise.withResolvers<void>();
  store.before = async (called) => {
    if (called !== operation) return;
    store.before = undefined;
    reached.resolve();
    await passed.promise;
  };
  return { reached: reached.promise, pass: passed.resolve };
}

/** From now on, calls of this kind fail. */
function fail(store: WatchedStore, operation: Operation): void {
  store.before = (called) => {
    if (called === operation) throw new Error("the test cuts the connection");
  };
}

function repair(store: WatchedStore): void {
  store.before = store.after = undefined;
}

/** Another server gets the session at once: nobody was waited for, and no lease had to run out. */
async function assertFree({ browser, servers, openAt }: Awaited<ReturnType<typeof farm>>): Promise<void> {
  const other = servers.length - 1;
  const before = named(servers[other]!.events, "wait").length;
  const session = await openAt(other);
  const n = session.get("n") as number;
  session.set("n", n + 1);
  await session.commit();
  assert.deepEqual(await browser.contents(), { n: n + 1 });
  assert.equal(named(servers[other]!.events, "wait").length, before);
  assert.deepEqual(named(servers[other]!.events, "takeover"), []);
}

describe("a session that is handed on", () => {
  test("is not seen by a request that came after its end", async () => {
    const { servers, openAt } = await farm(2);
    const reading = await openAt(0);
    assert.equal(await servers[1]!.sessions.revoke(reading.id), true);
    const next = openAt(0);
    await reading.commit();
    assert.equal((await next).isNew, true);
  });

  test("is not seen by those who waited when its end was noticed", async () => {
    const { servers, openAt } = await farm(2);
    const saving = await openAt(0);
    const next = openAt(0);
    await servers[1]!.sessions.revoke(saving.id);
    saving.set("n", 1);
    assert.equal(await saving.save(), false);
    assert.equal((await next).isNew, true);
  });

  test("is looked at by a request that came later, and has not to be claimed anew", async () => {
    const { store, openAt } = await farm(1);
    const reading = await openAt(0);
    const next = openAt(0);
    await reading.commit();
    assert.equal((await next).get("n"), 0);
    await (await next).commit();
    assert.deepEqual(store.calls, ["read", "update", "read", "update"]);
  });

  test("has the version that the last renewal left", async () => {
    const { store, browser, openAt } = await farm(1);
    const reading = await openAt(0);
    const renewal = stall(store, "update");
    await renewal.reached;
    const next = openAt(0);
    const released = reading.commit();
    assert.equal(await settledWithin(released, 20), false);
    renewal.pass();
    await released;
    (await next).set("n", 1);
    await (await next).commit();
    assert.deepEqual(await browser.contents(), { n: 1 });
  });

  test("is let go of if whoever was to have it leaves at that moment", async () => {
    const all = await farm(2, { maxWait: 100 });
    const { store, openAt } = all;
    const session = await openAt(0);
    const next = assert.rejects(openAt(0), LockTimeoutError);
    session.set("n", 1);
    const write = stall(store, "update");
    const committed = session.commit();
    await write.reached;
    await next;
    write.pass();
    await committed;
    await assertFree(all);
  });
});

describe("a request that has the session, and whose store fails", () => {
  for (const [what, operation] of [
    ["destroy", "delete"],
    ["regenerate", "create"],
  ] as const) {
    test(`keeps it if it could not ${what} it`, async () => {
      const all = await farm(2);
      const session = await all.openAt(0);
      fail(all.store, operation);
      await assert.rejects(session[what](), StoreError);
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

  test("keeps others waiting for one lease at most if it can't let go of it", async () => {
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

  test("tries one renewal at a time", async () => {
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

  test("lets go of it, too, if another request's regenerate fails behind it", async () => {
    const all = await farm(2);
    const session = await all.openAt(0);
    const login = await all.browser.open("merge");
    const moved = login.regenerate();
    fail(all.store, "create");
    await session.commit();
    await assert.rejects(moved, StoreError);
    repair(all.store);
    await assertFree(all);
  });
});

describe("a request that has the session", () => {
  test("lets go of it when a commit behind a save can't be made", async () => {
    const all = await farm(2);
    const session = await all.openAt(0);
    session.set("n", 1);
    const saved = session.save();
    session.set("m", () => {});
    await assert.rejects(async () => session.commit(), { code: "COATCHECK_UNSTORABLE" });
    await saved;
    await assertFree(all);
  });

  test("lets go of it with a save after maxHold", async () => {
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

  test("reports once that it has lost it", async () => {
    const { servers, openAt } = await farm(2, { maxHold: 1 });
    const stuck = await openAt(0);
    await (await openAt(1)).commit();
    stuck.set("n", 1);
    await assert.rejects(stuck.save(), LeaseLostError);
    await assert.rejects(async () => stuck.commit(), LeaseLostError);
    assert.equal(named(servers[0]!.events, "leaseLost").length, 1);
  });

  test("keeps the session alive for longer than its idle time", async () => {
    const { openAt, browser } = await farm(1, {}, { idleTimeout: 1.5 * LEASE });
    const slow = await openAt(0);
    await sleep(2 * LEASE);
    slow.set("n", 1);
    await slow.commit();
    assert.deepEqual(await browser.contents(), { n: 1 });
  });

  test("extends the session's life by what it writes anyway", async (t) => {
    const tick = clock(t);
    const { openAt, store, browser } = await farm(1, {}, { idleTimeout: "20m" });
    tick(15 * MINUTE);
    await (await openAt(0)).commit();
    assert.deepEqual(store.calls, ["read", "update", "update"]);
    tick(15 * MINUTE);
    assert.deepEqual(await browser.contents(), { n: 0 });
  });

  test("and opens it a second time waits for itself, and is told so", async () => {
    const { browser } = await farm(1, { maxWait: 50 });
    const session = await browser.open("exclusive");
    await assert.rejects(browser.open("exclusive"), /this one has opened it twice/);
    await session.commit();
  });

  test("finds none where it has lived for too long", async (t) => {
    const tick = clock(t);
    const { openAt, servers } = await farm(1, {}, { idleTimeout: "20m", absoluteTimeout: "30m" });
    tick(15 * MINUTE);
    await (await openAt(0)).commit();
    tick(15 * MINUTE);
    assert.equal((await openAt(0)).isNew, true);
    assert.equal(named(servers[0]!.events, "takeover").length, 0);
  });
});

describe("waiting for a session", () => {
  test("ends after maxWait also if others are always first", async () => {
    const { store, browser, openAt } = await farm(1, { maxWait: 100 });
    const { update } = store;
    store.update = async (at, session, ifVersion) => {
      const { value, expiresAt, version } = (await store.read(at))!;
      await update(at, { value, expiresAt }, version);
      return update(at, session, ifVersion);
    };
    await assert.rejects(openAt(0), LockTimeoutError);
    store.update = update;
    await increment(browser);
  });

  test("may take longer than a timer can", async () => {
    const { browser, openAt } = await farm(1, { maxWait: "30d" });
    const session = await openAt(0);
    const next = increment(browser);
    assert.equal(await settledWithin(next, 20), false);
    await session.commit();
    await next;
  });

  test("for too long is no outage, in which a request may go on without a session", async () => {
    const { store, openAt } = await farm(1, { maxWait: 50 }, { onStoreError: "anonymous", storeTimeout: 50 });
    const session = await openAt(0);
    await assert.rejects(openAt(0), LockTimeoutError);
    await session.commit();
    fail(store, "update");
    const anonymous = await openAt(0);
    assert.equal(anonymous.isNew, true);
    anonymous.set("n", 1);
    await assert.rejects(async () => anonymous.commit(), StoreError);
  });

  test("ends when the sessions are closed", async () => {
    const { servers, openAt } = await farm(2);
    await openAt(0);
    const next = assert.rejects(openAt(1), StoreError);
    await turn();
    await servers[1]!.sessions.close();
    await next;
  });

  for (const [name, source] of Object.entries({
    "a connection that is closed": (cookie: string) =>
      ({ headers: { cookie }, socket: { destroyed: true, once() {}, off() {} } }) as unknown as CookieSource,
    "a Request that is aborted": (cookie: string) =>
      new Request("http://localhost/", { headers: { cookie }, signal: AbortSignal.abort() }),
  })) {
    test(`is not for ${name} already`, async () => {
      const { browser, servers, openAt } = await farm(1);
      const { sessions } = servers[0]!;
      const session = await openAt(0);
      const gone = sessions.open(source(browser.cookie!), { mode: "exclusive" });
      await assert.rejects(gone, { code: "COATCHECK_CLIENT_GONE" });
      await session.commit();
      // If it gets the session at once, it keeps it no longer than a lease unless it commits.
      await sessions.open(source(browser.cookie!), { mode: "exclusive" });
      await increment(browser);
      assert.deepEqual(await browser.contents(), { n: 1 });
    });
  }
});

interface Step {
  mode: "merge" | "exclusive";
  ways: ("save" | "reload" | "discard" | "again" | "turn")[];
}

/** A request that counts by one, with other things on its way. False: it may have failed. */
async function count(browser: Browser<Data>, { mode, ways }: Step): Promise<boolean> {
  const session = await browser.open(mode).catch(() => undefined);
  if (session === undefined) return false;
  const add = () => {
    if (mode === "merge") session.update("n", (n) => (n as number) + 1);
    else session.set("n", (session.get("n") as number) + 1);
  };
  let saved = false;
  try {
    for (const way of ways) {
      if (way === "turn") await turn();
      else if (way === "reload") await session.reload();
      else if (way === "discard") session.discard();
      else if (way === "again") session.get("n");
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

test("requests of all kinds count in some order, one after the other, also when the store fails now and then", async () => {
  const ways = fc.array(fc.constantFrom("save", "reload", "discard", "again", "turn"), { maxLength: 4 });
  const step = fc.record({ mode: fc.constantFrom("merge", "exclusive"), ways }) as fc.Arbitrary<Step>;
  const faults = fc.uniqueArray(fc.nat(60), { maxLength: 2 });
  const setting = fc.record({
    servers: fc.integer({ min: 1, max: 3 }),
    steps: fc.array(step, { maxLength: 12 }),
    cut: faults,
    lost: faults,
    // Without, it can't be told from what is there whether a write was done whose answer was lost.
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
    const done = await Promise.all(steps.map((one) => count(browser, one)));
    store.before = store.after = undefined;
    const { n } = (await browser.contents()) as { n: number };
    const succeeded = done.filter(Boolean).length;
    assert.ok(n >= succeeded && n <= steps.length, `${n} after ${succeeded} of ${steps.length} succeeded`);
    if (lost.length + cut.length === 0) assert.equal(n, steps.length);
    // Nothing is left that keeps anybody from the session.
    await increment(browser);
    assert.deepEqual(await browser.contents(), { n: n + 1 });
  });
  await fc.assert(property, { numRuns: 60 });
});
