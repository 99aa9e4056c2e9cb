// Tests of renewAfter: a long-lived session gets another ticket in passing, and the former one dies.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createSessions, header, OptionError, type Sessions } from "../../src/index.ts";
import { sealedCookie } from "../../src/stores/sealed-cookie/index.ts";
import { Browser } from "../support/browser.ts";
import { farms, servers as openFarm, silentCaches } from "../support/farms.ts";
import { isAlive } from "../support/login.ts";
import { clock, type Data, named, setUp } from "../support/set-up.ts";
import { OTHER_SECRET, SECRET, watched } from "../support/stores.ts";

const DAY = 86_400_000;
const GRACE = 30_000;
const LONG = { renewAfter: "7d", idleTimeout: "90d", absoluteTimeout: "365d" } as const;

/** A browser whose ticket is more than seven days old. */
async function aged(tick: (ms: number) => void, ...sessions: Sessions<Data>[]): Promise<Browser<Data>> {
  const browser = new Browser<Data>(...sessions);
  await browser.request((session) => session.set("n", 1));
  tick(8 * DAY);
  return browser;
}

const read = (session: { get(key: string): unknown }) => session.get("n");

/** Without the cookies by which a cache is kept up. */
function ticketOf({ cookie }: Browser<Data>): string | undefined {
  return /(?:^|; )__Host-sid=([^;]*)/.exec(cookie ?? "")?.[1];
}

function withCookie(sessions: Sessions<Data>, cookie: string | undefined): Browser<Data> {
  const browser = new Browser<Data>(sessions);
  browser.cookie = cookie;
  return browser;
}

for (const [name, farm] of Object.entries({ ...farms, "caches of a database that announces nothing": silentCaches })) {
  describe(`on ${name}`, () => {
    test("a mere read renews an old ticket; the former one works until the new one has come, and 30 s more", async (t) => {
      const tick = clock(t);
      const servers = openFarm(farm, LONG);
      const browser = await aged(tick, ...servers);
      const { cookie: former } = browser;
      const { id } = await browser.open();
      assert.equal((await browser.request(read)).length, 1);
      assert.notEqual(browser.cookie, former);
      // The response may be lost: the former ticket is good for as long as the new one was not seen.
      tick(DAY);
      assert.equal(await isAlive(withCookie(servers[1]!, former)), true);
      assert.deepEqual(await browser.request(read), []);
      tick(GRACE - 1000);
      for (const server of servers) assert.equal(await isAlive(withCookie(server, former)), true);
      const late = withCookie(servers[2]!, former);
      await late.request((session) => session.set("late", true));
      // Whoever still comes with the former one gets the new one again, and not a third.
      assert.equal(ticketOf(late), ticketOf(browser));
      tick(2000);
      for (const server of servers) {
        const dead = await server.open(former);
        assert.deepEqual([dead.isNew, dead.get("n")], [true, undefined]);
      }
      const session = await browser.open();
      assert.deepEqual([session.id, session.get("n"), session.get("late")], [id, 1, true]);
    });

    test("parallel requests on several servers get one new ticket, and none of their changes is lost", async (t) => {
      const tick = clock(t);
      const servers = openFarm(farm, LONG);
      const browser = await aged(tick, ...servers);
      for (const round of [1, 2]) {
        const all = await Promise.all(Array.from({ length: 12 }, () => browser.open()));
        for (const [i, session] of all.entries()) if (i % 2 === 0) session.set(`${round}-${i}`, i);
        const cookies = (await Promise.all(all.map((session) => session.commit()))).flat();
        const tickets = cookies.filter((text) => text.includes("sid=") && !text.includes("Max-Age=0"));
        // In the second round they bring it, and the session notes it.
        assert.equal(new Set(tickets).size, round === 1 ? 1 : 0);
        browser.keep(cookies);
      }
      tick(2 * GRACE);
      assert.equal(Object.keys(await browser.contents()).length, 13);
    });

    test("what a request under way with the former ticket changes is kept, however long it runs", async (t) => {
      const tick = clock(t);
      const [server] = openFarm(farm, LONG, 1);
      const browser = await aged(tick, server!);
      const running = await browser.open();
      await browser.request(read);
      await browser.request(read);
      tick(2 * GRACE);
      running.set("late", true);
      await running.commit();
      assert.equal((await browser.contents()).late, true);
    });

    test("regenerate ends all tickets at once, and its own is renewed seven days later", async (t) => {
      const tick = clock(t);
      const [server] = openFarm(farm, LONG, 1);
      const browser = await aged(tick, server!);
      const { cookie: first } = browser;
      await browser.request(read);
      const { cookie: second } = browser;
      await browser.request((session) => session.regenerate());
      assert.equal(ticketOf(browser)!.length, 40);
      for (const cookie of [first, second]) assert.equal(await isAlive(withCookie(server!, cookie)), false);
      tick(6 * DAY);
      assert.deepEqual(await browser.request(read), []);
      tick(2 * DAY);
      assert.equal((await browser.request(read)).length, 1);
      assert.deepEqual(await browser.request(read), []);
      assert.equal(await isAlive(browser), true);
    });
  });
}

test("the age of a ticket counts from the last regenerate", async (t) => {
  const tick = clock(t);
  const { sessions, browser } = setUp(LONG);
  await browser.request((session) => session.set("n", 1));
  tick(6 * DAY);
  await browser.request((session) => session.regenerate());
  tick(6 * DAY);
  assert.deepEqual(await browser.request(read), []);
  tick(2 * DAY);
  assert.equal((await browser.request(read)).length, 1);
  assert.equal(await sessions.count(), 1);
});

test("a lock that a request with the former ticket hands over does not hide the new one", async (t) => {
  const tick = clock(t);
  const { sessions } = setUp(LONG);
  const browser = await aged(tick, sessions);
  const { cookie: former } = browser;
  await browser.request(read);
  const holding = await sessions.open(former, { mode: "exclusive" });
  const waiting = sessions.open(browser.cookie, { mode: "exclusive" });
  await new Promise(setImmediate);
  holding.set("n", 2);
  await holding.commit();
  await (await waiting).commit();
  tick(GRACE + 1000);
  assert.equal(await isAlive(withCookie(sessions, former)), false);
  assert.equal(await isAlive(browser), true);
});

test("only the ticket before the present one has a grace", async (t) => {
  const tick = clock(t);
  const { sessions } = setUp(LONG);
  const browser = await aged(tick, sessions);
  const { cookie: oldest } = browser;
  for (let renewal = 1; renewal <= 2; renewal++) {
    await browser.request(read);
    await browser.request(read);
    if (renewal === 1) tick(8 * DAY);
  }
  assert.equal(await isAlive(browser), true);
  assert.equal(await isAlive(withCookie(sessions, oldest)), false);
});

test("in every mode; a poll that does not extend the session renews nothing", async (t) => {
  const tick = clock(t);
  for (const mode of ["merge", "exclusive", "readonly"] as const) {
    const { sessions } = setUp(LONG);
    const browser = await aged(tick, sessions);
    const { cookie: former } = browser;
    const poll = await sessions.open(browser.cookie, { extend: false });
    assert.deepEqual(await poll.commit(), []);
    assert.equal((await browser.request(read, mode)).length, 1, mode);
    assert.deepEqual(await browser.request(read, mode), []);
    tick(GRACE + 1000);
    assert.equal(await isAlive(withCookie(sessions, former)), false, mode);
    // A dead ticket holds no lock.
    const dead = await sessions.open(former, { mode: "exclusive" });
    assert.equal(dead.isNew, true);
    const own = await browser.open("exclusive");
    assert.equal(own.get("n"), 1);
    await own.commit();
  }
});

test("a logout ends the session under each of its tickets", async (t) => {
  const tick = clock(t);
  const { sessions } = setUp(LONG);
  const browser = await aged(tick, sessions);
  const { cookie: former } = browser;
  await browser.request(read);
  await withCookie(sessions, former).request((session) => session.destroy());
  assert.equal(await isAlive(browser), false);
});

test("the next ticket can't be made from an earlier one: each change of its text is a forgery", async (t) => {
  const tick = clock(t);
  const { sessions, events } = setUp(LONG);
  const browser = await aged(tick, sessions);
  await browser.request(read);
  const [name, ticket] = browser.cookie!.split("=") as [string, string];
  assert.match(ticket, /^[\w-]{44}$/);
  for (let i = 0; i < ticket.length; i++) {
    const other = ticket[i] === "A" ? "B" : "A";
    assert.equal(
      await isAlive(withCookie(sessions, `${name}=${ticket.slice(0, i)}${other}${ticket.slice(i + 1)}`)),
      false,
    );
  }
  assert.equal(await isAlive(withCookie(sessions, `${name}=${ticket.slice(0, 24)}${ticket.slice(28)}`)), false);
  assert.equal(named(events, "forged").length, 45);
  assert.equal(await isAlive(browser), true);
});

test("with encryption by ticket, in a header, and across a rotation of secrets", async (t) => {
  const tick = clock(t);
  const { sessions, store } = setUp({ ...LONG, encryption: "ticket" });
  const browser = await aged(tick, sessions);
  await browser.request(read);
  const rotated = createSessions<Data>({ store, secret: [OTHER_SECRET, SECRET], encryption: "ticket", ...LONG });
  const later = withCookie(rotated, browser.cookie);
  assert.deepEqual(await later.contents(), { n: 1 });
  await later.request(read);
  tick(8 * DAY);
  assert.equal((await later.request((session) => session.set("n", 2))).length, 1);
  assert.deepEqual(await later.contents(), { n: 2 });

  const native = createSessions<Data>({ secret: SECRET, transport: header("x-session"), ...LONG });
  const source = (ticket?: string) => ({ headers: { "x-session": ticket ?? "new" } }) as never;
  const opened = await native.openMaybeSync(source());
  opened.set("n", 1);
  await opened.commit();
  const first = opened.ticketHeader!.value!;
  tick(8 * DAY);
  const again = await native.openMaybeSync(source(first));
  assert.equal(again.get("n"), 1);
  await again.commit();
  const second = again.ticketHeader!.value!;
  assert.notEqual(second, first);
  assert.equal((await native.openMaybeSync(source(second))).get("n"), 1);
});

test("a store that refuses writes serves the session, and notes the ticket later", async (t) => {
  const tick = clock(t);
  const { sessions, store } = setUp(LONG);
  const browser = await aged(tick, sessions);
  const { cookie: former } = browser;
  await browser.request(read);
  store.before = (operation) => {
    if (operation === "update") throw new Error("read only");
  };
  await assert.rejects(() => browser.request(read));
  store.before = undefined;
  assert.deepEqual(await browser.request(read), []);
  tick(GRACE + 1000);
  assert.equal(await isAlive(withCookie(sessions, former)), false);
});

test("without the option no ticket is renewed, and the option is checked", async (t) => {
  const tick = clock(t);
  const { sessions } = setUp({ idleTimeout: "90d", absoluteTimeout: "365d" }, watched());
  const browser = await aged(tick, sessions);
  assert.deepEqual(await browser.request(read), []);
  assert.throws(() => createSessions({ renewAfter: "never" as "7d" }), OptionError);
  assert.throws(() => createSessions({ store: sealedCookie(), secret: SECRET, renewAfter: "7d" }), OptionError);
});

test("one response carries one ticket, though the second of its commits comes when the ticket has become old", async (t) => {
  const tick = clock(t);
  const { sessions } = setUp(LONG);
  const session = await sessions.open(undefined);
  session.set("n", 1);
  const cookies = await session.commit();
  assert.equal(cookies.length, 1);
  tick(8 * DAY);
  assert.deepEqual(await session.commit(), cookies);
});
