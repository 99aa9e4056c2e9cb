// What code written for express-session does to a session.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { runInNewContext } from "node:vm";
import { CoatcheckError, StoreError } from "../../src/index.ts";
import { setUp } from "../support/set-up.ts";

/** Assigns in sloppy mode, in which JavaScript itself ignores what can't be set. */
const assign = runInNewContext("(function (object, name, value) { object[name] = value; })") as (
  object: object,
  name: PropertyKey,
  value: unknown,
) => void;

describe("assigning to a session", () => {
  const methods = ["get", "set", "has", "delete", "keys", "clear", "update", "flash", "save", "reload", "regenerate", "destroy", "discard", "commit", "constructor"]; // biome-ignore format: one line
  const others = ["id", "isNew", "createdAt", "expiresAt", "isUsed", "data", "user", "cookie", "views", "then", "__proto__", "toString", Symbol("mine"), inspect.custom]; // biome-ignore format: one line

  for (const name of [...methods, ...others]) {
    test(`${String(name)} throws, in sloppy mode, too`, async () => {
      const { sessions } = setUp();
      const session = await sessions.open(undefined);
      const shown = (error: unknown) => error instanceof CoatcheckError && error.code === "COATCHECK_NOT_DATA";
      assert.throws(() => assign(session, name, {}), shown);
      if (name !== "__proto__") assert.throws(() => Object.assign(session, { [name]: 1 }), shown);
      assert.deepEqual(Object.keys(session), []);
      assert.deepEqual(session.commit(), []);
    });
  }

  test("owner, and passport, which Passport sets, can be set", async () => {
    const { browser } = setUp();
    await browser.request((session) => {
      assign(session, "owner", "ann");
      assign(session, "passport", { user: "ann" });
    });
    const session = (await browser.open()) as unknown as { owner: string; passport: object; data: object };
    assert.deepEqual([session.owner, session.passport, { ...session.data }], ["ann", { user: "ann" }, { passport: { user: "ann" } }]); // biome-ignore format: one line
  });

  test("the error names what to do", async () => {
    const { sessions } = setUp();
    const session = (await sessions.open(undefined)) as unknown as Record<string, unknown>;
    assert.throws(() => assign(session, "user", 1), /session\.user can't be set.*session\.data\.user = …/);
    assert.throws(() => assign(session, "save", 1), /session\.save is a method and can't be replaced/);
    assert.throws(() => assign(session, "data", {}), /Object\.assign\(session\.data/);
    assert.throws(() => session.cookie, /no cookie.*createSessions/);
    assert.throws(() => session.touch, /idleTimeout/);
    assert.equal(session.user, undefined);
    assert.equal(session instanceof Object, true);
    assert.equal(await (session as unknown), session);
  });
});

describe("with a callback", () => {
  const call = (run: (callback: (error?: unknown) => void) => unknown) =>
    new Promise((resolve) => {
      run(resolve);
    });

  test("save, reload, regenerate and destroy work as their promises do", async () => {
    const { browser } = setUp();
    const session = await browser.open();
    session.set("a", 1);
    assert.equal(await call((done) => session.save(done)), undefined);
    session.set("a", 2);
    assert.equal(await call((done) => session.reload(done)), undefined);
    assert.equal(session.get("a"), 1);
    assert.equal(await call((done) => session.destroy(done)), undefined);
    assert.deepEqual(session.keys(), []);
    assert.match(String(await session.commit()), /^__Host-sid=;.*Max-Age=0$/);
  });

  test("regenerate begins an empty session without an owner, as express-session's does", async () => {
    const { browser } = setUp();
    await browser.request((session) => {
      session.set("a", 1);
      session.owner = "ann";
      session.flash("notice", "for ann");
    });
    const before = browser.cookie;
    await browser.request(async (session) => {
      assert.equal(await call((done) => session.regenerate(done)), undefined);
      assert.deepEqual([session.keys(), session.owner, session.flash("notice")], [[], undefined, undefined]);
      session.set("b", 2);
    });
    assert.notEqual(browser.cookie, before);
    assert.deepEqual(await browser.contents(), { b: 2 });
  });

  test("what it held comes back where the session is merged into itself, as Passport does", async () => {
    const { browser } = setUp();
    await browser.request((session) => {
      session.set("a", 1);
      session.set("save", 2);
      session.set("kept", "old");
    });
    await browser.request(async (session) => {
      await call((done) => session.regenerate(done));
      session.set("kept", "new");
      const target = session as unknown as Record<string, unknown>;
      const former = target;
      for (const key in former) target[key] = former[key]; // as the package utils-merge does
      for (const key in former) target[key] = former[key];
    });
    assert.deepEqual(await browser.contents(), { a: 1, save: 2, kept: "new" });
  });

  test("an error reaches it, and no rejection is left unhandled", async () => {
    const { browser, store } = setUp();
    await browser.request((session) => session.set("a", 1));
    const session = await browser.open();
    session.set("a", 2);
    store.before = () => {
      throw new StoreError("coatcheck: down");
    };
    assert.ok((await call((done) => session.save(done))) instanceof StoreError);
    assert.ok((await call((done) => session.destroy(done))) instanceof StoreError);
  });

  test("a session that has ended, and one that is committed, are errors", async () => {
    const { browser, sessions } = setUp();
    await browser.request((session) => session.set("a", 1));
    const session = await browser.open();
    await sessions.revoke(session.id);
    session.set("a", 3);
    assert.equal(((await call((done) => session.save(done))) as CoatcheckError).code, "COATCHECK_GONE");
    await session.commit();
    assert.equal(((await call((done) => session.save(done))) as CoatcheckError).code, "COATCHECK_CLOSED");
  });
});

test("commit gives the cookies by their parts, too", async () => {
  const { sessions } = setUp({ cookie: { maxAge: "1h", path: "/shop", sameSite: "Strict", domain: "example.com", partitioned: true } }); // biome-ignore format: one line
  const session = await sessions.open(undefined);
  session.set("a", 1);
  const [text] = await session.commit();
  const [parts] = await session.commit("parts");
  const { value, ...others } = parts!;
  assert.equal(text!.split(";")[0], `__Secure-sid=${value}`);
  assert.deepEqual(others, { name: "__Secure-sid", path: "/shop", httpOnly: true, secure: true, sameSite: "strict", domain: "example.com", maxAge: 3600, partitioned: true }); // biome-ignore format: one line

  const ending = await sessions.open(text!.split(";")[0]!);
  await ending.destroy();
  const [cleared] = await ending.commit("parts");
  assert.deepEqual([cleared!.name, cleared!.value, cleared!.maxAge], ["__Secure-sid", "", 0]);
});
