// Tests of maxPerOwner: never more sessions than the limit, however many logins meet on however many servers.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createSessions, OptionError, TooManySessionsError } from "../../src/index.ts";
import { sealedCookie } from "../../src/stores/sealed-cookie/index.ts";
import { browsers, living, tryLogin } from "../support/accounts.ts";
import { Browser } from "../support/browser.ts";
import { farms, servers as openFarm } from "../support/farms.ts";
import { isAlive, login } from "../support/login.ts";
import { all, clock, type Data, named, setUp } from "../support/set-up.ts";
import { SECRET, watched } from "../support/stores.ts";

for (const [name, farm] of Object.entries(farms)) {
  describe(`on ${name}`, () => {
    for (const hasSession of [false, true]) {
      test(`50 parallel logins on three servers leave three sessions (${hasSession ? "of" : "without"} a session before)`, async () => {
        const servers = openFarm(farm, { maxPerOwner: 3 });
        const everybody = browsers(servers, 50);
        if (hasSession) await Promise.all(everybody.map((one) => one.request((session) => session.set("cart", 1))));
        const others = await login(servers[0]!, "bob");
        await Promise.all(everybody.map((one) => tryLogin(one, "ann")));
        assert.equal((await all(servers[0]!.list({ owner: "ann" }))).length, 3);
        assert.equal((await living(everybody)).length, 3);
        assert.equal(await isAlive(others), true);
      });

      test(`with "deny", three of 50 parallel logins succeed (${hasSession ? "of" : "without"} a session before)`, async () => {
        const servers = openFarm(farm, { maxPerOwner: { limit: 3, when: "deny" } });
        const everybody = browsers(servers, 50);
        if (hasSession) await Promise.all(everybody.map((one) => one.request((session) => session.set("cart", 1))));
        const succeeded = await Promise.all(everybody.map((one) => tryLogin(one, "ann")));
        assert.equal(succeeded.filter(Boolean).length, 3);
        assert.equal((await all(servers[0]!.list({ owner: "ann" }))).length, 3);
        const loggedIn = everybody.filter((_, i) => succeeded[i]);
        assert.equal((await living(loggedIn)).length, 3);
        // Whoever was refused keeps what they had.
        if (hasSession) assert.equal((await living(everybody)).length, 50);
      });
    }

    test("the oldest login ends, however often its ticket was changed", async () => {
      const [server] = openFarm(farm, { maxPerOwner: 2 }, 1);
      const [one, two, three] = browsers([server!], 3) as [Browser<Data>, Browser<Data>, Browser<Data>];
      await tryLogin(one, "ann");
      await new Promise((resolve) => setTimeout(resolve, 5));
      await tryLogin(two, "ann");
      await one.request((session) => session.regenerate());
      await one.request((session) => session.regenerate());
      await new Promise((resolve) => setTimeout(resolve, 5));
      await tryLogin(three, "ann");
      assert.deepEqual(await Promise.all([one, two, three].map(isAlive)), [false, true, true]);
    });

    test("a regenerate, alone or of parallel requests, ends nobody else's session and keeps its own", async () => {
      const servers = openFarm(farm, { maxPerOwner: 2 });
      const [one, two] = browsers(servers, 2) as [Browser<Data>, Browser<Data>];
      await tryLogin(one, "ann");
      await tryLogin(two, "ann");
      for (let round = 0; round < 5; round++) {
        const requests = await Promise.all(servers.map((server) => server.open(two.cookie)));
        const regenerated = await Promise.all(requests.map((session) => session.regenerate()));
        assert.equal(regenerated.filter(Boolean).length, 1);
        two.keep(await requests[regenerated.indexOf(true)]!.commit());
        assert.deepEqual(await Promise.all([one, two].map(isAlive)), [true, true], `round ${round}`);
      }
    });

    test("what has ended by itself, or is another owner's now, makes room", async () => {
      const [server] = openFarm(farm, { maxPerOwner: { limit: 2, when: "deny" } }, 1);
      const [one, two, three] = browsers([server!], 3) as [Browser<Data>, Browser<Data>, Browser<Data>];
      assert.deepEqual([await tryLogin(one, "ann"), await tryLogin(two, "ann"), await tryLogin(three, "ann")], [true, true, false]); // biome-ignore format: one line
      await one.request((session) => session.destroy());
      assert.equal(await tryLogin(three, "ann"), true);
      assert.equal(await tryLogin(one, "ann"), false);
      await two.request((session) => {
        session.owner = "bob";
      });
      assert.equal(await tryLogin(one, "ann"), true);
      await server!.revokeAll("ann");
      assert.deepEqual([await tryLogin(one, "ann"), await tryLogin(three, "ann")], [true, true]);
    });
  });
}

test("a login whose request fails counts no longer than a minute", async (t) => {
  const tick = clock(t);
  const { sessions, store } = setUp({ maxPerOwner: { limit: 1, when: "deny" } });
  const [one, two] = browsers([sessions], 2) as [Browser<Data>, Browser<Data>];
  store.before = (operation, key) => {
    if (operation === "create" && !key.endsWith("-owner")) throw new Error("down");
  };
  assert.equal(await tryLogin(one, "ann"), false);
  store.before = undefined;
  assert.equal(await tryLogin(two, "ann"), false);
  tick(61_000);
  assert.equal(await tryLogin(two, "ann"), true);
});

test("a refused login is an error with its status, and the session stays as it was", async () => {
  const { sessions } = setUp({ maxPerOwner: { limit: 1, when: "deny" } });
  const [one, two, three] = browsers([sessions], 3) as [Browser<Data>, Browser<Data>, Browser<Data>];
  await tryLogin(one, "ann");
  await two.request((session) => session.set("cart", 1));
  for (const how of ["regenerate", "save", "commit"] as const) {
    const session = await two.open();
    session.owner = "ann";
    await assert.rejects(async () => session[how](), (error) => error instanceof TooManySessionsError && error.status === 403); // biome-ignore format: one line
  }
  assert.deepEqual(await two.contents(), { cart: 1 });
  assert.equal((await two.open()).owner, undefined);
  const session = await three.open();
  session.owner = "ann";
  await assert.rejects(async () => session.commit(), TooManySessionsError);
  assert.equal((await all(sessions.list())).length, 2);
});

test("a function chooses which sessions end, or none", async () => {
  const seen: unknown[] = [];
  let choice: "newest" | "none" = "newest";
  const { sessions } = setUp({
    maxPerOwner: {
      limit: 2,
      when: async (owner, found) => {
        seen.push([owner, found.length]);
        return choice === "newest" ? [found.at(-1)!.id] : false;
      },
    },
  });
  const [one, two, three, four] = browsers([sessions], 4) as [Browser<Data>, Browser<Data>, Browser<Data>, Browser<Data>]; // biome-ignore format: one line
  for (const browser of [one, two, three]) await tryLogin(browser, "ann");
  assert.deepEqual(await Promise.all([one, two, three].map(isAlive)), [true, false, true]);
  choice = "none";
  assert.equal(await tryLogin(four, "ann"), false);
  assert.deepEqual(seen, [["ann", 2], ["ann", 2]]); // biome-ignore format: one line
});

test("sessions from before there was a limit count", async () => {
  const store = watched();
  const { sessions: before } = setUp({}, store);
  const former = await Promise.all([1, 2, 3, 4].map(() => login(before, "ann")));
  const { sessions, events } = setUp({ maxPerOwner: 2 }, store);
  const browser = new Browser<Data>(sessions);
  assert.equal(await tryLogin(browser, "ann"), true);
  assert.equal((await living(former)).length, 1);
  assert.equal(named(events, "end").filter(({ reason }) => reason === "revoked").length, 3);
  // The record of the owner is no session.
  assert.equal(await sessions.count(), 2);
});

test("nothing of the owner is readable in the store, and encryption by ticket works", async () => {
  const inner = watched();
  const written: string[] = [];
  const store = {
    ...inner,
    create: (key: string, session: Parameters<typeof inner.create>[1]) => {
      written.push(key + Buffer.from(session.value).toString("latin1"));
      return inner.create(key, session);
    },
  };
  const sessions = createSessions<Data>({ store, secret: SECRET, sweepInterval: false, encryption: "ticket", maxPerOwner: 1 }); // biome-ignore format: one line
  const [one, two] = browsers([sessions], 2) as [Browser<Data>, Browser<Data>];
  assert.deepEqual([await tryLogin(one, "ann"), await tryLogin(two, "ann")], [true, true]);
  assert.deepEqual([await isAlive(one), await isAlive(two)], [false, true]);
  assert.ok(written.some((text) => text.includes("-owner")));
  assert.ok(!written.some((text) => text.includes("admissions") || text.includes("ann")));
});

test("without the option, no login asks for the owner", async () => {
  const { store, sessions } = setUp();
  await login(sessions, "ann");
  assert.deepEqual(store.calls, ["create"]);
});

test("the option is checked", () => {
  for (const maxPerOwner of [0, 1.5, "3", null, { limit: 0 }, { limit: 1, when: "never" }, { limit: 1, how: 1 }, {}]) {
    assert.throws(
      () => createSessions({ maxPerOwner: maxPerOwner as number }),
      OptionError,
      JSON.stringify(maxPerOwner),
    );
  }
  assert.throws(() => createSessions({ store: sealedCookie(), secret: SECRET, maxPerOwner: 1 }), OptionError);
});
