// Tests of revoke with an owner: nobody ends another user's session.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { OptionError } from "../../src/index.ts";
import { serverStores } from "../support/every-store.ts";
import { isAlive, login } from "../support/login.ts";
import { all, key, named, setUp } from "../support/set-up.ts";
import { OTHER_SECRET, SECRET } from "../support/stores.ts";

for (const [name, make] of Object.entries(serverStores)) {
  describe(`on ${name}, revoke with an owner`, () => {
    for (const encryption of ["server", "ticket"] as const) {
      test(`ends their session and no other one (encryption "${encryption}")`, async () => {
        const { sessions, events } = setUp({ store: make(), secret: SECRET, encryption });
        const [ann, bob, nobody] = [await login(sessions, "ann"), await login(sessions, "bob"), await begin()];
        async function begin() {
          const browser = await login(sessions, "carl");
          await browser.request((session) => {
            session.owner = undefined;
          });
          return browser;
        }
        for (const other of [bob, nobody]) assert.equal(await sessions.revoke(key(other), { owner: "ann" }), false);
        assert.equal(await sessions.revoke(key(ann), { owner: "ann " }), false);
        assert.equal(await sessions.revoke("no id", { owner: "ann" }), false);
        assert.equal(await sessions.revoke("A".repeat(24), { owner: "ann" }), false);
        assert.deepEqual(await Promise.all([ann, bob, nobody].map(isAlive)), [true, true, true]);
        assert.equal(await sessions.revoke(key(ann), { owner: "ann" }), true);
        assert.equal(await sessions.revoke(key(ann), { owner: "ann" }), false);
        assert.deepEqual(await Promise.all([ann, bob, nobody].map(isAlive)), [false, true, true]);
        assert.deepEqual(named(events, "end").map(({ reason }) => reason), ["revoked"]); // biome-ignore format: one line
      });
    }

    test("ends a session that its requests write meanwhile", async () => {
      const { sessions } = setUp({ store: make() });
      const ann = await login(sessions, "ann", { n: 0 });
      const id = (await ann.open()).id;
      const writes = Array.from({ length: 20 }, () => ann.request((session) => session.set("n", Math.random())));
      const [revoked] = await Promise.all([sessions.revoke(id, { owner: "ann" }), ...writes]);
      assert.equal(revoked, true);
      assert.equal((await all(sessions.list())).length, 0);
    });

    test("spares a session that gets another owner meanwhile", async () => {
      for (let round = 0; round < 20; round++) {
        const { sessions } = setUp({ store: make() });
        const browser = await login(sessions, "ann");
        const session = await browser.open();
        session.owner = "bob";
        const [revoked, kept] = await Promise.all([sessions.revoke(session.id, { owner: "ann" }), session.save()]);
        assert.notEqual(revoked, kept);
        assert.equal(await isAlive(browser), kept);
      }
    });
  });
}

test("revoke finds the owner under a former secret, too", async () => {
  for (const encryption of ["server", "ticket"] as const) {
    const { sessions, store } = setUp({ encryption });
    const ann = await login(sessions, "ann");
    const { sessions: rotated } = setUp({ encryption, secret: [OTHER_SECRET, SECRET] }, store);
    assert.equal(await rotated.revoke(key(ann), { owner: "bob" }), false);
    assert.equal(await rotated.revoke(key(ann), { owner: "ann" }), true);
  }
});

test("an owner that is missing by mistake is an error, and ends nobody's session", async () => {
  const { sessions } = setUp();
  const ann = await login(sessions, "ann");
  for (const owner of [undefined, "", null, 5]) {
    const revoking = sessions.revoke(key(ann), { owner: owner as string });
    await assert.rejects(revoking, (error) => error instanceof OptionError && error.message.includes("give the id of"));
  }
  await assert.rejects(sessions.revoke(key(ann), { user: "ann" } as object), OptionError);
  assert.equal(await isAlive(ann), true);
});
