// Tests of "remember me": sessions with a lifetime of their own, beside others, whatever becomes of the options.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { cached } from "../../src/compose/index.ts";
import { CoatcheckError, createSessions, OptionError, type SessionStore } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { sealedCookie } from "../../src/stores/sealed-cookie/index.ts";
import { Browser } from "../support/browser.ts";
import { everyStore } from "../support/every-store.ts";
import { isAlive, login } from "../support/login.ts";
import { all, clock, type Data, MINUTE, setUp } from "../support/set-up.ts";
import { SECRET, watched } from "../support/stores.ts";

const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

async function remembered(browser: Browser<Data>, lifetime: Parameters<PersistedSession["persist"]>[0]) {
  return browser.request((session) => {
    session.owner = "ann";
    session.persist(lifetime);
  });
}
type PersistedSession = Awaited<ReturnType<Browser<Data>["open"]>>;

function ageOf(cookies: string[]): number | undefined {
  const age = /; Max-Age=(\d+)/.exec(cookies.find((cookie) => cookie.includes("sid="))!)?.[1];
  return age === undefined ? undefined : Number(age) * 1000;
}

for (const [name, make] of Object.entries(everyStore)) {
  describe(`on ${name}`, () => {
    test("a remembered session and a short one live side by side", async (t) => {
      const tick = clock(t);
      const { sessions } = setUp({ store: make() });
      const [long, short] = [new Browser<Data>(sessions), new Browser<Data>(sessions)];
      assert.equal(ageOf(await remembered(long, "30d")), 30 * DAY);
      assert.equal(ageOf(await short.request((session) => session.set("a", 1))), undefined);
      tick(19 * MINUTE);
      assert.deepEqual([await isAlive(long), await isAlive(short)], [true, true]);
      await Promise.all([long, short].map((browser) => browser.request((session) => session.get("a"))));
      tick(21 * MINUTE);
      assert.deepEqual([await isAlive(long), await isAlive(short)], [true, false]);
      tick(29 * DAY);
      assert.equal(await isAlive(long), true);
      tick(1 * DAY);
      assert.equal(await isAlive(long), false);
    });

    test("its idle time begins again with each request, up to its absolute end", async (t) => {
      const tick = clock(t);
      const { sessions, browser } = setUp({ store: make() });
      await remembered(browser, { idleTimeout: "7d", absoluteTimeout: "30d" });
      const began = Date.now();
      for (let day = 0; day < 25; day += 5) {
        tick(5 * DAY);
        const cookies = await browser.request((session) => session.get("a"));
        // The browser would otherwise drop the cookie before the session ends.
        assert.equal(ageOf(cookies), Math.min(7 * DAY, began + 30 * DAY - Date.now()), `day ${day}`);
      }
      assert.equal((await browser.open()).expiresAt, began + 30 * DAY);
      tick(5 * DAY);
      assert.equal((await sessions.open(browser.cookie)).isNew, true);
    });

    for (const [change, before, after] of [
      ["shorter", { idleTimeout: "2h", absoluteTimeout: "8h" }, { idleTimeout: "5m", absoluteTimeout: "1h" }],
      ["longer", { idleTimeout: "2h", absoluteTimeout: "8h" }, { idleTimeout: "1d", absoluteTimeout: "90d" }],
    ] as const) {
      test(`options that become ${change} change nothing for it`, async (t) => {
        const tick = clock(t);
        const store = make();
        const old = createSessions<Data>({ store, secret: SECRET, sweepInterval: false, ...before });
        const browser = new Browser<Data>(old);
        await remembered(browser, { idleTimeout: "3h", absoluteTimeout: "10h" });
        const sessions = createSessions<Data>({ store, secret: SECRET, sweepInterval: false, ...after });
        const later = new Browser<Data>(sessions);
        later.cookie = browser.cookie;
        for (let hours = 2; hours < 10; hours += 2) {
          tick(2 * HOUR);
          assert.equal(await isAlive(later), true, `${hours} hours`);
          later.keep(await (await later.open()).commit());
        }
        tick(2 * HOUR);
        assert.equal(await isAlive(later), false);
        // Idle: a read by a store that extends must not make it last longer than three hours.
        const idle = new Browser<Data>(sessions);
        const other = new Browser<Data>(old);
        await remembered(other, { idleTimeout: "3h", absoluteTimeout: "10h" });
        idle.cookie = other.cookie;
        tick(MINUTE);
        idle.keep(await (await idle.open()).commit());
        tick(3 * HOUR + MINUTE);
        assert.equal(await isAlive(idle), false);
      });
    }

    test("persist(false) gives it the application's timeouts and cookie again", async (t) => {
      const tick = clock(t);
      const { browser } = setUp({ store: make() });
      await remembered(browser, "30d");
      const cookies = await browser.request((session) => session.persist(false));
      assert.equal(cookies.length >= 1, true);
      assert.equal(ageOf(cookies), undefined);
      tick(19 * MINUTE);
      assert.equal(await isAlive(browser), true);
      tick(21 * MINUTE);
      assert.equal(await isAlive(browser), false);
    });

    test("it goes with regenerate, clear, and other requests' changes", async (t) => {
      const tick = clock(t);
      const { browser } = setUp({ store: make() });
      await remembered(browser, "30d");
      const cookies = await browser.request((session) => session.regenerate());
      assert.equal(ageOf(cookies), 30 * DAY);
      await browser.request((session) => session.clear());
      await browser.request((session) => session.set("n", 1));
      tick(20 * DAY);
      assert.deepEqual(await browser.contents(), { n: 1 });
    });

    test("the application's cookie.maxAge is for the others", async () => {
      const { sessions } = setUp({ store: make(), cookie: { maxAge: "1h" } });
      const [long, short] = [new Browser<Data>(sessions), new Browser<Data>(sessions)];
      assert.equal(ageOf(await remembered(long, "30d")), 30 * DAY);
      assert.equal(ageOf(await short.request((session) => session.set("a", 1))), HOUR);
      assert.equal(ageOf(await long.request((session) => session.persist(false))), HOUR);
    });
  });
}

const parallel: Record<string, () => SessionStore> = { memory, "a database": watched, "cached()": () => cached(watched(), { maxAge: "1h" }) }; // biome-ignore format: one line
for (const [name, make] of Object.entries(parallel)) {
  test(`on ${name}, a parallel request neither undoes persist nor is undone`, async (t) => {
    const tick = clock(t);
    const { browser } = setUp({ store: make() });
    await browser.request((session) => session.set("a", 1));
    const [one, other] = [await browser.open(), await browser.open()];
    one.persist("30d");
    other.set("b", 2);
    await Promise.all([browser.end(one), browser.end(other)]);
    tick(10 * DAY);
    assert.deepEqual(await browser.contents(), { a: 1, b: 2 });
  });
}

test("in exclusive mode it works like in any other", async (t) => {
  const tick = clock(t);
  const { browser } = setUp();
  await browser.request((session) => session.set("a", 1));
  const cookies = await browser.request((session) => session.persist("30d"), "exclusive");
  assert.equal(ageOf(cookies), 30 * DAY);
  tick(10 * DAY);
  await browser.request((session) => assert.equal(session.get("a"), 1), "exclusive");
});

test("the list shows its own end", async (t) => {
  const tick = clock(t);
  const { sessions, browser } = setUp();
  await remembered(browser, { idleTimeout: "7d", absoluteTimeout: "30d" });
  tick(DAY);
  const [listed] = await all(sessions.list({ owner: "ann" }));
  assert.equal(listed!.expiresAt, Date.now() + 6 * DAY);
});

test("a request that only reads extends it at most once an hour", async (t) => {
  const tick = clock(t);
  const { store, browser } = setUp();
  await remembered(browser, { idleTimeout: "30d", absoluteTimeout: "300d" });
  store.calls.length = 0;
  for (let minute = 0; minute < 120; minute += 10) {
    tick(10 * MINUTE);
    await browser.request((session) => session.get("a"));
  }
  assert.equal(store.calls.filter((call) => call !== "read").length, 1);
});

test("changes before a save stay one write; discard drops persist", async () => {
  const { store, browser } = setUp();
  await browser.request((session) => session.set("a", 1));
  store.calls.length = 0;
  const session = await browser.open();
  session.persist("30d");
  session.set("a", 2);
  assert.equal(await session.save(), true);
  assert.equal(ageOf(await browser.end(session)), 30 * DAY);
  assert.deepEqual(store.calls, ["read", "update"]);
  const discarded = await browser.open();
  discarded.persist(false);
  discarded.discard();
  assert.deepEqual(await browser.end(discarded), []);
});

test("a lifetime has to be a span of at least the idle timeout", async () => {
  const { sessions } = setUp({ idleTimeout: "20m" });
  const session = await sessions.open(undefined);
  for (const lifetime of [
    "30 days",
    0,
    -1,
    Number.NaN,
    "19m",
    true,
    null,
    undefined,
    {},
    { idleTimeout: "2h", absoluteTimeout: "1h" },
    { idleTimeout: "2h", maxAge: "1h" },
    { idleTimeout: "2h", absoluteTimeout: Number.MAX_SAFE_INTEGER },
  ]) {
    assert.throws(() => session.persist(lifetime as "30d"), OptionError, String(lifetime));
  }
  assert.deepEqual(session.commit(), []);
});

test("a message on a socket can't give a session another lifetime", async () => {
  const { sessions } = setUp();
  const ann = await login(sessions, "ann");
  const live = sessions.follow(await ann.open());
  const changing = live.use((session) => session.persist("30d"));
  await assert.rejects(changing, (error) => error instanceof CoatcheckError && error.code === "COATCHECK_DETACHED");
  live.stop();
});

test("a sealed cookie has room for the session and its lifetime", async () => {
  const sessions = createSessions<Data>({ store: sealedCookie(), secret: SECRET });
  const browser = new Browser<Data>(sessions);
  const cookies = await browser.request((session) => {
    session.set("a", "x".repeat(2_830));
    session.persist("300d");
  });
  assert.ok(cookies[0]!.length <= 4096, String(cookies[0]!.length));
  assert.equal((await browser.contents()).a, "x".repeat(2_830));
});
