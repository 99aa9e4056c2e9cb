// Tests of exclusive mode: a session is handed over to the next request, which may have to wait.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { type CookieSource, LockTimeoutError, StoreError } from "../../src/index.ts";
import { assertFree, fail, farm, increment, settledWithin, stall } from "../support/farm.ts";
import { named } from "../support/set-up.ts";

describe("a session that is handed over to the next request", () => {
  test("is not given to a request that came after its end", async () => {
    const { servers, openAt } = await farm(2);
    const reading = await openAt(0);
    assert.equal(await servers[1]!.sessions.revoke(reading.id), true);
    const next = openAt(0);
    await reading.commit();
    assert.equal((await next).isNew, true);
  });

  test("is not given to a waiting request once its end is noticed", async () => {
    const { servers, openAt } = await farm(2);
    const [first, next] = [openAt(0), openAt(0)];
    const saving = await first;
    await servers[1]!.sessions.revoke(saving.id);
    saving.set("n", 1);
    assert.equal(await saving.save(), false);
    assert.equal((await next).isNew, true);
  });

  test("is read immediately by the next request when it was destroyed or regenerated", async () => {
    for (const call of ["destroy", "regenerate"] as const) {
      const { store, openAt } = await farm(1);
      const session = await openAt(0);
      const next = openAt(0);
      await session[call]();
      assert.equal((await next).isNew, true);
      assert.equal(store.calls.filter((operation) => operation === "update").length, 1); // no renewal was needed to notice it
    }
  });

  test("is read by a request that came later, without taking the lease again", async () => {
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

  test("needs a new lease if no request waited when the last one sent its write", async () => {
    const { store, openAt } = await farm(2);
    const session = await openAt(0);
    session.set("n", 1);
    const write = stall(store, "update");
    const committed = session.commit();
    await write.reached;
    const next = openAt(0);
    write.pass();
    await committed;
    assert.equal((await next).get("n"), 1);
    const other = openAt(1);
    assert.equal(await settledWithin(other, 20), false);
    await (await next).commit();
    await (await other).commit();
  });

  test("reaches other servers before its lease runs out", async () => {
    const { servers, openAt } = await farm(2);
    const first = await openAt(0);
    let isOver = false;
    const other = openAt(1).finally(() => {
      isOver = true;
    });
    // Readers, one of which always waits when another ends. None of them writes, so the lease is not renewed.
    async function read(): Promise<void> {
      while (!isOver) {
        const session = await openAt(0);
        await sleep(20);
        await session.commit();
      }
    }
    const readers = [read(), read(), read()];
    await first.commit();
    await (await other).commit();
    await Promise.all(readers);
    assert.deepEqual(named(servers[1]!.events, "takeover"), []);
  });

  test("is released if the waiting request gives up during the last write", async () => {
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

describe("waiting for a session", () => {
  test("that has ended gives every request a new session", async () => {
    const { servers, openAt } = await farm(1);
    await servers[0]!.sessions.revoke((await openAt(0)).id);
    for (let i = 0; i < 3; i++) assert.equal((await openAt(0)).isNew, true);
  });

  test("ends after maxWait even if other writers are always first", async () => {
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

  test("may have a maxWait beyond a timer's limit", async () => {
    const { browser, openAt } = await farm(1, { maxWait: "30d" });
    const session = await openAt(0);
    const next = increment(browser);
    assert.equal(await settledWithin(next, 20), false);
    await session.commit();
    await next;
  });

  test("for longer than maxWait is not an outage: no anonymous session is given", async () => {
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
    "a closed connection": (cookie: string) =>
      ({ headers: { cookie }, socket: { destroyed: true, once() {}, off() {} } }) as unknown as CookieSource,
    "an aborted Request": (cookie: string) =>
      new Request("http://localhost/", { headers: { cookie }, signal: AbortSignal.abort() }),
  })) {
    test(`ends immediately for ${name}`, async () => {
      const { browser, servers, openAt } = await farm(1);
      const { sessions } = servers[0]!;
      const session = await openAt(0);
      const gone = sessions.open(source(browser.cookie!), { mode: "exclusive" });
      await assert.rejects(gone, { code: "COATCHECK_CLIENT_GONE" });
      await session.commit();
      // Without waiting it gets the session, but it holds it for one lease at most unless it commits.
      await sessions.open(source(browser.cookie!), { mode: "exclusive" });
      await increment(browser);
      assert.deepEqual(await browser.contents(), { n: 1 });
    });
  }
});
