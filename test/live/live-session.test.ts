// Sessions of open connections: shown as they are now, used by messages, ended wherever they end.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  createSessions,
  header,
  type LiveEnd,
  type LiveSession,
  type SessionStore,
  type Sessions,
  type SessionsOptions,
  StoreError,
} from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { sealedCookie } from "../../src/stores/sealed-cookie/index.ts";
import { SECRET, type WatchedStore, watched } from "../support/stores.ts";

interface Data {
  n: number;
  items: string[];
}

/** A store of several servers, with or without announcements. */
const stores: Record<string, () => WatchedStore & SessionStore> = {
  "that announces changes": () => {
    const inner = memory();
    return Object.assign(watched(inner), { watch: inner.watch! });
  },
  "that announces nothing": () => watched(memory()),
};

async function until(condition: () => unknown, ms = 10_000): Promise<void> {
  for (const end = performance.now() + ms; !condition(); ) {
    assert.ok(performance.now() < end, `not within ${ms} ms: ${condition}`);
    await sleep(5);
  }
}

for (const [kind, makeStore] of Object.entries(stores)) {
  describe(`a live session, with a store ${kind}`, () => {
    let store: WatchedStore & SessionStore;
    /** Two servers. */
    let here: Sessions<Data>;
    let there: Sessions<Data>;
    let followed: LiveSession<Data>[];

    function server(options: Partial<SessionsOptions<Data>> = {}): Sessions<Data> {
      return createSessions<Data>({
        store,
        secret: SECRET,
        cookie: { secure: false },
        sweepInterval: false,
        ...options,
      });
    }

    beforeEach(() => {
      store = makeStore();
      here = server();
      there = server();
      followed = [];
    });
    afterEach(async () => {
      for (const live of followed) live.stop();
      await here.close();
      await there.close();
    });

    async function begun(sessions = here, owner = "ann"): Promise<string> {
      const session = await sessions.open(null);
      session.data.n = 1;
      session.data.items = ["one"];
      session.owner = owner;
      return (await session.commit())[0]!.split(";")[0]!;
    }

    async function follow(cookie: string | null, sessions = here, options = {}): Promise<LiveSession<Data>> {
      const session = await sessions.open(cookie, { mode: "merge" });
      await session.commit();
      const live = sessions.follow(session, options);
      followed.push(live);
      return live;
    }

    test("shows what another server writes", async () => {
      const cookie = await begun();
      const live = await follow(cookie);
      assert.equal(live.data.n, 1);
      assert.equal(live.owner, "ann");
      let changes = 0;
      live.on("change", () => changes++);
      const other = await there.open(cookie);
      other.data.n = 2;
      other.data.items.push("two");
      await other.commit();
      await until(() => live.data.n === 2);
      assert.deepEqual([...live.data.items], ["one", "two"]);
      assert.equal(changes, 1);
      assert.throws(() => Object.assign(live.data, { n: 3 }), /readonly/);
    });

    const ends: [string, (cookie: string, live: LiveSession<Data>) => unknown, LiveEnd][] = [
      ["destroy", async (cookie) => (await there.open(cookie)).destroy(), "ended"],
      ["revoke", async (_, live) => there.revoke(live.id!), "ended"],
      ["revokeAll", async () => there.revokeAll("ann"), "ended"],
      ["regenerate", async (cookie) => (await there.open(cookie)).regenerate(), "replaced"],
    ];
    for (const [name, end, reason] of ends) {
      test(`${name} on another server ends it, and no other one`, async () => {
        const cookie = await begun();
        const live = await follow(cookie);
        const tab = await follow(cookie);
        const stranger = await follow(await begun(here, "bob"));
        const reasons: LiveEnd[] = [];
        live.on("end", (reason) => reasons.push(reason));
        await end(cookie, live);
        await until(() => live.ended && tab.ended);
        assert.deepEqual(reasons, [reason]);
        assert.equal(live.signal.reason.code, "COATCHECK_ENDED");
        assert.equal(live.signal.reason.status, 401);
        await sleep(600);
        assert.equal(stranger.ended, undefined);
        await assert.rejects(
          live.use(() => assert.fail("the handler ran")),
          { code: "COATCHECK_ENDED" },
        );
      });
    }

    test("a session that ends while its request is answered is noticed", async () => {
      const cookie = await begun();
      const session = await here.open(cookie);
      await session.commit();
      await (await there.open(cookie)).destroy();
      const live = here.follow(session);
      followed.push(live);
      await until(() => live.ended);
    });

    test("an idle session ends its connections, also with a poll that does not extend it", async () => {
      await here.close();
      here = server({ idleTimeout: "1s" });
      const cookie = await begun();
      const live = await follow(cookie);
      const started = performance.now();
      await until(() => live.ended);
      assert.equal(live.ended, "expired");
      assert.ok(performance.now() - started > 700);
    });

    test("keepAlive extends its life, as long as it gives true", async () => {
      await here.close();
      here = server({ idleTimeout: "1s" });
      const cookie = await begun();
      let isThere = true;
      const live = await follow(cookie, here, { keepAlive: () => isThere });
      await sleep(2500);
      assert.equal(live.ended, undefined);
      isThere = false;
      await until(() => live.ended);
    });

    test("the end of its time, used or not", async () => {
      await here.close();
      here = server({ idleTimeout: "1s", absoluteTimeout: "2s" });
      const live = await follow(await begun(), here, { keepAlive: true });
      const started = performance.now();
      await until(() => live.ended === "expired");
      assert.ok(performance.now() - started > 1500);
    });

    test("a message is a small request", async () => {
      const cookie = await begun();
      const live = await follow(cookie);
      const result = await live.use((session) => {
        session.data.items.push("mine");
        return session.update("n", (n = 0) => n + 1);
      });
      assert.equal(result, 2);
      assert.deepEqual([live.data.n, [...live.data.items]], [2, ["one", "mine"]]);
      assert.deepEqual({ ...(await there.open(cookie)).data }, { n: 2, items: ["one", "mine"] });
    });

    for (const mode of ["merge", "exclusive"] as const) {
      test(`concurrent messages all count, in mode ${mode}`, async () => {
        const cookie = await begun();
        const lives = [await follow(cookie), await follow(cookie), await follow(cookie, there)];
        const add = (live: LiveSession<Data>) => live.use((session) => session.update("n", (n = 0) => n + 1), { mode });
        await Promise.all(Array.from({ length: 30 }, (_, i) => add(lives[i % 3]!)));
        assert.equal((await there.open(cookie)).data.n, 31);
      });
    }

    test("a message that fails changes nothing, and locks nobody out", async () => {
      const cookie = await begun();
      const live = await follow(cookie);
      const fail = (options: object) =>
        live.use((session) => {
          session.data.n = 5;
          throw new Error("of the handler");
        }, options);
      await assert.rejects(fail({ mode: "exclusive" }), /of the handler/);
      assert.equal((await there.open(cookie, { mode: "exclusive" })).data.n, 1);
    });

    test("saveFailed keeps its changes", async () => {
      const cookie = await begun();
      const live = await follow(cookie, here, { saveFailed: true });
      await assert.rejects(
        live.use((session) => {
          session.data.n = 5;
          throw new Error("of the handler");
        }),
        /of the handler/,
      );
      assert.equal((await there.open(cookie)).data.n, 5);
    });

    test("a message that nobody waits for does not end the process when the session has ended or the store is down", async () => {
      const unhandled: unknown[] = [];
      const collect = (reason: unknown) => void unhandled.push(reason);
      process.on("unhandledRejection", collect);
      const cookie = await begun();
      const live = await follow(cookie);
      store.before = () => {
        throw new Error("down");
      };
      void live.use(() => {});
      await sleep(300);
      store.before = undefined;
      await until(() => here.revokeAll("ann").catch(() => 0));
      void live.use(() => {});
      await until(() => live.ended);
      void live.use(() => {});
      await sleep(50);
      process.off("unhandledRejection", collect);
      assert.deepEqual(unhandled, []);
    });

    test("a message can end the session, and so its connections", async () => {
      const cookie = await begun();
      const live = await follow(cookie);
      await live.use((session) => session.destroy());
      assert.equal(live.ended, "ended");
      assert.equal((await there.open(cookie)).isNew, true);
    });

    test("what needs a cookie is refused", async () => {
      const cookie = await begun();
      const live = await follow(cookie);
      await assert.rejects(
        live.use((session) => session.regenerate()),
        { code: "COATCHECK_DETACHED" },
      );
      await assert.rejects(
        live.use(async (session) => {
          await session.destroy();
          session.data.n = 7;
        }),
        { code: "COATCHECK_DETACHED" },
      );
    });

    test("a connection without a session reads an empty one, and can't begin one", async () => {
      const live = await follow(null);
      assert.equal(live.id, undefined);
      assert.deepEqual({ ...live.data }, {});
      assert.equal(await live.use((session) => session.isNew), true);
      const { length } = store.calls;
      await assert.rejects(
        live.use((session) => {
          session.data.n = 1;
        }),
        { code: "COATCHECK_DETACHED" },
      );
      assert.equal(store.calls.length, length);
      await sleep(600);
      assert.equal(live.ended, undefined);
    });

    test("a session that is stored after it is followed is followed from then on", async () => {
      const session = await here.open(null);
      session.data.n = 1;
      const live = here.follow(session);
      followed.push(live);
      await sleep(600);
      assert.equal(live.ended, undefined);
      const cookie = (await session.commit())[0]!.split(";")[0]!;
      await sleep(600);
      await (await there.open(cookie)).destroy();
      await until(() => live.ended);
    });

    test("a store that is down ends no session, and one that is back shows its ends", async () => {
      const cookie = await begun();
      const live = await follow(cookie);
      await sleep(600);
      store.before = () => {
        throw new Error("down");
      };
      await sleep(1200);
      assert.equal(live.ended, undefined);
      await assert.rejects(
        live.use(() => {}),
        StoreError,
      );
      store.before = undefined;
      await until(async () => (await there.open(cookie)).destroy(), 10_000);
    });

    test("a cookie's age is not taken for new when only a message has renewed the session", async () => {
      await here.close();
      here = server({ cookie: { secure: false, maxAge: "1s" } });
      const cookie = await begun();
      const live = await follow(cookie);
      await sleep(300);
      await live.use((session) => {
        session.data.n = 9;
      });
      const next = await here.open(cookie);
      assert.equal((await next.commit()).length, 1, "the next request gets its cookie renewed");
    });

    test("stopping leaves nothing: no reads, no subscription, no timer", async () => {
      const cookie = await begun();
      for (let round = 0; round < 3; round++) {
        const lives = await Promise.all(Array.from({ length: 20 }, () => follow(cookie)));
        await sleep(100);
        for (const live of lives) live.stop();
      }
      await sleep(1200);
      const { length } = store.calls;
      const timers = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
      await sleep(1100);
      assert.equal(store.calls.length, length);
      assert.ok(timers <= 2, `${timers} timers`); // that of this test, and that of the time limit
    });
  });
}

test("reads of many sessions go together, and one session of many connections is read once", async () => {
  const store = watched(memory());
  const sessions = createSessions<Data>({ store, secret: SECRET, cookie: { secure: false }, sweepInterval: false });
  let reading = 0;
  let most = 0;
  store.before = async (operation) => {
    if (operation !== "read") return;
    most = Math.max(most, ++reading);
    await sleep(5);
    reading--;
  };
  for (let i = 0; i < 100; i++) {
    const session = await sessions.open(null);
    session.data.n = i;
    await session.commit();
    for (let tab = 0; tab < 5; tab++) sessions.follow(session);
  }
  await sleep(1100);
  store.calls.length = 0;
  await sleep(1000);
  assert.ok(store.calls.length <= 300, `${store.calls.length} reads in a second`);
  assert.equal(most, 64);
  await sessions.close();
});

test("a sealed cookie ends its connections when it expires, and can't be changed by them", async () => {
  const sessions = createSessions<Data>({
    store: sealedCookie(),
    secret: SECRET,
    cookie: { secure: false },
    idleTimeout: "1s",
  });
  const first = await sessions.open(null);
  first.data.n = 1;
  const cookie = (await first.commit())[0]!.split(";")[0]!;
  const session = await sessions.open(cookie);
  await session.commit();
  const live = sessions.follow(session);
  assert.equal(await live.use(({ data }) => data.n), 1);
  await assert.rejects(
    live.use(({ data }) => {
      data.n = 2;
    }),
    { code: "COATCHECK_DETACHED" },
  );
  await until(() => live.ended === "expired");
  await sessions.close();
});

test("sessions in mode off, and sessions of others", async () => {
  const off = createSessions<Data>({ mode: "off" });
  const on = createSessions<Data>({ transport: header("x-session") });
  const live = off.follow(await off.open(null));
  assert.equal(await live.use((session) => session.isNew), true);
  await assert.rejects(
    live.use((session) => session.set("n", 1)),
    { code: "COATCHECK_CLOSED" },
  );
  assert.throws(() => on.follow({} as never), { code: "COATCHECK_PROPERTY" });
  await off.close();
  await on.close();
});
