import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { type CookieSource, LockTimeoutError, StoreError } from "../src/index.ts";
import { assertFree, fail, farm, increment, settledWithin, stall } from "./support/farm.ts";
import { named } from "./support/set-up.ts";

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
    const [first, next] = [openAt(0), openAt(0)];
    const saving = await first;
    await servers[1]!.sessions.revoke(saving.id);
    saving.set("n", 1);
    assert.equal(await saving.save(), false);
    assert.equal((await next).isNew, true);
  });

  test("is looked for at once when it has been ended or moved", async () => {
    for (const way of ["destroy", "regenerate"] as const) {
      const { store, openAt } = await farm(1);
      const session = await openAt(0);
      const next = openAt(0);
      await session[way]();
      assert.equal((await next).isNew, true);
      assert.equal(store.calls.filter((call) => call === "update").length, 1); // no renewal had to find it out
    }
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

  test("is claimed anew if who had it did not know of others", async () => {
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

  test("comes to other servers, too, before its lease is over", async () => {
    const { servers, openAt } = await farm(2);
    const first = await openAt(0);
    let isOver = false;
    const other = openAt(1).finally(() => {
      isOver = true;
    });
    // Readers, of whom one waits whenever another is done: nobody writes, so nobody renews the lease.
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

describe("waiting for a session", () => {
  test("that has ended is for nobody", async () => {
    const { servers, openAt } = await farm(1);
    await servers[0]!.sessions.revoke((await openAt(0)).id);
    for (let i = 0; i < 3; i++) assert.equal((await openAt(0)).isNew, true);
  });

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
