import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Browser } from "./support/browser.ts";
import { all, clock, type Data, key, named, setUp } from "./support/set-up.ts";

/** A user who has just logged in, and a browser that still has the ticket of before. */
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
  test("changes nothing, and gets no cookie that would take the new one's place", async () => {
    const { browser, late, lateEvents, store } = await loggedIn();
    const before = late.cookie;
    assert.deepEqual(await late.request((session) => session.set("seen", true)), []);
    assert.equal(late.cookie, before);
    assert.equal(named(lateEvents, "gone").length, 1);
    assert.deepEqual(named(lateEvents, "start"), []);
    assert.equal(store.rows.size, 1);
    assert.deepEqual(await browser.contents(), { n: 1 });
  });

  test("is told so by save, and may go on reading", async () => {
    const { late } = await loggedIn();
    const session = await late.open();
    assert.deepEqual(session.keys(), []);
    session.set("seen", true);
    assert.equal(await session.save(), false);
    assert.equal(await session.save(), false);
    assert.equal(await session.regenerate(), false);
    assert.deepEqual(await session.commit(), []);
  });

  test("begins a session if it means to: it is a login or a logout of its own", async () => {
    for (const call of ["regenerate", "destroy"] as const) {
      const { late, store } = await loggedIn();
      const cookies = await late.request(async (session) => {
        await session[call]();
        session.set("user", "u2");
      });
      assert.equal(cookies.length, 1);
      assert.deepEqual(await late.contents(), { user: "u2" });
      assert.equal(store.rows.size, 2);
    }
  });

  test("keeps the session that it has begun, also if the old one's note comes only then", async () => {
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

  test("begins a session half a minute later", async (t) => {
    const pass = clock(t);
    const { late } = await loggedIn();
    pass(29_000);
    assert.deepEqual(await late.request((session) => session.set("n", 2)), []);
    pass(1_000);
    assert.equal((await late.request((session) => session.set("n", 2))).length, 1);
    assert.deepEqual(await late.contents(), { n: 2 });
  });

  test("costs a read more if it writes, and nothing else if it does not", async () => {
    const { late, store } = await loggedIn();
    await late.request((session) => session.get("n"));
    assert.deepEqual(store.calls.splice(0), ["read"]);
    await late.request((session) => session.set("n", 2));
    assert.deepEqual(store.calls, ["read", "read"]);
  });
});

describe("the note that regenerate leaves", () => {
  test("is no session: nobody lists, counts or revokes it, and it ends without a word", async (t) => {
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

  test("is not needed for a regenerate to succeed", async () => {
    const { browser, store } = setUp();
    await browser.request((session) => session.set("n", 1));
    store.before = (operation, key) => {
      if (operation === "create" && key.endsWith("-replaced")) throw new Error("no room");
    };
    assert.equal((await browser.request((session) => session.regenerate())).length, 1);
    assert.deepEqual(await browser.contents(), { n: 1 });
  });
});

test("a session that was destroyed leaves no note: the next write begins a new one", async () => {
  const { browser, sessions, store } = setUp();
  await browser.request((session) => session.set("n", 1));
  const other = new Browser<Data>(sessions);
  other.cookie = browser.cookie;
  await browser.request((session) => session.destroy());
  assert.equal((await other.request((session) => session.set("n", 2))).length, 1);
  assert.equal(store.rows.size, 1);
});
