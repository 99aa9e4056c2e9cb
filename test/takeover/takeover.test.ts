// Takeover: ends, owners, writes of both sides at the same moment, failing stores, wrong options.

import assert from "node:assert/strict";
import { test } from "node:test";
import { cached } from "../../src/compose/index.ts";
import {
  type AdapterSession,
  createSessions,
  type LegacySource,
  OptionError,
  type Sessions,
  type SessionsOptions,
} from "../../src/index.ts";
import {
  cookieSession,
  expressSession,
  fastifySession,
  h3Session,
  ironSession,
  koaSession,
  type LegacyOptions,
  secureSession,
} from "../../src/legacy/index.ts";
import type { LegacyRecord } from "../../src/legacy/stored.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { sealedCookie } from "../../src/stores/sealed-cookie/index.ts";
import { OLD_SECRET, packages, stores } from "../legacy/packages.ts";
import { all, clock, type Data, MINUTE, named, setUp } from "../support/set-up.ts";

const express = packages["express-session"]!;
const iron = packages["iron-session"]!;
const plain = { cookie: { secure: false } } as const;

/** Sessions that take over those of a store of express-session, and what an old server does with that store. */
function moving(legacy: LegacyOptions = {}, options: SessionsOptions<Data> = {}) {
  const shared = stores();
  const source = express.source(shared, legacy);
  const { store, ...others } = options;
  const made = setUp({ ...plain, legacy: [source], ...others, ...(store && { store }) });
  const cookie = (id: string) => source.cookies(id)[0]!.split(";")[0]!;
  return {
    ...made,
    ...shared,
    source,
    cookie,
    /** An old server saves its session. */
    save: (id: string, data: object, cookie: LegacyRecord["cookie"] = { expires: null, originalMaxAge: null }) =>
      void shared.records.set(id, JSON.stringify({ cookie, ...data })),
    load: (id: string) => JSON.parse(shared.records.get(id)!) as Record<string, unknown>,
  };
}

/** What the browser has after a response. */
function after(cookies: string, ...set: readonly string[]): string {
  const jar = new Map(cookies.split("; ").map((pair) => pair.split(/=(.*)/s) as [string, string]));
  for (const text of set) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(text)!;
    if (/Max-Age=0/.test(text)) jar.delete(name!);
    else jar.set(name!, value!);
  }
  return [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
}

/** One request: returns the browser's cookies after it. */
async function visit(
  sessions: Sessions<Data>,
  cookies: string,
  work: (session: Awaited<ReturnType<Sessions<Data>["open"]>>) => unknown = () => {},
): Promise<string> {
  const session = await sessions.open(cookies);
  await work(session);
  return after(cookies, ...(await session.commit()));
}

const data = async (sessions: Sessions<Data>, cookies: string) => ({
  ...(await sessions.open(cookies, { mode: "readonly" })).data,
});

test("a session with an end keeps that end, and no use moves it on", async (t) => {
  const tick = clock(t);
  const { sessions, save, cookie } = moving({}, { idleTimeout: "20m" });
  const expires = new Date(Date.now() + 50 * MINUTE).toISOString();
  save("a", { user: "ann" }, { expires, originalMaxAge: 60 * MINUTE });
  let cookies = await visit(sessions, cookie("a"));
  for (let i = 0; i < 4; i++) {
    tick(12 * MINUTE);
    cookies = await visit(sessions, cookies);
    assert.deepEqual(await data(sessions, cookies), { user: "ann" });
  }
  tick(3 * MINUTE);
  assert.deepEqual(await data(sessions, cookies), {});
});

test("a login ends the end of the old session, here and on an old server", async (t) => {
  const tick = clock(t);
  for (const legacy of [{}, { keep: "1d" }] as const) {
    for (const there of "keep" in legacy ? [false, true] : [false]) {
      const { sessions, save, load, cookie } = moving(legacy, { idleTimeout: "20m" });
      const expires = new Date(Date.now() + 5 * MINUTE).toISOString();
      save("a", { cart: [1] }, { expires, originalMaxAge: 60 * MINUTE });
      let cookies = await visit(sessions, cookie("a"), (session) => {
        session.set("page", 1);
      });
      const session = await sessions.open(cookies);
      assert.ok(session.expiresAt <= Date.now() + 5 * MINUTE);
      if (there) {
        save("a", { ...load("a"), passport: { user: "ann" } }, load("a").cookie as LegacyRecord["cookie"]);
        cookies = await visit(sessions, cookies);
      } else {
        cookies = await visit(sessions, cookies, async (session) => {
          session.owner = "ann";
          await session.regenerate();
        });
      }
      tick(15 * MINUTE);
      const opened = await sessions.open(cookies);
      assert.equal(opened.owner, "ann", JSON.stringify([legacy, there]));
    }
  }
});

test("a session whose end moves on goes by the application's timeouts, and so does one without an end", async (t) => {
  const tick = clock(t);
  for (const rolling of [true, false]) {
    const shared = stores();
    const source = expressSession({ secret: OLD_SECRET, store: shared.callbacks, rolling });
    const { sessions } = setUp({ ...plain, legacy: [source], idleTimeout: "20m" });
    const expires = rolling ? new Date(Date.now() + 30 * MINUTE).toISOString() : null;
    shared.records.set("a", JSON.stringify({ cookie: { expires, originalMaxAge: 30 * MINUTE }, user: "ann" }));
    let cookies = await visit(sessions, source.cookies("a")[0]!.split(";")[0]!);
    for (let i = 0; i < 4; i++) {
      tick(15 * MINUTE);
      cookies = await visit(sessions, cookies);
    }
    assert.deepEqual(await data(sessions, cookies), { user: "ann" });
    tick(21 * MINUTE);
    assert.deepEqual(await data(sessions, cookies), {});
  }
});

test("what has expired in the old package opens nothing", async () => {
  const { sessions, save, cookie, store } = moving();
  save("a", { user: "ann" }, { expires: new Date(Date.now() - 1).toISOString(), originalMaxAge: 1 });
  assert.deepEqual(await data(sessions, cookie("a")), {});
  assert.deepEqual(await data(sessions, cookie("nobody's")), {});
  assert.equal(store.calls.includes("create"), false);
});

test("a move is no login: requireFresh asks for the password", async () => {
  const { sessions, save, cookie } = moving();
  save("a", { passport: { user: 7 } });
  const session = await sessions.open(cookie("a"));
  assert.equal(session.owner, "7");
  assert.equal(session.authenticatedAt, undefined);
  assert.throws(() => session.requireFresh("30d"), { code: "COATCHECK_REAUTHENTICATION" });
});

test("adopt says what a session becomes, and restore is the way back", async () => {
  const { sessions, save, load, cookie } = moving({
    keep: "1d",
    adopt: ({ uid, basket = [] }) => ({ data: { cart: new Set(basket as string[]) }, owner: uid as string }),
    restore: ({ data, owner }) => ({ uid: owner, basket: [...((data.cart as Set<string>) ?? [])] }),
  });
  save("a", { uid: "ann", basket: ["x"] });
  const cookies = await visit(sessions, cookie("a"), (session) => {
    assert.equal(session.owner, "ann");
    session.data.cart = new Set([...(session.data.cart as Set<string>), "y"]);
  });
  const { basket, coatcheck } = load("a");
  assert.deepEqual(basket, ["x", "y"]);
  save("a", { uid: "bob", basket: ["x", "y", "z"], coatcheck });
  await visit(sessions, cookies, (session) => {
    assert.equal(session.owner, "bob");
    assert.deepEqual(session.data.cart, new Set(["x", "y", "z"]));
  });
  assert.equal((await all(sessions.list({ owner: "bob" }))).length, 1);
});

test("with keep, an old server that saves what it loaded before undoes nothing here, and loses nothing", async () => {
  const { sessions, save, load, cookie } = moving({ keep: "1d" });
  save("a", { theirs: 0, mine: 0 });
  // Before the move, and again after it.
  for (const round of [1, 2]) {
    const loaded = load("a");
    const cookies = await visit(sessions, cookie("a"), (session) => session.set("mine", round));
    assert.equal(load("a").mine, round);
    save("a", { ...loaded, theirs: round });
    assert.deepEqual(await data(sessions, cookies), { theirs: round, mine: round });
    await visit(sessions, cookies);
    assert.equal(load("a").mine, round); // what the old server has undone there is there again
    assert.equal(load("a").theirs, round);
  }
});

test("with keep, ten requests take a change of an old server over once", async () => {
  const { sessions, save, load, cookie } = moving({ keep: "1d" });
  save("a", { n: 0 });
  const cookies = await visit(sessions, cookie("a"), (session) => session.set("n", 5));
  save("a", { ...load("a"), n: 6 });
  await Promise.all(
    Array.from({ length: 10 }, () =>
      visit(sessions, cookies, (session) => session.update("n", (n) => (n as number) + 1)),
    ),
  );
  assert.deepEqual(await data(sessions, cookies), { n: 16 });
  assert.equal(load("a").n, 16);
});

test("with keep, a key that an old server removes is removed", async () => {
  const { sessions, save, load, cookie } = moving({ keep: "1d" });
  save("a", { one: 1, two: 2 });
  const cookies = await visit(sessions, cookie("a"));
  const { one: _, ...rest } = load("a");
  save("a", rest);
  assert.deepEqual(await data(sessions, cookies), { two: 2 });
});

test("the old session is kept for as long as keep says, and then ends", async (t) => {
  const tick = clock(t);
  const { sessions, save, records, cookie } = moving({ keep: "1h" }, { idleTimeout: "2h" });
  save("a", { user: "ann" });
  let cookies = await visit(sessions, cookie("a"));
  tick(59 * MINUTE);
  cookies = await visit(sessions, cookies);
  assert.equal(records.size, 1);
  tick(2 * MINUTE);
  cookies = await visit(sessions, cookies);
  assert.equal(records.size, 0);
  assert.equal(cookies.includes("connect.sid"), false);
  cookies = await visit(sessions, cookies, (session) => session.set("n", 1));
  assert.equal(records.size, 0);
  assert.deepEqual(await data(sessions, cookies), { user: "ann", n: 1 });
});

test("after a long way back, another application takes over what the old servers have by then", async (t) => {
  const tick = clock(t);
  for (const name of ["express-session", "iron-session"]) {
    const source = packages[name]!.source(stores(), { keep: "1d" });
    const first = setUp({ ...plain, legacy: [source] });
    let cookies = await visit(first.sessions, "x=1", (session) => session.set("cart", ["a"]));
    tick(120 * MINUTE);
    // Used by old servers alone, which write the note as they found it.
    const found = source.find(cookies)!;
    const old = (await source.read(found))!;
    const written = await source.write({ ...old.data, cart: ["a", "b"] }, source.inCookie ? undefined : found, old);
    cookies = after(cookies, ...written.cookies);
    const second = setUp({ ...plain, legacy: [source], application: "second" }, first.store);
    cookies = await visit(second.sessions, cookies, (session) =>
      session.update("cart", (cart) => [...(cart as []), "c"]),
    );
    assert.deepEqual(await data(second.sessions, cookies), { cart: ["a", "b", "c"] });
    assert.deepEqual((await source.read(source.find(cookies)!))!.data.cart, ["a", "b", "c"]);
  }
});

test("a session that is revoked here stays ended, and its old one ends, too", async () => {
  const { sessions, save, load, records, cookie } = moving({ keep: "1d" });
  for (const how of ["revokeAll", "revoke", "revoke, with the owner"]) {
    save(how, { passport: { user: "ann" } });
    const cookies = await visit(sessions, cookie(how));
    const kept = load(how);
    const [listed] = await all(sessions.list({ owner: "ann" }));
    if (how === "revokeAll") assert.equal(await sessions.revokeAll("ann"), 1);
    else assert.ok(await sessions.revoke(listed!.id, how === "revoke" ? {} : { owner: "ann" }));
    assert.equal(records.size, 0, how);
    // An old server that had it open saves it again.
    save(how, kept);
    assert.deepEqual(await data(sessions, cookie(how)), {});
    assert.deepEqual(await data(sessions, cookies), {});
    assert.equal(records.size, 0, how);
  }
});

test("a new login on an old server takes the place of the session here", async () => {
  const { sessions, save, cookie } = moving({ keep: "1d" });
  save("a", { passport: { user: "ann" } });
  let cookies = await visit(sessions, cookie("a"));
  save("b", { passport: { user: "bob" } });
  cookies = after(cookies, cookie("b"));
  cookies = await visit(sessions, cookies, (session) => assert.equal(session.owner, "bob"));
  assert.equal((await all(sessions.list({ owner: "ann" }))).length, 0);
  await visit(sessions, cookies, (session) => assert.equal(session.owner, "bob"));
});

test("requests at the same moment agree on the session that takes another one's place", async () => {
  const shared = stores();
  const sources = [1, 2].map(() => express.source(shared, { keep: "1d" }));
  const first = setUp({ ...plain, legacy: [sources[0]!] });
  const second = setUp({ ...plain, legacy: [sources[1]!] }, first.store);
  const cookie = (id: string) => sources[0]!.cookies(id)[0]!.split(";")[0]!;
  for (let round = 0; round < 20; round++) {
    const [a, b] = [`a${round}`, `b${round}`];
    shared.records.set(a, JSON.stringify({ cookie: {}, passport: { user: "ann" } }));
    const begun = await visit(first.sessions, cookie(a));
    shared.records.set(b, JSON.stringify({ cookie: {}, passport: { user: "bob" } }));
    const cookies = after(begun, cookie(b));
    let number = 0;
    first.store.before = () => new Promise((resolve) => setTimeout(resolve, (round * ++number) % 5));
    const all = await Promise.all(
      [first, second, first, second].map(({ sessions }, i) =>
        visit(sessions, cookies, (session) => {
          assert.equal(session.owner, "bob", `round ${round}, request ${i}`);
          session.set(`key${i}`, i);
        }),
      ),
    );
    first.store.before = undefined;
    assert.equal(new Set(all).size, 1);
    const { passport, ...keys } = await data(first.sessions, all[0]!);
    assert.deepEqual([passport, keys], [{ user: "bob" }, { key0: 0, key1: 1, key2: 2, key3: 3 }]);
  }
});

test("a session that is regenerated and destroyed in one request leaves nothing in the old package", async () => {
  const { sessions, save, records, cookie } = moving({ keep: "1d" });
  save("a", { passport: { user: "ann" } });
  let cookies = await visit(sessions, cookie("a"));
  cookies = await visit(sessions, cookies, async (session) => {
    await session.regenerate();
    await session.destroy();
  });
  assert.equal(records.size, 0);
  assert.equal(cookies, "");
});

test("a logout with a ticket that was replaced a moment ago leaves nothing in the old package", async () => {
  const { sessions, save, records, cookie } = moving({ keep: "1d" });
  save("a", { passport: { user: "ann" } });
  const former = await visit(sessions, cookie("a"));
  const cookies = await visit(sessions, former, (session) => session.regenerate());
  assert.equal(records.size, 1);
  await visit(sessions, former, (session) => session.destroy());
  assert.equal(records.size, 0);
  assert.deepEqual(await data(sessions, cookies), {});
});

test("an old session may become one of several accounts, but not while it is kept", async () => {
  const { sessions, save, cookie } = moving();
  save("a", { passport: { user: "ann" } });
  let cookies = await visit(sessions, cookie("a"));
  cookies = await visit(sessions, cookies, (session) => session.accounts.add());
  cookies = await visit(sessions, cookies, (session) => {
    session.owner = "bob";
  });
  await visit(sessions, cookies, async (session) => {
    const owners = (await session.accounts.list()).map(({ owner }) => owner);
    assert.deepEqual(owners, ["bob", "ann"]);
  });
  const kept = moving({ keep: "1d" });
  const session = await kept.sessions.open(null);
  assert.throws(() => session.accounts, /another package, which knows one session of a browser/);
});

test("in one browser, nothing of a user goes over to the next one who logs in on an old server", async () => {
  const source = iron.source(stores(), { keep: "1d" });
  const { sessions } = setUp({ ...plain, legacy: [source] });
  let cookies = await visit(sessions, "x=1", (session) => {
    session.set("card", "ann's");
    session.set("passport", { user: "ann" });
  });
  const { cookies: fresh } = await source.write({ passport: { user: "bob" } }, undefined, undefined);
  cookies = after(cookies, ...fresh);
  await visit(sessions, cookies, (session) => {
    assert.deepEqual({ ...session.data }, { passport: { user: "bob" } });
    assert.equal(session.owner, "bob");
  });
});

test("a session that is too large for the old cookie stays logged in here", async () => {
  const source = iron.source(stores(), { keep: "1d" });
  const { sessions } = setUp({ ...plain, legacy: [source] });
  let cookies = await visit(sessions, "x=1", (session) => session.set("text", "x".repeat(5_000)));
  assert.match(cookies, /iron=0/);
  cookies = await visit(sessions, cookies);
  assert.equal((await data(sessions, cookies)).text, "x".repeat(5_000));
  cookies = await visit(sessions, cookies, (session) => session.set("text", "short"));
  assert.match(cookies, /iron=Fe26/);
});

test("an old cookie that may be missing for another reason ends nothing", async () => {
  const attributes = { path: "/", secure: false, sameSite: "lax" } as const;
  for (const [cookieOptions, ours, isEnded] of [
    [attributes, {}, true],
    [{ ...attributes, sameSite: "strict" }, {}, false],
    [{ ...attributes, sameSite: "strict" }, { sameSite: "Strict" }, true],
    [{ ...attributes, path: "/app" }, {}, false],
    [{ ...attributes, httpOnly: false }, {}, false],
    [{ ...attributes, secure: true }, {}, false],
    [{ ...attributes, secure: true }, { secure: true }, true],
    [attributes, { domain: "example.com" }, false],
  ] as const) {
    const source = ironSession({ password: OLD_SECRET, cookieName: "iron", cookieOptions, keep: "1d" });
    const { sessions } = setUp({ cookie: { secure: false, ...ours }, legacy: [source] });
    const cookies = await visit(sessions, "x=1", (session) => session.set("n", 1));
    const ticket = cookies.split("; ").find((pair) => /sid=/.test(pair))!;
    const expected = isEnded ? {} : { n: 1 };
    assert.deepEqual(await data(sessions, ticket), expected, JSON.stringify([cookieOptions, ours]));
  }
});

test("while the old store is down, nobody is taken for logged out", async () => {
  const { sessions, save, load, events, callbacks, cookie } = moving({ keep: "1d" });
  save("a", { n: 0 });
  save("b", { n: 0 });
  let cookies = await visit(sessions, cookie("a"));
  const { get, set } = callbacks;
  callbacks.get = callbacks.set = ((_id: string, ...rest: ((error: Error) => void)[]) =>
    rest.at(-1)!(new Error("the old store is down"))) as typeof get & typeof set;
  cookies = await visit(sessions, cookies, (session) => session.set("n", 1));
  assert.deepEqual(await data(sessions, cookies), { n: 1 });
  await assert.rejects(sessions.open(cookie("b")), { status: 503 });
  assert.ok(named(events, "storeError").length > 0);
  const begun = await visit(sessions, "x=1", (session) => session.set("n", 2));
  assert.deepEqual(await data(sessions, begun), { n: 2 });
  Object.assign(callbacks, { get, set });
  cookies = await visit(sessions, cookies);
  assert.equal(load("a").n, 1);
  assert.deepEqual(await data(sessions, cookie("b")), { n: 0 });
});

test("what is no JSON stays here, and that the old package can't have it is reported", async () => {
  const { sessions, save, load, events, cookie } = moving({ keep: "1d" });
  save("a", { n: 1 });
  let cookies = await visit(sessions, cookie("a"), (session) => session.set("big", 1n));
  assert.match(
    String(named(events, "storeError").at(-1)?.error),
    /express-session can't write the old session: .*BigInt/,
  );
  assert.deepEqual(await data(sessions, cookies), { n: 1, big: 1n });
  cookies = await visit(sessions, cookies, (session) => {
    session.delete("big");
    session.set("day", new Date(0));
    session.set("n", 2);
  });
  assert.deepEqual([load("a").n, load("a").day], [2, "1970-01-01T00:00:00.000Z"]);
  save("a", { ...load("a"), n: 3 });
  assert.deepEqual(await data(sessions, cookies), { n: 3, day: new Date(0) });
});

test("a claim that is lost on its way to the store leaves no session behind that a user could lose", async () => {
  const { sessions, save, cookie, store } = moving();
  save("a", { user: "ann" });
  store.before = (operation, key) => {
    if (operation === "create" && key.endsWith("-legacy")) throw new Error("the connection is cut");
  };
  await assert.rejects(sessions.open(cookie("a")), { status: 503 });
  store.before = undefined;
  const cookies = await visit(sessions, cookie("a"));
  assert.deepEqual(await data(sessions, cookies), { user: "ann" });
});

test("a server that is late finds what another one has made of the old session, whenever that was", async () => {
  const shared = stores();
  const source = express.source(shared);
  const first = setUp({ ...plain, legacy: [source] });
  const second = setUp({ ...plain, legacy: [source] }, first.store);
  for (const at of ["read", "create"]) {
    shared.records.set(at, JSON.stringify({ cookie: {}, user: at }));
    const cookie = source.cookies(at)[0]!.split(";")[0]!;
    const { get } = shared.callbacks;
    let others: string | undefined;
    const meanwhile = async () => {
      shared.callbacks.get = get;
      first.store.before = undefined;
      others = await visit(second.sessions, cookie);
    };
    if (at === "create") first.store.before = (operation) => (operation === "create" ? meanwhile() : undefined);
    else shared.callbacks.get = (id, done) => void meanwhile().then(() => get(id, done));
    const mine = await visit(first.sessions, cookie);
    assert.equal(mine, others);
    assert.deepEqual(await data(first.sessions, mine), { user: at });
  }
  assert.equal(await first.sessions.count(), 2);
});

test("an old session that this application can't hold is left out, and reported", async () => {
  const { sessions, save, cookie, events } = moving({}, { maxSize: 1_000 });
  save("a", { text: "x".repeat(2_000) });
  assert.deepEqual(await data(sessions, cookie("a")), {});
  assert.equal(named(events, "unreadable").length, 1);
});

test("a session with an owner goes over an old one that has no keep, whose cookie goes", async () => {
  const { sessions, save, cookie } = moving();
  const begun = await visit(sessions, "x=1", (session) => {
    session.owner = "ann";
  });
  save("b", { passport: { user: "mallory" } });
  const cookies = await visit(sessions, after(begun, cookie("b")), (session) => assert.equal(session.owner, "ann"));
  assert.equal(cookies.includes("connect.sid"), false);
});

test("a session without an owner, which began where the old cookie was not sent, gives way to the old one", async () => {
  for (const legacy of [{}, { keep: "1d" }] as const) {
    const { sessions, save, cookie } = moving(legacy);
    const begun = await visit(sessions, "x=1", (session) => session.set("n", 1));
    save("b", { passport: { user: "ann" } });
    const cookies = await visit(sessions, after(begun, cookie("b")), (session) => assert.equal(session.owner, "ann"));
    assert.deepEqual(await data(sessions, cookies), { passport: { user: "ann" } });
    assert.equal(cookies.includes("connect.sid"), "keep" in legacy);
    assert.equal(await sessions.count(), 1);
  }
});

test("when keep is left out, copies end as their browsers come", async () => {
  for (const name of ["express-session", "iron-session"]) {
    const shared = stores();
    const before = setUp({ ...plain, legacy: [packages[name]!.source(shared, { keep: "1d" })] });
    let cookies = await visit(before.sessions, "x=1", (session) => session.set("n", 1));
    const { sessions } = setUp({ ...plain, legacy: [packages[name]!.source(shared)] }, before.store);
    cookies = await visit(sessions, cookies);
    assert.match(cookies, /^x=1; sid=[\w-]+$/);
    assert.equal(shared.records.size, 0);
    assert.deepEqual(await data(sessions, cookies), { n: 1 });
  }
});

test("every way to open and to keep a session takes old ones over", async () => {
  const ways: Record<string, SessionsOptions<Data>> = {
    'encryption "ticket"': { encryption: "ticket" },
    'encryption "off"': { encryption: "off" },
    'mode "exclusive"': { mode: "exclusive" },
    "a store with a cache": { store: cached(memory(), { maxAge: "1m" }), encryption: "server" },
    "a cookie that lasts": { cookie: { secure: false, maxAge: "1d" } },
    compressed: { compress: { threshold: 1 } },
  };
  for (const [way, options] of Object.entries(ways)) {
    for (const [id, legacy] of [
      ["a", {}],
      ["b", { keep: "1d" }],
    ] as const) {
      const { sessions, save, load, cookie } = moving(legacy, options);
      save(id, { n: 0, text: "x".repeat(100) });
      let cookies = cookie(id);
      for (let n = 1; n <= 3; n++) cookies = await visit(sessions, cookies, (session) => session.set("n", n));
      assert.equal((await data(sessions, cookies)).n, 3, way);
      if (!("keep" in legacy)) continue;
      assert.equal(load(id).n, 3, way);
      save(id, { ...load(id), n: 4 });
      assert.equal((await data(sessions, cookies)).n, 4, way);
    }
  }
});

test("mode readonly takes over, too, and writes nothing else", async () => {
  const { sessions, save, load, cookie } = moving({ keep: "1d" });
  save("a", { n: 1 });
  const session = await sessions.open(cookie("a"), { mode: "readonly" });
  assert.equal(session.get("n"), 1);
  const cookies = after(cookie("a"), ...(await session.commit()));
  assert.match(cookies, /sid=/);
  assert.deepEqual(await data(sessions, cookies), { n: 1 });
  assert.equal(load("a").n, 1);
});

test("adapters that set cookies by their parts get the old ones, too", async () => {
  const { sessions, save, cookie } = moving();
  save("a", { n: 1 });
  const session = (await sessions.open(cookie("a"))) as AdapterSession<Data>;
  const parts = await session.commit("parts");
  assert.deepEqual(
    parts.map(({ name, maxAge }) => [name, maxAge]),
    [
      ["sid", undefined],
      ["connect.sid", 0],
    ],
  );
});

test("without keep, a request without an old cookie waits for nothing", async () => {
  const { sessions } = moving({}, { store: memory() });
  const cookies = await visit(sessions, "x=1", (session) => session.set("n", 1));
  for (const header of [cookies, "x=1", undefined]) {
    const opened = sessions.openMaybeSync(header);
    assert.ok(!(opened instanceof Promise));
    assert.ok(Array.isArray(opened.commit()));
  }
});

test("wrong options", () => {
  const { callbacks: store } = stores();
  const secret = OLD_SECRET;
  const wrong: [work: () => unknown, message: RegExp][] = [
    [() => expressSession({ store } as never), /option "secret" is undefined: give the old package's own/],
    [() => expressSession({ secret, store: {} as never }), /option "store" .* it has no get\(\)/],
    [() => expressSession({ secret, store, nam: "x" } as never), /option "nam" .* did you mean "name"/],
    [() => expressSession({ secret, store, keep: "soon" as never }), /option "keep" is "soon"/],
    [() => expressSession({ secret, store, keep: "1d", adopt: (data) => ({ data }) }), /option "restore".*way back/],
    [() => fastifySession({ secret, store, cookieName: "a b" }), /option "cookieName"/],
    [() => ironSession({ password: "short", cookieName: "x" }), /option "password" is \(not shown\).*32 characters/],
    [() => h3Session({ password: "short" }), /option "password"/],
    [() => cookieSession({}), /option "keys"/],
    [() => koaSession({ keys: [] }), /option "keys"/],
    [() => secureSession({ key: Buffer.alloc(5) }), /option "key" .*32 bytes/],
    [() => secureSession({ secret: "x", salt: "y" }), /salt of 16 bytes/],
    [() => createSessions({ secret: OLD_SECRET, legacy: {} as never }), /option "legacy".*give an array/],
    [
      () => createSessions({ secret: OLD_SECRET, legacy: [express.source(stores()), express.source(stores())] }),
      /a package twice/,
    ],
    [
      () => createSessions({ secret: "x".repeat(32), store: sealedCookie(), legacy: [express.source(stores())] }),
      /option "legacy".*a sealed cookie can't remember/,
    ],
  ];
  for (const [work, message] of wrong) {
    assert.throws(work, (error: Error) => error instanceof OptionError && message.test(error.message), String(message));
  }
});

test("secrets of both sides may be rotated while sessions move", async () => {
  const old = "x".repeat(40);
  const store = stores();
  const sources: LegacySource[] = [
    express.source(store),
    expressSession({ secret: ["new", OLD_SECRET], store: store.callbacks }),
  ];
  const first = setUp({ ...plain, legacy: [sources[0]!], secret: old });
  store.records.set("a", JSON.stringify({ cookie: {}, user: "ann" }));
  const cookie = sources[0]!.cookies("a")[0]!.split(";")[0]!;
  await visit(first.sessions, cookie);
  const second = setUp({ ...plain, legacy: [sources[1]!], secret: ["y".repeat(40), old] }, first.store);
  assert.deepEqual(await data(second.sessions, cookie), { user: "ann" });
});
