// Tests of a list of devices: what sessions know of their client, and when they were last used.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type SessionClient, UnstorableValueError } from "../../src/index.ts";
import { Browser } from "../support/browser.ts";
import { everyStore, serverStores } from "../support/every-store.ts";
import { login } from "../support/login.ts";
import { all, clock, type Data, MINUTE, setUp } from "../support/set-up.ts";

const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const client: SessionClient = { label: "Firefox on Linux", address: "192.0.2.7", userAgent: "Mozilla/5.0 …" };

for (const [name, make] of Object.entries(everyStore)) {
  test(`on ${name}, the client stays through clear, regenerate and another owner, and is no key of the data`, async () => {
    const { browser } = setUp({ store: make() });
    await browser.request((session) => {
      assert.equal(session.client, undefined);
      session.client = client;
      session.set("a", 1);
      session.clear();
      session.set("b", 1);
      session.owner = "ann";
    });
    const steps: ((session: Awaited<ReturnType<typeof browser.open>>) => unknown)[] = [
      (session) => session.set("c", 1),
      (session) => session.clear(),
      (session) => session.regenerate({ keep: [] }),
      (session) => {
        session.owner = "bob";
      },
    ];
    for (const step of steps) {
      await browser.request(step);
      const session = await browser.open();
      assert.deepEqual(session.client, client);
      assert.ok(!session.keys().includes("client"));
    }
    assert.deepEqual(await browser.request((session) => { session.client = { ...client }; }), []); // biome-ignore format: one line
    await browser.request((session) => {
      session.client = undefined;
    });
    assert.equal((await browser.open()).client, undefined);
  });
}

for (const [name, make] of Object.entries(serverStores)) {
  describe(`on ${name}, the list`, () => {
    test("has client, login and last use of each device", async (t) => {
      const tick = clock(t);
      const { sessions } = setUp({ store: make() });
      const laptop = await login(sessions, "ann", { n: 1 });
      await laptop.request((session) => {
        session.client = client;
      });
      const began = Date.now();
      const phone = await login(sessions, "ann");
      tick(10 * MINUTE);
      await laptop.request((session) => session.get("n"));
      const list = await all(sessions.list({ owner: "ann" }));
      const [one, other] = list.toSorted((one, other) => (other.lastSeenAt ?? 0) - (one.lastSeenAt ?? 0));
      const { id } = await laptop.open();
      assert.deepEqual(one, {
        id,
        owner: "ann",
        createdAt: began,
        lastSeenAt: began + 10 * MINUTE,
        authenticatedAt: began,
        expiresAt: began + 30 * MINUTE,
        client,
        data: { n: 1 },
      });
      assert.equal(other!.id, (await phone.open()).id);
      assert.deepEqual([other!.lastSeenAt, other!.client], [began, undefined]);
    });

    for (const [lifetime, days] of [
      ["30d", 28],
      [{ idleTimeout: "30d", absoluteTimeout: "300d" }, 40],
    ] as const) {
      // biome-ignore format: one line
      test(`knows the last use of a remembered session to an hour (${JSON.stringify(lifetime)})`, async (t) => {
        const tick = clock(t);
        const { sessions } = setUp({ store: make() });
        const browser = new Browser<Data>(sessions);
        await browser.request((session) => {
          session.owner = "ann";
          session.persist(lifetime);
        });
        for (let hours = 0; hours < days * 24; hours += 20) {
          tick(20 * HOUR);
          await browser.request((session) => session.get("n"), hours % 40 === 0 ? "readonly" : "merge");
          const [listed] = await all(sessions.list({ owner: "ann" }));
          assert.equal(listed!.lastSeenAt, Date.now(), `after ${hours / 24} days`);
        }
        const used = Date.now();
        tick(HOUR / 2);
        await browser.request((session) => session.get("n"));
        const [listed] = await all(sessions.list({ owner: "ann" }));
        assert.ok(listed!.lastSeenAt! >= used && listed!.lastSeenAt! <= Date.now());
      });
    }
  });
}

test("parallel requests that note a use lose nothing", async (t) => {
  const tick = clock(t);
  const { sessions } = setUp();
  const browser = new Browser<Data>(sessions);
  await browser.request((session) => {
    session.owner = "ann";
    session.persist("30d");
  });
  tick(DAY);
  const requests = await Promise.all([1, 2, 3, 4].map(() => browser.open()));
  for (const [i, session] of requests.entries()) if (i % 2 === 0) session.set(`n${i}`, i);
  await Promise.all(requests.map((session) => session.commit()));
  assert.deepEqual(await browser.contents(), { n0: 0, n2: 2 });
});

test("a client is a few short texts", async () => {
  const { sessions } = setUp();
  const session = await sessions.open(undefined);
  for (const wrong of [null, "Firefox", { label: 5 }, { name: "x" }, { userAgent: "x".repeat(1025) }]) {
    assert.throws(() => { session.client = wrong as SessionClient; }, UnstorableValueError); // biome-ignore format: one line
  }
  assert.deepEqual(session.commit(), []);
});
