// Tests of the security stamp: a new one ends all other sessions of its owner, also those that are about to begin.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CapabilityError, CoatcheckError, createSessions, StaleStampError, UnstorableValueError } from "../../src/index.ts"; // biome-ignore format: one line
import { sealedCookie } from "../../src/stores/sealed-cookie/index.ts";
import { browsers, living, tryLogin } from "../support/accounts.ts";
import { Browser } from "../support/browser.ts";
import { farms, type MakeFarm, servers as openFarm, silentCaches, unlisted } from "../support/farms.ts";
import { isAlive, login } from "../support/login.ts";
import { type Data, setUp } from "../support/set-up.ts";
import { OTHER_SECRET, SECRET } from "../support/stores.ts";

const FIRST = { id: "ann", stamp: "1" };
const SECOND = { id: "ann", stamp: "2" };

/** Of each, a session that was ended is over with its next request on every server. */
const kinds: Readonly<Record<string, MakeFarm>> = {
  ...farms,
  "caches of a database that announces nothing": silentCaches,
  "a database that can't list": unlisted,
};

for (const [name, farm] of Object.entries(kinds)) {
  describe(`on ${name}, a new stamp`, () => {
    test("ends all sessions of the owner with their next request, and nobody else's", async () => {
      const [one, two] = openFarm(farm);
      const mine = browsers([one!, two!], 6);
      for (const browser of mine) assert.equal(await tryLogin(browser, FIRST), true);
      const bob = new Browser<Data>(one!);
      await tryLogin(bob, { id: "bob", stamp: "1" });
      assert.equal(await two!.stamp("ann", "2"), 6);
      assert.equal((await living(mine)).length, 0);
      assert.equal(await isAlive(bob), true);
      assert.equal(await tryLogin(mine[0]!, SECOND), true);
      assert.equal(await isAlive(mine[0]!), true);
    });

    test("spares the session that has it from its owner's own hand", async () => {
      const [one, two] = openFarm(farm);
      const mine = browsers([one!, two!], 4);
      for (const browser of mine) await tryLogin(browser, FIRST);
      await mine[0]!.request(async (session) => {
        assert.equal(await one!.stamp(session, "2"), 3);
        await session.regenerate();
      });
      assert.deepEqual(await living(mine), [mine[0]]);
      // And it goes on under the new one.
      await tryLogin(mine[1]!, SECOND);
      assert.equal((await living(mine)).length, 2);
      await one!.stamp("ann", "3");
      assert.equal((await living(mine)).length, 0);
    });

    test("comes with a login, too: whoever has the new password ends all others", async () => {
      const [one, two] = openFarm(farm);
      const mine = browsers([one!, two!], 4);
      for (const browser of mine.slice(1)) await tryLogin(browser, FIRST);
      assert.equal(await tryLogin(mine[0]!, SECOND), true);
      assert.deepEqual(await living(mine), [mine[0]]);
    });

    test("refuses a login that was under way with the former one", async () => {
      for (let round = 0; round < 20; round++) {
        const servers = openFarm(farm);
        const mine = browsers(servers, 6);
        await tryLogin(mine[0]!, FIRST);
        const logins = mine.slice(1).map(async (browser, i) => {
          for (let turn = 0; turn < i * round; turn++) await new Promise(setImmediate);
          return tryLogin(browser, FIRST);
        });
        await servers[0]!.stamp("ann", "2");
        await Promise.all(logins);
        assert.equal((await living(mine)).length, 0, `round ${round}`);
        assert.equal(await tryLogin(mine[0]!, FIRST), false);
        assert.equal(await tryLogin(mine[0]!, SECOND), true);
      }
    });

    test("reaches a session that gets a new ticket at the same moment", async () => {
      for (let round = 0; round < 20; round++) {
        const servers = openFarm(farm);
        const mine = browsers(servers, 3);
        for (const browser of mine) await tryLogin(browser, FIRST);
        const running = await Promise.all(mine.map((browser) => browser.open()));
        await Promise.all([
          servers[0]!.stamp("ann", "2"),
          ...running.map((session) => session.regenerate().catch(() => false)),
        ]);
        for (const [i, session] of running.entries()) mine[i]!.keep(await session.commit());
        assert.equal((await living(mine)).length, 0, `round ${round}`);
      }
    });
  });
}

test("a former stamp is refused with 401, and may come back by stamp()", async () => {
  const { sessions } = setUp();
  const browser = new Browser<Data>(sessions);
  await tryLogin(browser, FIRST);
  await sessions.stamp("ann", "2");
  const session = await browser.open();
  session.owner = FIRST;
  await assert.rejects(async () => session.commit(), (error) => error instanceof StaleStampError && error.status === 401); // biome-ignore format: one line
  await sessions.stamp("ann", "1");
  assert.equal(await tryLogin(browser, FIRST), true);
  assert.equal(await isAlive(browser), true);
});

test("it also ends sessions from before there were stamps, and works under limits and by ticket", async () => {
  for (const options of [{}, { maxPerOwner: 3 }, { encryption: "ticket" as const }]) {
    const { sessions } = setUp(options);
    const former = await login(sessions, "ann");
    const browser = new Browser<Data>(sessions);
    await tryLogin(browser, FIRST);
    assert.deepEqual([await isAlive(former), await isAlive(browser)], [false, true]);
    assert.equal(await sessions.stamp("ann", "2"), 1);
    assert.equal(await isAlive(browser), false);
  }
});

test("a rotation of secrets keeps it", async () => {
  const { sessions, store } = setUp();
  const browser = new Browser<Data>(sessions);
  await tryLogin(browser, FIRST);
  const { sessions: rotated } = setUp({ secret: [OTHER_SECRET, SECRET] }, store);
  const later = new Browser<Data>(rotated);
  assert.equal(await tryLogin(later, FIRST), true);
  later.cookie = browser.cookie;
  assert.equal(await isAlive(later), true);
  await rotated.stamp("ann", "2");
  assert.equal(await isAlive(browser), false);
});

test("what can't be a stamp, and a store that can't end sessions, are errors", async () => {
  const { sessions } = setUp();
  const session = await sessions.open(undefined);
  for (const owner of [
    { id: "ann" },
    { stamp: "1" },
    { id: "ann", stamp: "" },
    { id: "", stamp: "1" },
    { id: 5, stamp: "1" },
    null,
  ]) {
    // biome-ignore format: one line
    assert.throws(() => { session.owner = owner as typeof FIRST; }, UnstorableValueError); // biome-ignore format: one line
  }
  await assert.rejects(async () => sessions.stamp("", "1"), UnstorableValueError);
  await assert.rejects(async () => sessions.stamp("ann", ""), UnstorableValueError);
  await assert.rejects(async () => sessions.stamp(session, "1"), (error) => error instanceof CoatcheckError && error.code === "COATCHECK_NO_OWNER"); // biome-ignore format: one line
  const sealed = createSessions<Data>({ store: sealedCookie(), secret: SECRET });
  const carried = await sealed.open(undefined);
  assert.throws(() => { carried.owner = FIRST; }, CapabilityError); // biome-ignore format: one line
  await assert.rejects(async () => sealed.stamp("ann", "1"), CapabilityError);
});
