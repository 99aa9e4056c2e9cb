// Tests of what a record is bound to: its owner, its application and its secrets. The store's own columns decide nothing.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  createSessions,
  type SessionStore,
  type SessionsOptions,
  StoreError,
  UnknownSecretError,
} from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { sealedCookie } from "../../src/stores/sealed-cookie/index.ts";
import { Browser } from "../support/browser.ts";
import { login } from "../support/login.ts";
import { all, type Data, key, named, setUp } from "../support/set-up.ts";
import { OTHER_SECRET, SECRET, watched } from "../support/stores.ts";

describe("a session that somebody with access to the database files under another user", () => {
  for (const encryption of ["server", "ticket"] as const) {
    test(`is not opened, and not listed as that user's (${encryption})`, async () => {
      const inner = memory();
      const { sessions, events } = setUp({ encryption }, watched(inner));
      const [victim, thief] = [await login(sessions, "victim"), await login(sessions, "thief")];
      const theirs = (await inner.read(key(victim)))!;
      const mine = (await inner.read(key(thief)))!;
      await inner.update(key(thief), { ...mine, owner: theirs.owner! }, mine.version);
      const listed = await all(sessions.list({ owner: "victim" }));
      if (encryption === "server") assert.deepEqual(listed.map(({ id }) => id), [key(victim)]); // biome-ignore format: one line
      assert.equal((await thief.open()).isNew, true);
      assert.ok(named(events, "unreadable").every(({ id }) => id === key(thief)));
      assert.ok(named(events, "unreadable").length > 0);
    });

    test(`can't be used any more if it was hidden from revokeAll (${encryption})`, async () => {
      const inner = memory();
      const { sessions } = setUp({ encryption }, watched(inner));
      const browser = await login(sessions, "thief");
      const { owner: _, ...stored } = (await inner.read(key(browser)))!;
      await inner.update(key(browser), stored, stored.version);
      assert.equal(await sessions.revokeAll("thief"), 0);
      assert.equal((await browser.open()).isNew, true);
    });
  }
});

describe("revokeAll and revokeOthers", () => {
  test("end many sessions, 64 at a time", async () => {
    const { sessions, store } = setUp();
    const browsers = [];
    for (let i = 0; i < 150; i++) browsers.push(await login(sessions, "u1"));
    let running = 0;
    let most = 0;
    store.before = async (operation) => {
      if (operation === "delete") most = Math.max(most, ++running);
    };
    store.after = async (operation) => {
      if (operation === "delete") running--;
    };
    const me = await browsers[0]!.open();
    assert.equal(await sessions.revokeOthers(me), 149);
    assert.equal(await sessions.revokeAll("u1"), 1);
    assert.ok(most > 8 && most <= 64, String(most));
  });
});

describe("two applications with one secret", () => {
  const two = (store: SessionStore, one: SessionsOptions<Data>, other: SessionsOptions<Data>) =>
    [one, other].map((options) => createSessions<Data>({ store, secret: SECRET, sweepInterval: false, ...options }));

  for (const [name, one, other] of [
    ["application", { application: "shop" }, { application: "admin" }],
    ["cookie.name", { cookie: { name: "shop" } }, { cookie: { name: "admin" } }],
  ] as const) {
    for (const [place, make] of [
      ["a shared store", () => watched()],
      ["sealed cookies", () => sealedCookie()],
    ] as const) {
      test(`do not open each other's tickets: by ${name}, with ${place}`, async () => {
        const [shop, admin] = two(make(), one, other);
        const browser = new Browser<Data>(shop!);
        await browser.request((session) => session.set("n", 1));
        const forged: unknown[] = [];
        admin!.on("forged", (event) => forged.push(event));
        const ticket = browser.cookie!.slice(browser.cookie!.indexOf("=") + 1);
        for (const cookie of ["shop", "admin", "__Host-sid"]) {
          assert.equal((await admin!.open(`${cookie}=${ticket}`, { secure: true })).isNew, true);
        }
        assert.equal(forged.length, 1);
      });
    }
  }

  test("do not end each other's users", async () => {
    const store = watched();
    const [shop, admin] = two(store, { application: "shop" }, { application: "admin" });
    await login(shop!, "u1");
    assert.equal(await admin!.revokeAll("u1"), 0);
    assert.equal(await shop!.revokeAll("u1"), 1);
  });

  test("need a name that is one", () => {
    assert.throws(() => createSessions({ application: "" }), /option "application" is ""/);
    assert.throws(() => createSessions({ application: 1 as unknown as string }), /option "application" is 1/);
  });
});

describe("secrets are rotated in three steps", () => {
  const step = (store: SessionStore, secret: string | string[]) => {
    const sessions = createSessions<Data>({ store, secret, sweepInterval: false });
    return { sessions, browser: new Browser<Data>(sessions) };
  };
  const OLD = SECRET;
  const NEW = OTHER_SECRET;

  for (const [place, make] of [
    ["a store", () => watched()],
    ["sealed cookies", () => sealedCookie()],
  ] as const) {
    test(`with ${place}: no user is logged out while two steps run side by side`, async () => {
      const store = make();
      const steps: (string | string[])[] = [OLD, [OLD, NEW], [NEW, OLD], NEW];
      let cookie: string | undefined;
      for (let i = 0; i + 1 < steps.length; i++) {
        const [before, after] = [step(store, steps[i]!), step(store, steps[i + 1]!)];
        for (let request = 0; request < 6; request++) {
          const { browser } = request % 2 === 0 ? before : after;
          browser.cookie = cookie;
          await browser.request((session) => {
            assert.equal(session.get("n"), cookie === undefined ? undefined : i * 6 + request);
            session.set("n", i * 6 + request + 1);
            // A ticket is signed again when it is regenerated, as at the next login.
            return request === 5 ? session.regenerate() : undefined;
          });
          cookie = browser.cookie;
        }
      }
    });
  }

  test("in one step: a server that does not have the new secret answers 503, and the browser keeps its ticket", async () => {
    const store = watched();
    const [old, next] = [step(store, OLD), step(store, [NEW, OLD])];
    await old.browser.request((session) => session.set("n", 1));
    next.browser.cookie = old.browser.cookie;
    await next.browser.request((session) => session.set("n", 2)); // sealed under the new secret now
    const before = old.browser.cookie;
    await assert.rejects(
      old.browser.request((session) => session.set("n", 3)),
      (error) =>
        error instanceof UnknownSecretError &&
        error instanceof StoreError &&
        error.status === 503 &&
        /\[old, new\].*\[new, old\].*\[new\]/.test(error.message) &&
        !error.message.includes(OLD),
    );
    assert.equal(old.browser.cookie, before);
    assert.deepEqual(await next.browser.contents(), { n: 2 });
  });

  test("in one step, with onStoreError anonymous: the request goes on without its session, and ends nothing", async () => {
    const store = watched();
    const old = createSessions<Data>({ store, secret: OLD, onStoreError: "anonymous", sweepInterval: false });
    const next = step(store, [NEW, OLD]);
    const browser = new Browser<Data>(old);
    await browser.request((session) => session.set("n", 1));
    next.browser.cookie = browser.cookie;
    await next.browser.request((session) => session.set("n", 2));
    assert.deepEqual(await (await browser.open()).commit(), []);
    assert.deepEqual(await next.browser.contents(), { n: 2 });
  });

  test("a list shows a session that this server can't open, without its data", async () => {
    const store = watched();
    const [old, next] = [step(store, OLD), step(store, NEW)];
    await next.browser.request((session) => session.set("n", 1));
    const [listed, ...others] = await all(old.sessions.list());
    assert.deepEqual(others, []);
    assert.deepEqual(listed?.data, {});
  });
});

describe("a session that passes from one owner to another", () => {
  test("starts with empty data, and keeps what is set after the owner", async () => {
    const { browser } = setUp();
    await browser.request((session) => {
      session.owner = "first";
      session.set("cards", ["4111"]);
    });
    await browser.request(async (session) => {
      session.owner = "second";
      assert.deepEqual(session.keys(), []);
      session.set("theme", "dark");
      await session.regenerate();
    });
    assert.deepEqual(await browser.contents(), { theme: "dark" });
  });

  test("starts with empty data although it had no owner in between, in the same request", async () => {
    const { browser } = setUp();
    await browser.request((session) => {
      session.owner = "first";
      session.set("cards", ["4111"]);
    });
    await browser.request((session) => {
      session.owner = undefined;
      session.owner = "second";
    });
    assert.deepEqual(await browser.contents(), {});
  });

  test("keeps its data when nobody owned it before, and when the owner is the same", async () => {
    const { browser } = setUp();
    await browser.request((session) => session.set("cart", ["hat"]));
    for (let i = 0; i < 2; i++) {
      await browser.request((session) => {
        session.owner = "first";
        return session.regenerate();
      });
      assert.deepEqual(await browser.contents(), { cart: ["hat"] });
    }
  });

  test("loses the first owner's data to no parallel request either", async () => {
    const { browser } = setUp();
    await browser.request((session) => {
      session.owner = "first";
      session.set("cards", ["4111"]);
    });
    const [login, other] = [await browser.open(), await browser.open()];
    other.set("seen", true);
    await other.commit();
    login.owner = "second";
    await browser.end(login);
    assert.deepEqual(await browser.contents(), {});
  });
});
