// Tests of what a session keeps at a login: regenerate({ keep }), and the change of its owner.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { OptionError } from "../../src/index.ts";
import { Browser } from "../support/browser.ts";
import { everyStore, serverStores } from "../support/every-store.ts";
import { login } from "../support/login.ts";
import { type Data, setUp } from "../support/set-up.ts";

for (const [name, make] of Object.entries(everyStore)) {
  describe(`on ${name}`, () => {
    test("a login keeps what nobody owned, and another user's login begins empty", async () => {
      const { sessions } = setUp({ store: make() });
      const browser = new Browser<Data>(sessions);
      await browser.request((session) => Object.assign(session.data, { cart: ["hat"], theme: "dark" }));
      await browser.request((session) => {
        session.owner = "ann";
        return session.regenerate();
      });
      assert.deepEqual(await browser.contents(), { cart: ["hat"], theme: "dark" });
      await browser.request((session) => {
        session.owner = "bob";
        return session.regenerate();
      });
      assert.deepEqual(await browser.contents(), {});
      assert.equal((await browser.open()).owner, "bob");
    });

    test("keep names the keys that stay; what the request has set stays, too", async () => {
      const { sessions } = setUp({ store: make() });
      const browser = new Browser<Data>(sessions);
      await browser.request((session) => {
        Object.assign(session.data, { cart: ["hat"], draft: ["a"], views: 1, planted: 1, flag: 1 });
        session.flash("notice", "Log in first.");
      });
      await browser.request(async (session) => {
        (session.data.cart as string[]).push("coat");
        (session.data.draft as string[]).push("b");
        session.update("views", (n) => (n as number) + 1);
        session.set("flag", 1);
        session.owner = "ann";
        session.set("role", "admin");
        assert.equal(await session.regenerate({ keep: ["cart", "missing"] }), true);
        assert.deepEqual({ ...session.data }, { cart: ["hat", "coat"], flag: 1, role: "admin" });
        session.set("after", 1);
      });
      assert.deepEqual(await browser.contents(), { cart: ["hat", "coat"], flag: 1, role: "admin", after: 1 });
      assert.equal((await browser.open()).flash("notice"), undefined);
    });

    test("keep brings back what the change of users has cleared, and nothing that the application has cleared", async () => {
      const { sessions } = setUp({ store: make() });
      const ann = await login(sessions, "ann", { theme: "dark", cards: [1] });
      await ann.request(async (session) => {
        session.owner = "bob";
        assert.deepEqual({ ...session.data }, {});
        session.set("name", "Bob");
        await session.regenerate({ keep: ["theme"] });
        assert.deepEqual({ ...session.data }, { theme: "dark", name: "Bob" });
      });
      assert.deepEqual(await ann.contents(), { theme: "dark", name: "Bob" });
      await ann.request(async (session) => {
        session.clear();
        session.owner = "carl";
        await session.regenerate({ keep: ["theme"] });
      });
      assert.deepEqual(await ann.contents(), {});
    });

    test("a new session keeps all that its first request has set", async () => {
      const { sessions } = setUp({ store: make(), initial: { cart: [] } });
      const browser = new Browser<Data>(sessions);
      await browser.request(async (session) => {
        (session.data.cart as string[]).push("hat");
        session.set("user", "ann");
        await session.regenerate({ keep: [] });
      });
      assert.deepEqual(await browser.contents(), { cart: ["hat"], user: "ann" });
    });
  });
}

for (const [name, make] of Object.entries(serverStores)) {
  test(`on ${name}, a key that another request writes meanwhile stays only if keep names it`, async () => {
    const { sessions } = setUp({ store: make(), merge: { cart: "append" as never } });
    const browser = new Browser<Data>(sessions);
    await browser.request((session) => Object.assign(session.data, { cart: ["hat"], views: 1 }));
    const [one, other] = [await browser.open(), await browser.open()];
    (other.data.cart as string[]).push("coat");
    Object.assign(other.data, { views: 2, planted: 1 });
    await other.commit();
    (one.data.cart as string[]).push("shoe");
    one.owner = "ann";
    await one.regenerate({ keep: ["cart"] });
    await browser.end(one);
    assert.deepEqual(await browser.contents(), { cart: ["hat", "coat", "shoe"] });
  });
}

test("keep has to be a list of keys", async () => {
  const { browser } = setUp();
  await browser.request((session) => session.set("a", 1));
  const session = await browser.open();
  for (const how of [{ keep: "cart" }, { keep: [1] }, { kept: [] }, null, 5]) {
    assert.throws(() => session.regenerate(how as object), OptionError);
  }
  await browser.end(session);
  assert.deepEqual(await browser.contents(), { a: 1 });
});
