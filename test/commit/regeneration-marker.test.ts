// Tests of the marker that regenerate leaves under the old ticket.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Session } from "../../src/index.ts";
import { Browser } from "../support/browser.ts";
import { all, clock, type Data, key, named, setUp } from "../support/set-up.ts";

/** A browser whose user has just logged in, and a late one that still has the ticket from before. */
async function loggedIn() {
  const one = setUp();
  const two = setUp({}, one.store);
  const { browser } = one;
  await browser.request((session) => session.set("n", 1));
  const late = new Browser<Data>(two.sessions);
  late.cookie = browser.cookie;
  await browser.request((session) => {
    session.owner = "u1";
    return session.regenerate();
  });
  one.store.calls.length = 0;
  return { ...one, late, lateEvents: two.events };
}

describe("a request with a ticket that regenerate has just replaced", () => {
  test("changes nothing, and gets no cookie that would replace the new ticket", async () => {
    const { browser, late, lateEvents, store } = await loggedIn();
    const before = late.cookie;
    assert.deepEqual(await late.request((session) => session.set("seen", true)), []);
    assert.equal(late.cookie, before);
    assert.equal(named(lateEvents, "gone").length, 1);
    assert.deepEqual(named(lateEvents, "start"), []);
    assert.equal(store.rows.size, 1);
    assert.deepEqual(await browser.contents(), { n: 1 });
  });

  test("gets false from save and regenerate, and can still read", async () => {
    const { late } = await loggedIn();
    const session = await late.open();
    assert.deepEqual(session.keys(), []);
    session.set("seen", true);
    assert.equal(await session.save(), false);
    assert.equal(await session.save(), false);
    assert.equal(await session.regenerate(), false);
    assert.deepEqual(await session.commit(), []);
  });

  test("begins a new session if it calls regenerate itself", async () => {
    const { late, store } = await loggedIn();
    const cookies = await late.request(async (session) => {
      await session.regenerate();
      session.set("user", "u2");
    });
    assert.equal(cookies.length, 1);
    assert.deepEqual(await late.contents(), { user: "u2" });
    assert.equal(store.rows.size, 2);
  });

  test("ends the session under its new ticket if it calls destroy, and can begin another", async () => {
    const { late, lateEvents, browser, store } = await loggedIn();
    const { id } = await browser.open();
    assert.deepEqual(await late.request((session) => session.destroy()), ["__Host-sid=; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=0"]); // biome-ignore format: one line
    assert.equal((await browser.open()).isNew, true);
    assert.equal(store.rows.size, 0);
    assert.deepEqual(named(lateEvents, "end").map((end) => [end.id, end.reason]).at(-1), [id, "destroyed"]); // biome-ignore format: one line
    await late.request((session) => session.set("user", "u2"));
    assert.deepEqual(await late.contents(), { user: "u2" });
  });

  test("ends a session that was regenerated several times", async () => {
    const { late, browser, store } = await loggedIn();
    for (let i = 0; i < 3; i++) await browser.request((session) => session.regenerate());
    await late.request((session) => session.destroy());
    assert.equal((await browser.open()).isNew, true);
    assert.equal(store.rows.size, 0);
  });

  const before: Record<string, (session: Session<Data>) => unknown> = {
    "has only opened it": () => {},
    "has read it": (session) => session.get("n"),
    "knows already that it is gone": async (session) => {
      session.set("n", 2);
      assert.equal(await session.save(), false);
    },
  };
  for (const [when, use] of Object.entries(before)) {
    test(`ends it also if it opened the session before, and ${when}`, async () => {
      const { browser, store, events } = setUp();
      await browser.request((session) => session.set("n", 1));
      const logout = await browser.open();
      await browser.request((session) => session.regenerate());
      const { id } = await browser.open();
      await use(logout);
      await logout.destroy();
      assert.match((await logout.commit()).join(), /^__Host-sid=;/);
      assert.equal((await browser.open()).isNew, true);
      assert.equal(store.rows.size, 0);
      assert.deepEqual([named(events, "end").at(-1)!.id, named(events, "end").at(-1)!.reason], [id, "destroyed"]);
    });
  }

  test("keeps a session that it began before the marker was written", async () => {
    const { browser, sessions, store } = setUp();
    await browser.request((session) => session.set("n", 1));
    const late = new Browser<Data>(sessions);
    late.cookie = browser.cookie;
    const old = key(browser);
    await browser.request((session) => session.destroy());
    await late.request(async (session) => {
      session.set("n", 2);
      assert.equal(await session.save(), true);
      await store.create(`${old}-replaced`, { value: new Uint8Array(0), expiresAt: Date.now() + 30_000 });
      session.set("n", 3);
      assert.equal(await session.save(), true);
    });
    assert.deepEqual(await late.contents(), { n: 3 });
  });

  test("begins a new session after 30 seconds, when the marker has expired", async (t) => {
    const pass = clock(t);
    const { late } = await loggedIn();
    pass(29_000);
    assert.deepEqual(await late.request((session) => session.set("n", 2)), []);
    pass(1_000);
    assert.equal((await late.request((session) => session.set("n", 2))).length, 1);
    assert.deepEqual(await late.contents(), { n: 2 });
  });

  test("costs one more read if it writes, and no more calls if it only reads", async () => {
    const { late, store } = await loggedIn();
    await late.request((session) => session.get("n"));
    assert.deepEqual(store.calls.splice(0), ["read"]);
    await late.request((session) => session.set("n", 2));
    assert.deepEqual(store.calls, ["read", "read"]);
  });
});

describe("the regeneration marker", () => {
  test("is not a session: it is not listed, counted or revoked, and its end is not reported", async (t) => {
    const pass = clock(t);
    const { sessions, browser, events } = await loggedIn();
    assert.equal(await sessions.count(), 1);
    assert.deepEqual(
      (await all(sessions.list())).map(({ owner }) => owner),
      ["u1"],
    );
    assert.equal(await sessions.revokeAll("u1"), 1);
    pass(30_001);
    assert.equal(await sessions.sweep(), 0);
    assert.deepEqual(
      named(events, "end").map(({ reason }) => reason),
      ["replaced", "revoked"],
    );
    assert.deepEqual(named(events, "unreadable"), []);
    assert.equal((await browser.request((session) => session.set("n", 3))).length, 1);
  });

  test("finds the marker at any moment, also where regenerate has met another write and tries again", async () => {
    const one = setUp();
    const two = setUp({}, one.store);
    const { browser, store } = one;
    await browser.request((session) => session.set("n", 1));
    const late = new Browser<Data>(two.sessions);
    late.cookie = browser.cookie;
    const old = key(browser);
    let deletes = 0;
    const answers: string[][] = [];
    store.before = async (operation, called) => {
      const isMine = operation === "delete" && called === old;
      // The first attempt meets a write.
      if (isMine && ++deletes === 1) await late.request((session) => session.set("other", true));
      if (deletes < 2 || isMine || !called.startsWith(old) || !["delete", "create", "update"].includes(operation))
        return;
      // The old record is gone, and the marker is about to change.
      store.before = undefined;
      answers.push(await late.request((session) => session.set("late", true)));
      store.before = hook;
    };
    const hook = store.before;
    await browser.request((session) => session.regenerate());
    store.before = undefined;
    assert.deepEqual(answers, [[]]);
    assert.deepEqual(await browser.contents(), { n: 1, other: true });
    await late.request((session) => session.destroy());
    assert.deepEqual(await browser.contents(), {}, "the marker names the ticket that counts");
  });

  test("may fail to be written: regenerate succeeds without it", async () => {
    const { browser, store } = setUp();
    await browser.request((session) => session.set("n", 1));
    store.before = (operation, key) => {
      if (operation === "create" && key.endsWith("-replaced")) throw new Error("no room");
    };
    assert.equal((await browser.request((session) => session.regenerate())).length, 1);
    assert.deepEqual(await browser.contents(), { n: 1 });
  });
});

test("a destroyed session leaves no marker: the next write begins a new one", async () => {
  const { browser, sessions, store } = setUp();
  await browser.request((session) => session.set("n", 1));
  const other = new Browser<Data>(sessions);
  other.cookie = browser.cookie;
  await browser.request((session) => session.destroy());
  assert.equal((await other.request((session) => session.set("n", 2))).length, 1);
  assert.equal(store.rows.size, 1);
});
