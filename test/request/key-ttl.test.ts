// Tests of keys that end before their session: session.set(key, value, { ttl }).

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { OptionError } from "../../src/index.ts";
import { Browser } from "../support/browser.ts";
import { everyStore, serverStores } from "../support/every-store.ts";
import { login } from "../support/login.ts";
import { all, clock, type Data, MINUTE, setUp } from "../support/set-up.ts";

for (const [name, make] of Object.entries(everyStore)) {
  describe(`on ${name}, a key with a ttl`, () => {
    test("is there until then, and not after it", async (t) => {
      const tick = clock(t);
      const { browser } = setUp({ store: make(), initial: { otp: "none" } });
      await browser.request((session) => {
        session.set("otp", { code: 123 }, { ttl: "5m" });
        session.set("user", "ann");
        assert.deepEqual(session.get("otp"), { code: 123 });
      });
      tick(5 * MINUTE - 1);
      await browser.request((session) => {
        assert.deepEqual(session.data.otp, { code: 123 });
        assert.equal(session.has("otp"), true);
        assert.deepEqual(session.keys(), ["otp", "user"]);
      });
      tick(1);
      await browser.request((session) => {
        assert.equal(session.has("otp"), false);
        assert.deepEqual(session.keys(), ["user"]);
        assert.deepEqual({ ...session.data }, { user: "ann" });
        assert.equal(session.get("otp"), "none");
      });
    });

    test("keeps its end when it is changed in place or updated, and loses it when it is set again", async (t) => {
      const tick = clock(t);
      const { browser } = setUp({ store: make() });
      await browser.request((session) => {
        for (const key of ["list", "tries", "again", "longer"]) session.set(key, [1], { ttl: "5m" });
      });
      tick(4 * MINUTE);
      await browser.request((session) => {
        (session.data.list as number[]).push(2);
        session.update("tries", (tries) => [...(tries as number[]), 2]);
        session.set("again", [1, 2]);
        session.set("longer", [1, 2], { ttl: "5m" });
      });
      assert.deepEqual(await browser.contents(), { list: [1, 2], tries: [1, 2], again: [1, 2], longer: [1, 2] });
      tick(MINUTE);
      assert.deepEqual(await browser.contents(), { again: [1, 2], longer: [1, 2] });
      tick(4 * MINUTE);
      assert.deepEqual(await browser.contents(), { again: [1, 2] });
    });

    test("is removed with the next write, after regenerate, too", async (t) => {
      const tick = clock(t);
      const { sessions } = setUp({ store: make() });
      const browser = new Browser<Data>(sessions);
      await browser.request((session) => {
        session.set("otp", "x".repeat(1000), { ttl: "5m" });
        session.set("code", 1, { ttl: "10m" });
      });
      await browser.request((session) => session.regenerate());
      tick(6 * MINUTE);
      const size = () => browser.cookie!.length;
      const before = size();
      await browser.request((session) => session.set("a", 1));
      if (name === "sealedCookie()") assert.ok(size() < before - 1000);
      assert.deepEqual(await browser.contents(), { code: 1, a: 1 });
    });

    test("costs no write when it is read, or set to what it is in the same moment", async (t) => {
      clock(t);
      const { browser } = setUp({ store: make() });
      await browser.request((session) => session.set("otp", [1], { ttl: "5m" }));
      const cookies = await browser.request((session) => {
        session.get("otp");
        session.set("otp", [1], { ttl: "5m" });
      });
      assert.deepEqual(cookies, []);
    });
  });
}

for (const [name, make] of Object.entries(serverStores)) {
  test(`on ${name}, parallel requests merge a key with a ttl like any other`, async (t) => {
    const tick = clock(t);
    const { browser } = setUp({ store: make(), merge: { list: "append" as never } });
    await browser.request((session) => {
      session.set("list", [0], { ttl: "5m" });
      session.set("tries", 0, { ttl: "5m" });
    });
    const requests = await Promise.all([1, 2, 3].map(() => browser.open()));
    for (const [i, session] of requests.entries()) {
      (session.data.list as number[]).push(i + 1);
      session.update("tries", (tries) => (tries as number) + 1);
    }
    await Promise.all(requests.map((session) => session.commit()));
    const { list, tries } = (await browser.contents()) as { list: number[]; tries: number };
    assert.deepEqual([list.toSorted(), tries], [[0, 1, 2, 3], 3]);
    // An increment that meets the end of the key begins at its beginning.
    const late = await browser.open();
    late.update("tries", (tries) => ((tries as number | undefined) ?? 0) + 1);
    tick(5 * MINUTE);
    await browser.request((session) => session.set("a", 1));
    await browser.end(late);
    const { tries: after = 1, a } = await browser.contents();
    assert.deepEqual([after, a], [1, 1]);
  });
}

test("a list, a search and the end of a session show no value that has ended", async (t) => {
  const tick = clock(t);
  const { sessions, events } = setUp();
  const ann = await login(sessions, "ann", { n: 1 });
  await ann.request((session) => session.set("otp", 1, { ttl: "5m" }));
  assert.deepEqual((await all(sessions.list({ owner: "ann" })))[0]!.data, { n: 1, otp: 1 });
  tick(5 * MINUTE);
  const [listed] = await all(sessions.list({ owner: "ann" }));
  assert.deepEqual(listed!.data, { n: 1 });
  await sessions.revokeAll("ann");
  assert.deepEqual(events.filter(([name]) => name === "end").map(([, event]) => event), [{ id: listed!.id, reason: "revoked", data: { n: 1 } }]); // biome-ignore format: one line
});

test("a ttl has to be a span of time", async () => {
  const { sessions } = setUp();
  const session = await sessions.open(undefined);
  for (const options of [{ ttl: 0 }, { ttl: "soon" }, { ttl: null }, { maxAge: "5m" }, 5, null]) {
    assert.throws(() => session.set("a", 1, options as object), OptionError);
  }
  assert.deepEqual(session.commit(), []);
});

test("a text of the application that looks like one with an end has none", async () => {
  const { browser } = setUp();
  await browser.request((session) => session.set("text", "@1:x"));
  assert.deepEqual(await browser.contents(), { text: "@1:x" });
});
