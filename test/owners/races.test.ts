// Tests of what may happen between a login's steps: crashes, other users, other secrets, and locks.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CapabilityError,
  createSessions,
  OptionError,
  StaleStampError,
  StoreError,
  TooManySessionsError,
} from "../../src/index.ts";
import { ownerHasher } from "../../src/records/owner-hash.ts";
import { ownerKey } from "../../src/util/side-records.ts";
import { browsers, living, tryLogin } from "../support/accounts.ts";
import { Browser } from "../support/browser.ts";
import { unlisted } from "../support/farms.ts";
import { isAlive, login } from "../support/login.ts";
import { all, clock, type Data, key, named, setUp } from "../support/set-up.ts";
import { OTHER_SECRET, SECRET, watched } from "../support/stores.ts";

const FIRST = { id: "ann", stamp: "1" };
const SECOND = { id: "ann", stamp: "2" };

test("a session that has become another user's is not ended with its former owner's", async () => {
  for (const options of [{}, { maxPerOwner: 1 }, { encryption: "ticket" as const }]) {
    const { sessions } = setUp(options);
    const [browser, other] = browsers([sessions], 2) as [Browser<Data>, Browser<Data>];
    await tryLogin(browser, FIRST);
    await browser.request((session) => {
      session.owner = "bob";
    });
    assert.equal(await sessions.stamp("ann", "2"), 0);
    assert.equal(await tryLogin(other, SECOND), true);
    assert.equal((await browser.open()).owner, "bob");
  }
});

test("a login under way when its owner gets their first stamp is refused, and ten minutes later there is none", async (t) => {
  const tick = clock(t);
  const { sessions } = setUp();
  const [early, late] = browsers([sessions], 2) as [Browser<Data>, Browser<Data>];
  const session = await early.open();
  session.owner = FIRST;
  await sessions.stamp("ann", "2");
  await assert.rejects(async () => session.commit(), StaleStampError);
  assert.equal(await tryLogin(early, SECOND), true);
  tick(601_000);
  // The application has another stamp by now, and did not call stamp().
  assert.equal(await tryLogin(late, { id: "ann", stamp: "3" }), true);
  assert.equal(await isAlive(early), false);
});

test("stamp() ends no session that was begun with the new stamp, and may be called again", async () => {
  const { sessions } = setUp();
  const [former, own, other] = browsers([sessions], 3) as [Browser<Data>, Browser<Data>, Browser<Data>];
  await tryLogin(former, FIRST);
  await tryLogin(own, FIRST);
  await tryLogin(other, SECOND);
  assert.deepEqual(await living([former, own, other]), [other]);
  assert.equal(await sessions.stamp("ann", "2"), 0);
  assert.equal(await sessions.stamp("ann", "2"), 0);
  assert.equal(await isAlive(other), true);
});

test("a login that can't be noted as stored leaves no session", async () => {
  const { sessions, store } = setUp({ maxPerOwner: 3, storeTimeout: 500 });
  const browser = new Browser<Data>(sessions);
  let writes = 0;
  store.before = (operation, at) => {
    if (at.endsWith("-owner") && (operation === "create" || operation === "update") && ++writes > 1) throw new Error("down"); // biome-ignore format: one line
  };
  assert.equal(await tryLogin(browser, "ann"), false);
  assert.ok(writes > 1);
  store.before = undefined;
  assert.equal(await sessions.count(), 0);
});

test("a login that was stored under its second ticket is counted, and ended", async () => {
  const store = { ...unlisted()() };
  const { create } = store;
  let failures = 0;
  store.create = (at, session) => {
    if (!at.endsWith("-owner") && failures++ === 0) return Promise.reject(new Error("down"));
    return create(at, session);
  };
  const sessions = createSessions<Data>({ store, secret: SECRET });
  const browser = new Browser<Data>(sessions);
  assert.equal(await tryLogin(browser, FIRST), true);
  assert.equal(failures, 2);
  assert.equal(await isAlive(browser), true);
  assert.equal(await sessions.stamp("ann", "2"), 1);
  assert.equal(await isAlive(browser), false);
});

test("a session that is about to become the owner's is ended, even if its server then crashes", async () => {
  for (const how of ["update", "regenerate"] as const) {
    const store = watched();
    const { list: _, ...unlisted } = store; // or the list would show what the note has missed
    const sessions = createSessions<Data>({ store: unlisted, secret: SECRET, sweepInterval: false });
    const [browser, crashing] = browsers([sessions], 2) as [Browser<Data>, Browser<Data>];
    await tryLogin(browser, FIRST);
    await crashing.request((session) => session.set("cart", 1));
    if (how === "regenerate") await tryLogin(crashing, FIRST);
    const old = key(crashing);
    const session = await crashing.open();
    const noted = Promise.withResolvers<void>();
    // The login goes no further than its note: from here on its calls hang.
    store.before = (operation, at) => {
      if (at.endsWith("-owner") || operation === "read") return undefined;
      noted.resolve();
      return new Promise(() => {});
    };
    session.owner = FIRST;
    if (how === "update") void session.save().catch(() => {});
    else void session.regenerate().catch(() => {});
    await noted.promise;
    store.before = undefined;
    await sessions.stamp("ann", "2");
    assert.equal(await sessions.find(old), undefined, how);
    assert.deepEqual(await living([browser, crashing]), []);
  }
});

test("a refused login gives up its lock", async () => {
  const { sessions } = setUp({ maxPerOwner: { limit: 1, when: "deny" }, exclusive: { maxWait: "1s" } });
  const [one, two] = browsers([sessions], 2) as [Browser<Data>, Browser<Data>];
  await tryLogin(one, "ann");
  await two.request((session) => session.set("cart", 1));
  for (const how of ["commit", "regenerate"] as const) {
    const session = await two.open("exclusive");
    session.owner = "ann";
    await assert.rejects(async () => session[how](), TooManySessionsError);
    session.discard();
    await session.commit();
    const next = await two.open("exclusive");
    assert.equal(next.get("cart"), 1);
    await next.commit();
  }
});

test("logins meet on servers whose secrets are in rotation, and a limit and a stamp outlive the old one", async () => {
  for (let round = 0; round < 5; round++) {
    const store = watched();
    store.before = () => new Promise(setImmediate);
    const open = (...secret: string[]) => createSessions<Data>({ store, secret, sweepInterval: false, maxPerOwner: 3 });
    const [first, second, third] = [open(OTHER_SECRET, SECRET), open(SECRET, OTHER_SECRET), open(SECRET)];
    const everybody = browsers([first, second], 20);
    await Promise.all(everybody.map((one) => tryLogin(one, FIRST)));
    assert.equal((await living(everybody)).length, 3, `round ${round}`);
    // All servers seal with the new secret.
    const later = browsers([second, second], 4);
    await Promise.all(later.map((one) => tryLogin(one, FIRST)));
    assert.equal((await living([...everybody, ...later])).length, 3);
    // Some have forgotten the old one.
    const last = browsers([second, third], 20);
    await Promise.all(last.map((one) => tryLogin(one, FIRST)));
    assert.equal((await living(last)).length, 3);
    assert.equal((await all(third.list({ owner: "ann" }))).length, 3);
    await second.stamp("ann", "2");
    assert.equal((await living(last)).length, 0);
    const browser = new Browser<Data>(third);
    assert.equal(await tryLogin(browser, FIRST), false);
    assert.equal(await tryLogin(browser, SECOND), true);
  }
});

test("no login is lost while servers put their secrets in another order", async () => {
  const store = watched();
  store.before = () => new Promise(setImmediate);
  const secrets = [[OTHER_SECRET, SECRET], [SECRET, OTHER_SECRET]]; // biome-ignore format: one line
  const servers = secrets.map((secret) => createSessions<Data>({ store, secret, sweepInterval: false }));
  for (let round = 0; round < 20; round++) {
    const id = `ann ${round}`;
    const mine = browsers(servers, 2);
    const succeeded = await Promise.all(mine.map((one) => tryLogin(one, { id, stamp: "1" })));
    assert.deepEqual(succeeded, [true, true]);
    const later = browsers(servers, 2);
    for (const one of later) assert.equal(await tryLogin(one, { id, stamp: "1" }), true);
    assert.equal((await living([...mine, ...later])).length, 4);
    assert.equal(await servers[round % 2]!.stamp(id, "2"), 4);
  }
});

test("a server that dies while it moves an owner's record to another secret leaves none that misleads", async () => {
  const store = watched();
  const open = (...secret: string[]) =>
    createSessions<Data>({ store, secret, sweepInterval: false, maxPerOwner: 3, storeTimeout: 200 });
  const [first, second] = [open(OTHER_SECRET, SECRET), open(SECRET, OTHER_SECRET)];
  const everybody = browsers([first], 2);
  for (const one of everybody) assert.equal(await tryLogin(one, "ann"), true);
  store.before = (operation, at) => {
    if (operation === "delete" && at.endsWith("-owner")) throw new Error("killed");
  };
  assert.equal(await tryLogin(new Browser<Data>(second), "ann"), false);
  store.before = undefined;
  const later = browsers([first, second], 6);
  for (const one of later) assert.equal(await tryLogin(one, "ann"), true);
  assert.deepEqual(await living([...everybody, ...later]), later.slice(3));
});

test("a session that gets two tickets at the same moment counts once", async () => {
  const options = { maxPerOwner: { limit: 2, when: "deny" } } as const;
  const { sessions, store } = setUp(options);
  const { sessions: other } = setUp(options, store);
  const [one, two] = browsers([sessions], 2) as [Browser<Data>, Browser<Data>];
  await tryLogin(one, "ann");
  const running = await Promise.all([sessions, other].map((server) => server.open(one.cookie)));
  const stalled = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  let creates = 0;
  store.before = (operation, at) => {
    if (operation !== "create" || at.endsWith("-owner") || at.endsWith("-replaced") || creates === 2) return undefined;
    if (++creates === 2) reached.resolve();
    return stalled.promise;
  };
  const regenerated = running.map((session) => session.regenerate());
  await reached.promise;
  assert.equal(await tryLogin(two, "ann"), true);
  stalled.resolve();
  assert.equal((await Promise.all(regenerated)).filter(Boolean).length, 1);
});

test("a late regenerate of a session that has moved on ends no other", async () => {
  const { sessions } = setUp({ maxPerOwner: 2 });
  const [older, browser] = browsers([sessions], 2) as [Browser<Data>, Browser<Data>];
  await tryLogin(older, "ann");
  await tryLogin(browser, "ann");
  const late = await browser.open();
  await browser.request((session) => session.regenerate());
  await browser.request((session) => session.regenerate());
  assert.equal(await late.regenerate(), false);
  assert.equal((await living([older, browser])).length, 2);
});

test("a new stamp also ends sessions that were begun without one", async () => {
  const { sessions } = setUp();
  const [one, two] = browsers([sessions], 2) as [Browser<Data>, Browser<Data>];
  await tryLogin(one, FIRST);
  const plain = await login(sessions, "ann");
  assert.equal(await tryLogin(two, SECOND), true);
  assert.deepEqual(await living([one, plain, two]), [two]);
  const another = await login(sessions, "ann");
  assert.equal(await sessions.stamp("ann", "3"), 2);
  assert.equal(await isAlive(another), false);
});

test("a login fails if the owner's record was tampered with, and it is reported", async () => {
  const { sessions, store, events } = setUp();
  const [browser, other] = browsers([sessions], 2) as [Browser<Data>, Browser<Data>];
  await tryLogin(browser, FIRST);
  const kept = ownerKey(ownerHasher(SECRET, "sid")("ann"));
  const { version, value, expiresAt } = (await store.read(kept))!;
  await store.update(kept, { value: value.map((byte, i) => (i === 60 ? byte ^ 1 : byte)), expiresAt }, version);
  const session = await other.open();
  session.owner = FIRST;
  await assert.rejects(async () => session.commit(), StoreError);
  assert.deepEqual(named(events, "unreadable").map(({ id }) => id), [kept]); // biome-ignore format: one line
  assert.equal(await sessions.count(), 1);
});

test("a middleware that sets owner and stamp with each request costs nothing; a new login does", async () => {
  const { sessions, store } = setUp();
  const [browser, other] = browsers([sessions], 2) as [Browser<Data>, Browser<Data>];
  await tryLogin(browser, FIRST);
  await tryLogin(other, FIRST);
  store.calls.length = 0;
  await browser.request((session) => {
    session.owner = FIRST;
  });
  assert.deepEqual(store.calls, ["read"]);
  // The same browser logs in with the new password, of which stamp() was not told.
  assert.equal(await tryLogin(browser, SECOND), true);
  assert.deepEqual(await living([browser, other]), [browser]);
  assert.equal(await tryLogin(browser, FIRST), false);
});

test("what is kept of an owner is no session: it is not listed, counted, found, revoked or swept", async (t) => {
  const tick = clock(t);
  const { sessions, store } = setUp({ maxPerOwner: 3 });
  await login(sessions, "ann");
  const kept = ownerKey(ownerHasher(SECRET, "sid")("ann"));
  assert.notEqual(await store.read(kept), undefined);
  assert.equal((await all(sessions.list())).length, 1);
  assert.equal((await all(sessions.list({ owner: "ann" }))).length, 1);
  assert.equal(await sessions.count(), 1);
  assert.equal(await sessions.find(kept), undefined);
  assert.equal(await sessions.revoke(kept), false);
  assert.equal(await sessions.revokeAll("ann"), 1);
  assert.notEqual(await store.read(kept), undefined);
  tick(401 * 24 * 3_600_000);
  assert.equal(await sessions.sweep(), 0);
  assert.equal(await store.read(kept), undefined);
});

test("a store that does not compare versions can have neither", async () => {
  const store = { ...watched(), atomic: false as const };
  const given = { store, secret: SECRET, sweepInterval: false } as const;
  assert.throws(() => createSessions({ ...given, maxPerOwner: 3 }), OptionError);
  const sessions = createSessions<Data>(given);
  const session = await sessions.open(undefined);
  assert.throws(() => { session.owner = FIRST; }, CapabilityError); // biome-ignore format: one line
  await assert.rejects(() => sessions.stamp("ann", "1"), CapabilityError);
});
