// Tests of the session registry: sessions are listed by owner, and revoked.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ticketSigner } from "../../src/cookies/ticket.ts";
import { CapabilityError, createSessions, UnstorableValueError } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { Browser } from "../support/browser.ts";
import { isAlive, login } from "../support/login.ts";
import { all, type Data, key, named, setUp } from "../support/set-up.ts";
import { OTHER_SECRET, SECRET, watched } from "../support/stores.ts";

const signer = ticketSigner([SECRET]);

describe("an owner", () => {
  test("has a list of their sessions with their data, and of no other owner's", async () => {
    const { sessions } = setUp();
    const [one] = await Promise.all([login(sessions, "u1", { device: "phone" }), login(sessions, "u1", { device: "laptop" }), login(sessions, "u2", { device: "tv" })]); // biome-ignore format: one line
    const list = await all(sessions.list({ owner: "u1" }));
    assert.deepEqual(list.map(({ data, owner }) => [data.device, owner]).sort(), [["laptop", "u1"], ["phone", "u1"]]); // biome-ignore format: one line
    const phone = list.find(({ data }) => data.device === "phone")!;
    const session = await one.open();
    assert.equal(phone.id, session.id);
    assert.equal(phone.createdAt, session.createdAt);
    assert.equal(phone.expiresAt, session.expiresAt);
    assert.deepEqual(await all(sessions.list({ owner: "nobody" })), []);
    assert.equal((await all(sessions.list())).length, 3);
    assert.equal(await sessions.count(), 3);
  });

  test("is not readable in any field of the store", async () => {
    const inner = memory();
    const seen: string[] = [];
    const sessions = createSessions<Data>({
      store: {
        ...watched(inner),
        create: (key, session) => {
          seen.push(key, session.owner!, Buffer.from(session.value).toString("latin1"));
          return inner.create(key, session);
        },
      },
      secret: SECRET,
      sweepInterval: false,
    });
    await login(sessions, "alice@example.com");
    assert.equal(seen.length, 3);
    for (const field of seen) assert.ok(!/alice|example/.test(field));
  });

  test("can be set, changed and removed, also with other changes and beside a parallel request", async () => {
    const { browser, sessions } = setUp();
    const owned = async (owner: string) => (await all(sessions.list({ owner }))).length;
    await browser.request((session) => session.set("a", 1));
    const parallel = await browser.open();
    await browser.request((session) => {
      session.owner = "u1";
    });
    parallel.set("b", 2);
    await browser.end(parallel);
    assert.equal((await browser.open()).owner, "u1");
    assert.deepEqual(await browser.contents(), { a: 1, b: 2 });
    assert.equal(await owned("u1"), 1);
    await browser.request((session) => {
      session.owner = "u2";
      session.clear();
    });
    assert.deepEqual([await owned("u1"), await owned("u2")], [0, 1]);
    assert.deepEqual(await browser.contents(), {});
    await browser.request((session) => {
      session.owner = undefined;
    });
    assert.deepEqual([await owned("u1"), await owned("u2")], [0, 0]);
    assert.equal((await browser.open()).owner, undefined);
  });

  test("that two parallel requests set is the last commit's, in the session and in the list", async () => {
    const { browser, sessions } = setUp();
    await browser.request((session) => session.set("a", 1));
    const [one, two] = [await browser.open(), await browser.open()];
    one.owner = "first";
    two.owner = "second";
    await one.commit();
    await two.commit();
    assert.equal((await browser.open()).owner, "second");
    assert.equal((await all(sessions.list({ owner: "first" }))).length, 0);
    assert.equal((await all(sessions.list({ owner: "second" }))).length, 1);
  });

  test("must be a string of 1 to 1024 bytes", async () => {
    const { sessions } = setUp();
    const session = await sessions.open(undefined);
    for (const owner of ["", "x".repeat(1025), "ü".repeat(513), 5, null, {}]) {
      assert.throws(() => { session.owner = owner as string; }, UnstorableValueError); // biome-ignore format: one line
    }
    session.owner = "ü".repeat(512);
    await session.commit();
    assert.equal((await all(sessions.list({ owner: "ü".repeat(512) })))[0]!.owner, "ü".repeat(512));
  });

  test("is found under each secret after a rotation", async () => {
    const store = watched();
    const before = setUp({}, store).sessions;
    const old = await login(before, "u1", { n: 1 });
    const after = setUp({ secret: [OTHER_SECRET, SECRET] }, store).sessions;
    await login(after, "u1", { n: 2 });
    const list = await all(after.list({ owner: "u1" }));
    assert.deepEqual(list.map(({ data }) => data.n).sort(), [1, 2]); // biome-ignore format: one line
    // A write seals the record under the first secret, and files it under that secret's owner hash.
    const rotated = new Browser(after);
    rotated.cookie = old.cookie;
    await rotated.request((session) => session.set("n", 3));
    assert.deepEqual((await all(after.list({ owner: "u1" }))).map(({ data }) => data.n).sort(), [2, 3]); // biome-ignore format: one line
    assert.equal(await after.revokeAll("u1"), 2);
    assert.equal(await isAlive(rotated), false);
  });
});

describe("revoking", () => {
  test("by id ends that session once, and reports its data", async () => {
    const { sessions, events } = setUp();
    const [one, two] = [await login(sessions, "u1", { n: 1 }), await login(sessions, "u1")];
    const { id } = await one.open();
    assert.equal(await sessions.revoke(id), true);
    assert.equal(await sessions.revoke(id), false);
    assert.deepEqual([await isAlive(one), await isAlive(two)], [false, true]);
    assert.deepEqual(named(events, "end"), [{ id, reason: "revoked", data: { n: 1 } }]);
  });

  test("by concurrent callers succeeds for one of them", async () => {
    const { sessions, events, store } = setUp();
    const one = await login(sessions, "u1");
    const { id } = await one.open();
    store.before = () => new Promise(setImmediate);
    const revoked = await Promise.all([sessions.revoke(id), sessions.revoke(id), sessions.revoke(id)]);
    assert.deepEqual(revoked.filter(Boolean), [true]);
    assert.equal(named(events, "end").length, 1);
  });

  test("by an invalid id makes no store call", async () => {
    const { sessions, store } = setUp();
    for (const id of ["", "x", "A".repeat(25), "*", signer.issue().text])
      assert.equal(await sessions.revoke(id), false);
    assert.deepEqual(store.calls, []);
    assert.equal(await sessions.revoke(signer.issue().key), false);
  });

  test("all of an owner's sessions, or all but this one, returns their number and spares other owners", async () => {
    const { sessions, events } = setUp();
    const mine = await Promise.all(Array.from({ length: 5 }, () => login(sessions, "u1")));
    const other = await login(sessions, "u2");
    const me = await mine[0]!.open();
    assert.equal(await sessions.revokeOthers(me), 4);
    assert.deepEqual(await Promise.all(mine.map(isAlive)), [true, false, false, false, false]);
    assert.equal(await sessions.revokeOthers(me), 0);
    assert.equal(await sessions.revokeAll("u1"), 1);
    assert.equal(await sessions.revokeAll("u1"), 0);
    assert.equal(await sessions.revokeAll("nobody"), 0);
    assert.equal(await isAlive(other), true);
    assert.equal(named(events, "end").length, 5);
    assert.equal(await sessions.revokeOthers(await sessions.open(undefined)), 0);
  });

  test("reaches a session that is regenerated at the same time", async () => {
    for (let round = 0; round < 40; round++) {
      const { sessions, store } = setUp();
      const browsers = await Promise.all([1, 2, 3].map(() => login(sessions, "u1")));
      const running = await Promise.all(browsers.map((browser) => browser.open()));
      let calls = 0;
      store.before = () => (++calls % 7 === round % 7 ? new Promise(setImmediate) : undefined);
      await Promise.all([sessions.revokeAll("u1"), ...running.map((session) => session.regenerate())]);
      store.before = undefined;
      for (const [i, session] of running.entries()) await browsers[i]!.end(session);
      // A session that was regenerated first was found again; a later regenerate was refused.
      assert.deepEqual(await Promise.all(browsers.map(isAlive)), [false, false, false], `round ${round}`);
      assert.equal(store.rows.size, 0);
    }
  });

  test('works with encryption "ticket", where the list has no data', async () => {
    const { sessions, events } = setUp({ encryption: "ticket" });
    const one = await login(sessions, "u1", { n: 1 });
    const [info] = await all(sessions.list({ owner: "u1" }));
    const { id, expiresAt } = await one.open();
    assert.deepEqual(info, { id, expiresAt, data: {} });
    assert.equal((await one.open()).get("n"), 1);
    assert.equal(await sessions.revokeAll("u1"), 1);
    assert.deepEqual(named(events, "end"), [{ id, reason: "revoked" }]);
    assert.deepEqual(named(events, "unreadable"), []);
    assert.equal(await isAlive(one), false);
  });

  test("throws a CapabilityError if the store can't list", async () => {
    const { list: _, claimExpired: __, ...store } = watched();
    const sessions = createSessions<Data>({ store, secret: SECRET });
    for (const call of [
      () => all(sessions.list()),
      () => sessions.revokeAll("u"),
      () => sessions.count(),
      () => sessions.sweep(),
    ]) {
      // biome-ignore format: a list
      await assert.rejects(call, CapabilityError);
    }
    await assert.rejects(sessions.revokeAll("u"), /revokeAll\(\).*list\(\)/);
    const one = await login(sessions, "u1");
    assert.equal(await sessions.revoke((await one.open()).id), true);
  });
});

test("a walk through all sessions lets requests in", async () => {
  const store = memory();
  const sessions = createSessions<Data>({ store, sweepInterval: false });
  const expiresAt = Date.now() + 60_000;
  for (let i = 0; i < 20_000; i++) {
    await store.create(`a-session-number-${i + 1_000_000}`, { value: new Uint8Array(1), expiresAt });
  }
  let turns = 0;
  let isDone = false;
  const turn = () => {
    turns++;
    if (!isDone) setImmediate(turn);
  };
  setImmediate(turn);
  assert.equal(await sessions.count(), 20_000);
  isDone = true;
  assert.ok(turns >= 20, `${turns} turns of the event loop`);
});

test("a session is found by its public id, like in a list", async () => {
  const { sessions, store } = setUp();
  const ann = await login(sessions, "ann", { n: 1 });
  const [listed] = await all(sessions.list({ owner: "ann" }));
  assert.deepEqual(await sessions.find(key(ann)), listed);
  assert.equal(await sessions.find("A".repeat(24)), undefined);
  const calls = store.calls.length;
  assert.equal(await sessions.find("no id at all"), undefined);
  assert.equal(store.calls.length, calls);
  await sessions.revoke(key(ann));
  assert.equal(await sessions.find(key(ann)), undefined);
});
