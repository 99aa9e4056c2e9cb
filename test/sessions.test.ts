import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import type { IncomingMessage } from "node:http";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  CapabilityError,
  createSessions,
  OptionError,
  type Sessions,
  type SessionsOptions,
  UnstorableValueError,
} from "../src/index.ts";
import { memory } from "../src/stores/memory.ts";
import { ticketOffice } from "../src/ticket.ts";
import { Browser } from "./support/browser.ts";
import { all, clock, type Data, key, MINUTE, named, setUp } from "./support/set-up.ts";
import { OTHER_SECRET, SECRET, watched } from "./support/stores.ts";
import { text, value } from "./support/values.ts";

const office = ticketOffice([SECRET]);

/** A user's browser with a session of their own. */
async function login(sessions: Sessions<Data>, owner: string, data: Data = {}): Promise<Browser<Data>> {
  const browser = new Browser(sessions);
  await browser.request((session) => {
    session.owner = owner;
    Object.assign(session.data, data);
  });
  return browser;
}

async function isAlive(browser: Browser<Data>): Promise<boolean> {
  return !(await browser.open("readonly")).isNew;
}

describe("any data", () => {
  test("that the documentation promises is the same in the next request, sealed or not", async () => {
    for (const encryption of ["server", "ticket", "off"] as const) {
      const { sessions } = setUp({ encryption });
      const key = text.filter((key) => !key.startsWith("\0"));
      await fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(key, value), { minLength: 1, maxLength: 6 }), async (entries) => {
          const browser = new Browser(sessions);
          await browser.request((session) => entries.forEach(([key, value]) => void session.set(key, value)));
          const session = await browser.open();
          const expected = new Map(entries);
          assert.deepEqual(new Set(session.keys()), new Set(expected.keys()));
          for (const [key, value] of expected) assert.deepStrictEqual(session.get(key), value);
          assert.deepEqual(await session.commit(), []); // reading is no change
        }),
        { numRuns: 200 },
      );
    }
  });
});

describe("garbage in the cookie", () => {
  test("opens no session, makes no store call and crashes nothing: 100,000 random and mutated cookies", async () => {
    const { sessions, store, events, browser } = setUp();
    await browser.request((session) => session.set("secret", "treasure"));
    const [name, ticket] = browser.cookie!.split("=") as [string, string];
    const foreign = Array.from({ length: 50 }, () => ticketOffice([OTHER_SECRET]).issue().text);
    store.calls.length = 0;

    const digit = fc.constantFrom(..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
    const mutated = fc
      .tuple(fc.nat(39), fc.nat(3), digit, fc.nat(3))
      .map(([at, cut, put, times]) => ticket.slice(0, at) + put.repeat(times) + ticket.slice(at + cut))
      .filter((text) => text !== ticket);
    const candidate = fc.oneof(
      { weight: 4, arbitrary: mutated },
      { weight: 2, arbitrary: fc.string({ unit: digit, minLength: 40, maxLength: 40 }) },
      { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 60 }) },
      { weight: 1, arbitrary: fc.constantFrom(...foreign) },
      {
        weight: 1,
        arbitrary: fc.constantFrom("", `"${ticket}"`, `${ticket}=`, ticket.slice(1), `${ticket},`, key(browser)),
      },
    );
    const header = fc.oneof(
      { weight: 4, arbitrary: candidate.map((text) => `${name}=${text}`) },
      { weight: 1, arbitrary: candidate.map((text) => `a=1; ${name}=${text}; ${name}=${text}`) },
      {
        weight: 1,
        arbitrary: candidate.map((text) => `x${name}=${ticket}; sid=${ticket}; b=${ticket}; ${name}=${text}`),
      },
      { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 80 }) },
    );
    let tried = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(header, { minLength: 100, maxLength: 100, size: "max" }), async (headers) => {
        for (const header of headers) {
          tried++;
          const session = await sessions.open(header, { secure: tried % 2 === 0 });
          assert.equal(session.isNew, true);
          assert.equal(session.get("secret"), undefined);
          assert.deepEqual(session.commit(), []);
        }
      }),
      { numRuns: 1_000, endOnFailure: true },
    );
    assert.equal(tried, 100_000);
    assert.deepEqual(store.calls, []);
    assert.ok(named(events, "forged").length > 50_000);
    assert.equal((await browser.open()).get("secret"), "treasure");
  });

  test("is no ticket that a write would adopt: the session gets one of its own", async () => {
    const { browser, store } = setUp();
    for (const planted of [ticketOffice([OTHER_SECRET]).issue().text, office.issue().text, "A".repeat(40)]) {
      browser.cookie = `__Host-sid=${planted}`;
      await browser.request((session) => session.set("a", 1));
      assert.ok(!browser.cookie.includes(planted));
      assert.ok(!store.rows.has(office.check(planted)?.key ?? ""));
    }
  });

  test("beside the right one does not hide it, wherever that stands", async () => {
    const { browser, sessions } = setUp();
    await browser.request((session) => session.set("a", 1));
    const right = browser.cookie!;
    const wrong = [`__Host-sid=${office.issue().text}`, "__Host-sid=x", `__Host-sid=${ticketOffice([OTHER_SECRET]).issue().text}`]; // biome-ignore format: one line
    for (const header of [
      [...wrong, right],
      [right, ...wrong],
      [wrong[0], right, wrong[1]],
    ]) {
      assert.equal((await sessions.open(header.join("; "))).get("a"), 1);
    }
  });
});

describe("many tickets in one request", () => {
  test("cost five reads at most", async () => {
    const { sessions, store, browser } = setUp();
    const dead = Array.from({ length: 100 }, () => `__Host-sid=${office.issue().text}`);
    assert.equal((await sessions.open(dead.join("; "))).isNew, true);
    assert.deepEqual(store.calls, Array(5).fill("read"));
    await browser.request((session) => session.set("a", 1));
    const forged = dead.map((cookie) => `${cookie.slice(0, -1)}${cookie.endsWith("A") ? "B" : "A"}`);
    const header = [...forged, ...dead.slice(0, 4), browser.cookie, ...dead].join("; ");
    assert.equal((await sessions.open(header)).get("a"), 1);
  });
});

describe("the request's source", () => {
  const header = async () => {
    const { browser, sessions, store } = setUp({ cookie: { secure: "auto" } });
    const session = await sessions.open(undefined, { secure: true });
    session.set("a", 1);
    browser.cookie = (await session.commit())[0]!.split(";")[0];
    return { cookie: browser.cookie!, sessions, store };
  };

  test("is a Request, an IncomingMessage or a Cookie header", async () => {
    const { cookie, sessions } = await header();
    const request = new Request("https://example.com/", { headers: { cookie } });
    assert.equal((await sessions.open(request)).get("a"), 1);
    const incoming = { headers: { cookie }, socket: { encrypted: true } } as unknown as IncomingMessage;
    assert.equal((await sessions.open(incoming)).get("a"), 1);
    assert.equal((await sessions.open(cookie, { secure: true })).get("a"), 1);
    for (const none of [
      undefined,
      null,
      "",
      new Request("https://example.com/"),
      { headers: {}, socket: null } as unknown as IncomingMessage,
    ]) {
      // biome-ignore format: a list
      assert.equal((await sessions.open(none)).isNew, true);
    }
  });

  test("tells whether it came over https, by itself or by the proxies in front", async () => {
    const { sessions } = await header();
    const names = async (source: Parameters<typeof sessions.open>[0]) => {
      const session = await sessions.open(source);
      session.set("a", 1);
      return (await session.commit())[0]!.split("=")[0];
    };
    const incoming = (proto: string | undefined, encrypted = false) =>
      ({ headers: { "x-forwarded-proto": proto }, socket: { encrypted } }) as unknown as IncomingMessage;
    const request = (url: string, proto?: string) =>
      new Request(url, { headers: proto === undefined ? {} : { "x-forwarded-proto": proto } });
    for (const secure of [
      incoming("https"),
      incoming(undefined, true),
      incoming("https, http"),
      incoming("https,http"),
      incoming("http", true),
      request("https://a/"),
      request("http://a/", "https"),
      request("http://a/", "https, http"),
    ]) {
      // biome-ignore format: a list
      assert.equal(await names(secure), "__Host-sid");
    }
    for (const plain of [
      incoming(undefined),
      incoming("http"),
      incoming("http, https"),
      incoming("httpsx"),
      request("http://a/"),
      request("http://a/", "http"),
      "",
      undefined,
    ]) {
      // biome-ignore format: a list
      assert.equal(await names(plain), "sid");
    }
  });
});

describe("an owner", () => {
  test("lists their sessions, with what is in them, and nobody else's", async () => {
    const { sessions } = setUp();
    const [one] = await Promise.all([login(sessions, "u1", { device: "phone" }), login(sessions, "u1", { device: "laptop" }), login(sessions, "u2", { device: "tv" })]); // biome-ignore format: one line
    const list = await all(sessions.list({ owner: "u1" }));
    assert.deepEqual(list.map(({ data, owner }) => [data.device, owner]).sort(), [["laptop", "u1"], ["phone", "u1"]]); // biome-ignore format: one line
    const phone = list.find(({ data }) => data.device === "phone")!;
    const session = await one.open();
    assert.equal(phone.id, session.id);
    assert.equal(phone.createdAt, session.createdAt);
    assert.equal(phone.expiresAt, session.expiresAt);
    assert.deepEqual(await all(sessions.list({ owner: "nobody" })), []);
    assert.equal((await all(sessions.list())).length, 3);
    assert.equal(await sessions.count(), 3);
  });

  test("is not readable in the store, in no field of it", async () => {
    const inner = memory();
    const seen: string[] = [];
    const sessions = createSessions<Data>({
      store: {
        ...watched(inner),
        create: (key, session) => {
          seen.push(key, session.owner!, Buffer.from(session.value).toString("latin1"));
          return inner.create(key, session);
        },
      },
      secret: SECRET,
      sweepInterval: false,
    });
    await login(sessions, "alice@example.com");
    assert.equal(seen.length, 3);
    for (const field of seen) assert.ok(!/alice|example/.test(field));
  });

  test("can be set, changed and removed, also together with other changes and by a parallel request", async () => {
    const { browser, sessions } = setUp();
    const owned = async (owner: string) => (await all(sessions.list({ owner }))).length;
    await browser.request((session) => session.set("a", 1));
    const parallel = await browser.open();
    await browser.request((session) => {
      session.owner = "u1";
    });
    parallel.set("b", 2);
    await browser.end(parallel);
    assert.equal((await browser.open()).owner, "u1");
    assert.deepEqual(await browser.contents(), { a: 1, b: 2 });
    assert.equal(await owned("u1"), 1);
    await browser.request((session) => {
      session.owner = "u2";
      session.clear();
    });
    assert.deepEqual([await owned("u1"), await owned("u2")], [0, 1]);
    assert.deepEqual(await browser.contents(), {});
    await browser.request((session) => {
      session.owner = undefined;
    });
    assert.deepEqual([await owned("u1"), await owned("u2")], [0, 0]);
    assert.equal((await browser.open()).owner, undefined);
  });

  test("of two parallel requests that set one: the last commit wins, in the session and in the list", async () => {
    const { browser, sessions } = setUp();
    await browser.request((session) => session.set("a", 1));
    const [one, two] = [await browser.open(), await browser.open()];
    one.owner = "first";
    two.owner = "second";
    await one.commit();
    await two.commit();
    assert.equal((await browser.open()).owner, "second");
    assert.equal((await all(sessions.list({ owner: "first" }))).length, 0);
    assert.equal((await all(sessions.list({ owner: "second" }))).length, 1);
  });

  test("must be a text of 1 to 1024 bytes", async () => {
    const { sessions } = setUp();
    const session = await sessions.open(undefined);
    for (const owner of ["", "x".repeat(1025), "ü".repeat(513), 5, null, {}]) {
      assert.throws(() => { session.owner = owner as string; }, UnstorableValueError); // biome-ignore format: one line
    }
    session.owner = "ü".repeat(512);
    await session.commit();
    assert.equal((await all(sessions.list({ owner: "ü".repeat(512) })))[0]!.owner, "ü".repeat(512));
  });

  test("is found under each secret after they were rotated", async () => {
    const store = watched();
    const before = setUp({}, store).sessions;
    const old = await login(before, "u1", { n: 1 });
    const after = setUp({ secret: [OTHER_SECRET, SECRET] }, store).sessions;
    await login(after, "u1", { n: 2 });
    const list = await all(after.list({ owner: "u1" }));
    assert.deepEqual(list.map(({ data }) => data.n).sort(), [1, 2]); // biome-ignore format: one line
    // A write seals anew, under the first secret, and moves to its name.
    const moved = new Browser(after);
    moved.cookie = old.cookie;
    await moved.request((session) => session.set("n", 3));
    assert.deepEqual((await all(after.list({ owner: "u1" }))).map(({ data }) => data.n).sort(), [2, 3]); // biome-ignore format: one line
    assert.equal(await after.revokeAll("u1"), 2);
    assert.equal(await isAlive(moved), false);
  });
});

describe("revoking", () => {
  test("by id ends that session, once, and says what was in it", async () => {
    const { sessions, events } = setUp();
    const [one, two] = [await login(sessions, "u1", { n: 1 }), await login(sessions, "u1")];
    const { id } = await one.open();
    assert.equal(await sessions.revoke(id), true);
    assert.equal(await sessions.revoke(id), false);
    assert.deepEqual([await isAlive(one), await isAlive(two)], [false, true]);
    assert.deepEqual(named(events, "end"), [{ id, reason: "revoked", data: { n: 1 } }]);
  });

  test("by two callers at once is done by one of them", async () => {
    const { sessions, events, store } = setUp();
    const one = await login(sessions, "u1");
    const { id } = await one.open();
    store.before = () => new Promise(setImmediate);
    const revoked = await Promise.all([sessions.revoke(id), sessions.revoke(id), sessions.revoke(id)]);
    assert.deepEqual(revoked.filter(Boolean), [true]);
    assert.equal(named(events, "end").length, 1);
  });

  test("by something that is no id asks no store", async () => {
    const { sessions, store } = setUp();
    for (const id of ["", "x", "A".repeat(25), "*", office.issue().text])
      assert.equal(await sessions.revoke(id), false);
    assert.deepEqual(store.calls, []);
    assert.equal(await sessions.revoke(office.issue().key), false);
  });

  test("all of an owner's, or all but this one, gives their number and leaves other owners alone", async () => {
    const { sessions, events } = setUp();
    const mine = await Promise.all(Array.from({ length: 5 }, () => login(sessions, "u1")));
    const other = await login(sessions, "u2");
    const me = await mine[0]!.open();
    assert.equal(await sessions.revokeOthers(me), 4);
    assert.deepEqual(await Promise.all(mine.map(isAlive)), [true, false, false, false, false]);
    assert.equal(await sessions.revokeOthers(me), 0);
    assert.equal(await sessions.revokeAll("u1"), 1);
    assert.equal(await sessions.revokeAll("u1"), 0);
    assert.equal(await sessions.revokeAll("nobody"), 0);
    assert.equal(await isAlive(other), true);
    assert.equal(named(events, "end").length, 5);
    assert.equal(await sessions.revokeOthers(await sessions.open(undefined)), 0);
  });

  test("reaches a session that is regenerated at the same time", async () => {
    for (let round = 0; round < 40; round++) {
      const { sessions, store } = setUp();
      const browsers = await Promise.all([1, 2, 3].map(() => login(sessions, "u1")));
      const running = await Promise.all(browsers.map((browser) => browser.open()));
      let calls = 0;
      store.before = () => (++calls % 7 === round % 7 ? new Promise(setImmediate) : undefined);
      await Promise.all([sessions.revokeAll("u1"), ...running.map((session) => session.regenerate())]);
      store.before = undefined;
      for (const [i, session] of running.entries()) await browsers[i]!.end(session);
      // What was regenerated before its turn came was found again; what came after was refused.
      assert.deepEqual(await Promise.all(browsers.map(isAlive)), [false, false, false], `round ${round}`);
      assert.equal(store.rows.size, 0);
    }
  });

  test('works with encryption "ticket", whose data nobody can list', async () => {
    const { sessions, events } = setUp({ encryption: "ticket" });
    const one = await login(sessions, "u1", { n: 1 });
    const [info] = await all(sessions.list({ owner: "u1" }));
    const { id, expiresAt } = await one.open();
    assert.deepEqual(info, { id, expiresAt, data: {} });
    assert.equal((await one.open()).get("n"), 1);
    assert.equal(await sessions.revokeAll("u1"), 1);
    assert.deepEqual(named(events, "end"), [{ id, reason: "revoked" }]);
    assert.deepEqual(named(events, "unreadable"), []);
    assert.equal(await isAlive(one), false);
  });

  test("needs a store that can list, and says so", async () => {
    const { list: _, claimExpired: __, ...store } = watched();
    const sessions = createSessions<Data>({ store, secret: SECRET });
    for (const call of [
      () => all(sessions.list()),
      () => sessions.revokeAll("u"),
      () => sessions.count(),
      () => sessions.sweep(),
    ]) {
      // biome-ignore format: a list
      await assert.rejects(call, CapabilityError);
    }
    await assert.rejects(sessions.revokeAll("u"), /revokeAll\(\).*list\(\)/);
    const one = await login(sessions, "u1");
    assert.equal(await sessions.revoke((await one.open()).id), true);
  });
});

describe("the server enforces", () => {
  test("the idle timeout", async (t) => {
    const tick = clock(t);
    const { browser, sessions } = setUp({ idleTimeout: "20m", cookie: { maxAge: "30d" } });
    await browser.request((session) => session.set("a", 1));
    tick(20 * MINUTE - 1);
    assert.equal((await sessions.open(browser.cookie, { mode: "readonly" })).isNew, false);
    tick(1);
    assert.equal((await browser.open()).isNew, true);
    assert.deepEqual(await all(sessions.list()), []);
  });

  test("the absolute timeout, however busy the session is, and whatever the store thinks", async (t) => {
    const tick = clock(t);
    const { browser, sessions, events } = setUp({ idleTimeout: "20m", absoluteTimeout: "1h" });
    await browser.request((session) => session.set("n", 0));
    const { id, createdAt } = await browser.open();
    for (let minutes = 0; minutes < 60; minutes += 10) {
      await browser.request((session) => {
        session.update("n", (n) => (n as number) + 1);
        assert.ok(session.expiresAt <= createdAt + 60 * MINUTE);
      });
      tick(10 * MINUTE);
    }
    assert.equal((await browser.open()).isNew, true);
    assert.deepEqual(await all(sessions.list()), []);
    assert.equal(await sessions.sweep(), 1);
    assert.deepEqual(named(events, "end"), [{ id, reason: "expired", data: { n: 6 } }]);
  });

  test("the absolute timeout on a store that extends what it reads", async (t) => {
    const tick = clock(t);
    const inner = memory();
    const { inProcess: _, ...store } = inner; // memory() extends on read
    const sessions = createSessions<Data>({ store, secret: SECRET, idleTimeout: "20m", absoluteTimeout: "1h", sweepInterval: false }); // biome-ignore format: one line
    const ends: unknown[] = [];
    sessions.on("end", (end) => ends.push(end));
    const browser = await login(sessions, "u1", { n: 1 });
    const { id } = await browser.open();
    for (let minutes = 0; minutes < 50; minutes += 10) {
      tick(10 * MINUTE);
      const session = await browser.open();
      assert.equal(session.isNew, false);
      assert.ok(session.expiresAt <= session.createdAt + 60 * MINUTE);
    }
    tick(9 * MINUTE);
    assert.equal((await browser.open()).isNew, false);
    tick(MINUTE);
    assert.deepEqual(await all(sessions.list()), []);
    assert.equal((await browser.open()).isNew, true);
    assert.deepEqual(ends, [{ id, reason: "expired", data: { n: 1 } }]);
    assert.equal(await inner.read(id), undefined);
  });

  test("the absolute timeout from the very beginning: regenerate does not begin it anew", async (t) => {
    const tick = clock(t);
    const { browser } = setUp({ idleTimeout: "20m", absoluteTimeout: "30m" });
    await browser.request((session) => session.set("a", 1));
    tick(19 * MINUTE);
    await browser.request((session) => session.regenerate());
    tick(10 * MINUTE);
    assert.equal(await isAlive(browser), true);
    tick(MINUTE);
    assert.equal(await isAlive(browser), false);
  });
});

describe("the expiry is extended", () => {
  test("by nothing while more than 90 % of the idle time is left, then by one touch, or by the write itself", async (t) => {
    const tick = clock(t);
    const { browser, store } = setUp({ idleTimeout: "20m" });
    await browser.request((session) => session.set("a", 1));
    const begun = Date.now();
    const costs = async (handler: Parameters<typeof browser.request>[0] = () => {}) => {
      store.calls.length = 0;
      assert.deepEqual(await browser.request(handler), []);
      return store.calls.join();
    };
    assert.equal(await costs(), "read");
    tick(2 * MINUTE);
    assert.equal(await costs(), "read");
    tick(1);
    assert.equal(await costs(), "read,touch");
    assert.equal((await browser.open()).expiresAt, begun + 22 * MINUTE + 1);
    assert.equal(await costs(), "read");
    tick(10 * MINUTE);
    assert.equal(await costs((session) => session.set("a", 2)), "read,update");
    assert.equal(await costs(), "read");
    tick(19 * MINUTE);
    assert.equal(await costs(), "read,touch");
    tick(19 * MINUTE);
    assert.deepEqual(await browser.contents(), { a: 2 });
  });

  test("for nothing by a store that does it while it reads", async () => {
    let reads = 0;
    const inner = memory();
    const store = {
      ...watched(inner),
      read: (key: string, touchUntil?: number) => {
        reads++;
        return inner.read(key, touchUntil);
      },
      touch: () => assert.fail("not needed"),
    };
    const sessions = createSessions<Data>({ store, secret: SECRET, sweepInterval: false, idleTimeout: 400 });
    const browser = await login(sessions, "u1");
    const before = (await browser.open()).expiresAt;
    await new Promise((resolve) => setTimeout(resolve, 60));
    await browser.request((session) => assert.ok(session.expiresAt > before));
    assert.equal(reads, 2);
  });

  test("not beyond the absolute timeout, near which no touch is sent in vain", async (t) => {
    const tick = clock(t);
    const { browser, store } = setUp({ idleTimeout: "20m", absoluteTimeout: "30m" });
    await browser.request((session) => session.set("a", 1));
    tick(15 * MINUTE);
    await browser.request(() => {}); // touched up to the end
    store.calls.length = 0;
    for (let i = 0; i < 7; i++) {
      tick(2 * MINUTE);
      await browser.request(() => {});
    }
    assert.deepEqual([...new Set(store.calls)], ["read"]);
  });
});

describe("a cookie with maxAge", () => {
  test("is sent again once a tenth of its time is over, so that a user who stays keeps it", async (t) => {
    const tick = clock(t);
    const { browser } = setUp({ idleTimeout: "30d", absoluteTimeout: "365d", cookie: { maxAge: "30d" } });
    const [first] = await browser.request((session) => session.set("a", 1));
    assert.match(first!, /Max-Age=2592000/);
    for (let visit = 0; visit < 10; visit++) {
      tick(2 * 1_440 * MINUTE);
      assert.deepEqual(await browser.request(() => {}), []);
      tick(2 * 1_440 * MINUTE);
      assert.deepEqual(await browser.request(() => {}), [first]);
      assert.deepEqual(await browser.request(() => {}), []);
    }
    // A write in between, which sends no cookie, does not count as sending one.
    tick(2 * 1_440 * MINUTE);
    assert.deepEqual(await browser.request((session) => session.set("a", 2)), []);
    tick(2 * 1_440 * MINUTE);
    assert.deepEqual(await browser.request((session) => session.set("a", 3)), [first]);
    // Also where a visitor only reads.
    tick(4 * 1_440 * MINUTE);
    assert.deepEqual(await browser.request(() => {}, "readonly"), [first]);
  });

  test("is not sent by a request whose session ended while it ran: the browser may hold a newer one", async (t) => {
    const tick = clock(t);
    for (const mode of ["merge", "readonly"] as const) {
      const { browser, sessions } = setUp({ idleTimeout: "30d", cookie: { maxAge: "30d" } });
      await browser.request((session) => session.set("a", 1));
      tick(5 * 1_440 * MINUTE);
      const slow = await browser.open(mode);
      await sessions.revoke(slow.id);
      assert.deepEqual(await slow.commit(), [], mode);
    }
  });
});

describe("sweeping", () => {
  test("removes what expired, reports each with its data, and leaves what lives", async (t) => {
    const tick = clock(t);
    const { sessions, events, store } = setUp({ idleTimeout: "20m" });
    const old = await Promise.all([1, 2, 3].map((n) => login(sessions, "u1", { n })));
    const ids = await Promise.all(old.map(async (browser) => (await browser.open()).id));
    tick(15 * MINUTE);
    const young = await login(sessions, "u2");
    tick(6 * MINUTE);
    assert.equal(await sessions.sweep(), 3);
    assert.equal(await sessions.sweep(), 0);
    assert.deepEqual(
      named(events, "end").map(({ id, reason, data }) => [id, reason, data]).sort(),
      ids.map((id, i) => [id, "expired", { n: i + 1 }]).sort(),
    ); // biome-ignore format: one line
    assert.equal(await isAlive(young), true);
    assert.ok(store.calls.includes("claimExpired"));
  });

  test("by several servers reports each session once", async (t) => {
    const tick = clock(t);
    const store = watched();
    const servers = Array.from({ length: 4 }, () => setUp({}, store));
    await Promise.all(Array.from({ length: 40 }, (_, n) => login(servers[n % 4]!.sessions, "u", { n })));
    tick(30 * MINUTE);
    const totals = await Promise.all(servers.map(({ sessions }) => sessions.sweep()));
    assert.equal(totals.reduce((sum, total) => sum + total), 40); // biome-ignore format: one line
    const ends = servers.flatMap(({ events }) => named(events, "end"));
    assert.equal(new Set(ends.map(({ id }) => id)).size, 40);
    assert.equal(ends.length, 40);
  });

  test("more than fits one batch goes on until all is removed", async (t) => {
    const tick = clock(t);
    const { sessions, store } = setUp();
    await Promise.all(Array.from({ length: 1_200 }, () => login(sessions, "u")));
    tick(30 * MINUTE);
    assert.equal(await sessions.sweep(), 1_200);
    assert.equal(store.calls.filter((call) => call === "claimExpired").length, 3);
  });

  test("goes on past a record that can't be opened", async (t) => {
    const tick = clock(t);
    const inner = memory();
    const { sessions, events } = setUp({}, watched(inner));
    await login(sessions, "u", { n: 1 });
    const stray = office.issue().key;
    await inner.create(stray, { value: new Uint8Array([1, 2, 3]), expiresAt: Date.now() + MINUTE });
    tick(30 * MINUTE);
    assert.equal(await sessions.sweep(), 2);
    assert.equal(named(events, "end").length, 2);
    assert.deepEqual(named(events, "unreadable").map(({ id }) => id), [stray]); // biome-ignore format: one line
  });

  test("goes on by itself, until the sessions are closed", async () => {
    const { sessions, store } = setUp({ sweepInterval: 10, idleTimeout: 20 });
    await login(sessions, "u");
    const end = new Promise((resolve) => sessions.on("end", resolve));
    assert.deepEqual(((await end) as { reason: string }).reason, "expired");
    let blocked = () => {};
    const sweeping = new Promise<void>((resolve) => {
      store.before = (operation) => {
        if (operation !== "claimExpired") return;
        resolve();
        return new Promise<void>((resolve) => {
          blocked = resolve;
        });
      };
    });
    await sweeping;
    const closing = sessions.close(); // while a sweep is under way
    blocked();
    await closing;
    store.calls.length = 0;
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.deepEqual(store.calls, []);
  });

  test("at an interval longer than a timer can wait does not go on without a pause", async () => {
    const { sessions, store } = setUp({ sweepInterval: "60d", storeTimeout: "60d" });
    await login(sessions, "u");
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.deepEqual(store.calls, ["create"]);
    await sessions.close();
  });
});

describe("a record that can't be read", () => {
  const faults: [string, (bytes: Uint8Array) => Uint8Array][] = [
    ["with a changed bit", (bytes) => bytes.map((byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte))],
    ["cut", (bytes) => bytes.slice(0, 20)],
    ["empty", () => new Uint8Array()],
    ["of zeros", (bytes) => new Uint8Array(bytes.length)],
    ["of somebody else", () => new TextEncoder().encode('{"user":"admin"}')],
  ];
  for (const encryption of ["server", "ticket", "off"] as const) {
    for (const [name, spoil] of faults) {
      if (encryption === "off" && name === "with a changed bit") continue; // may be another value; nobody can tell
      test(`${name} (${encryption}) is reported, counts as absent, and is not overwritten`, async () => {
        const inner = memory();
        const { browser, sessions, events } = setUp({ encryption }, watched(inner));
        await browser.request((session) => session.set("a", 1));
        const id = key(browser);
        const stored = (await inner.read(id))!;
        await inner.update(id, { ...stored, value: spoil(stored.value) }, stored.version);
        const old = browser.cookie;
        const session = await browser.open();
        assert.equal(session.isNew, true);
        assert.deepEqual(session.keys(), []);
        assert.deepEqual(named(events, "unreadable").map((event) => event.id), [id]); // biome-ignore format: one line
        session.set("b", 2);
        await browser.end(session);
        assert.notEqual(browser.cookie, old);
        assert.deepEqual(await browser.contents(), { b: 2 });
        assert.equal((await all(sessions.list())).length, 2);
        assert.equal(await sessions.revoke(id), true);
      });
    }
  }

  test("because it was moved here from another session is refused", async () => {
    const inner = memory();
    const { sessions, events } = setUp({}, watched(inner));
    const [victim, thief] = [await login(sessions, "victim", { card: "4111" }), await login(sessions, "thief")];
    const [from, to] = [(await inner.read(key(victim)))!, (await inner.read(key(thief)))!];
    await inner.update(key(thief), from, to.version);
    const session = await thief.open();
    assert.equal(session.isNew, true);
    assert.equal(session.get("card"), undefined);
    assert.equal(named(events, "unreadable").length, 1);
  });

  test("because it is not sealed is refused, however well-formed it is", async () => {
    const inner = memory();
    const off = setUp({ encryption: "off" }, watched(inner));
    await off.browser.request((session) => session.set("admin", true));
    for (const encryption of ["server", "ticket"] as const) {
      const { browser, events } = setUp({ encryption }, watched(inner));
      browser.cookie = off.browser.cookie;
      assert.equal((await browser.open()).get("admin"), undefined);
      assert.equal(named(events, "unreadable").length, 1);
    }
  });

  test("while a request writes it ends that request's session: nothing is written over it", async () => {
    const inner = memory();
    const { browser, events } = setUp({}, watched(inner));
    await browser.request((session) => session.set("a", 1));
    const slow = await browser.open();
    slow.set("a", 2);
    const stored = (await inner.read(key(browser)))!;
    await inner.update(key(browser), { ...stored, value: new Uint8Array([9]) }, stored.version);
    assert.deepEqual(await browser.end(slow), []);
    assert.equal(named(events, "gone").length, 1);
    assert.deepEqual([...(await inner.read(key(browser)))!.value], [9]);
  });

  test("or a single value of it: that key counts as unset, is reported with its name, and can be written", async () => {
    const inner = memory();
    const { browser, events, sessions } = setUp({ encryption: "off", initial: { cart: ["initial"] } }, watched(inner));
    await browser.request((session) => Object.assign(session.data, { cart: ["a"], n: 5, good: 1 }));
    const stored = (await inner.read(key(browser)))!;
    const spoiled = Buffer.from(stored.value).toString("latin1").replace('["a"]', '["a"?').replace("51", "?1");
    await inner.update(key(browser), { ...stored, value: Buffer.from(spoiled, "latin1") }, stored.version);

    const reading = await browser.open();
    assert.deepEqual(reading.data.cart, ["initial"]);
    assert.equal(reading.get("n"), undefined);
    assert.equal(reading.get("good"), 1);
    assert.deepEqual(await reading.commit(), []);
    assert.deepEqual(new Set(named(events, "unreadable").map((event) => event.key)), new Set(["cart", "n"]));
    assert.deepEqual((await all(sessions.list()))[0]!.data, { good: 1 });

    await browser.request((session) => session.set("good", 2)); // leaves the others as they are
    assert.ok(Buffer.from((await inner.read(key(browser)))!.value).includes('["a"?'));

    await browser.request((session) => {
      (session.data.cart as string[]).push("more");
      session.update("n", (n) => ((n as number) ?? 0) + 1);
    });
    assert.deepEqual(await browser.contents(), { cart: ["initial", "more"], n: 1, good: 2 });
  });
});

describe("secrets", () => {
  const refused = (options: SessionsOptions<Data>, ...parts: (string | RegExp)[]) =>
    assert.throws(
      () => createSessions<Data>({ sweepInterval: false, ...options }),
      (error: unknown) => {
        assert.ok(error instanceof OptionError, String(error));
        for (const part of parts) assert.match(error.message, typeof part === "string" ? new RegExp(part) : part);
        return true;
      },
    );

  test("are needed by a shared store: the error gives the command that makes one, and it works", async () => {
    refused({ store: watched() }, '"secret"', /node -e "/);
    assert.throws(
      () => createSessions({ store: watched() }),
      (error: unknown) => {
        const code = /node -e "(.*)"/.exec((error as Error).message)![1]!;
        const made = execFileSync(process.execPath, ["-e", code], { encoding: "utf8" }).trim();
        createSessions({ store: watched(), secret: made });
        return true;
      },
    );
  });

  test("under 32 characters, empty lists and other types are refused, without being printed", () => {
    for (const secret of ["", "x".repeat(31), [], [SECRET, "short secret"], 5, { a: 1 }, [5]]) {
      refused({ store: watched(), secret: secret as string }, '"secret"', "node -e");
    }
    assert.throws(
      () => createSessions({ secret: "tell-nobody" }),
      (error: unknown) => error instanceof OptionError && !error.message.includes("tell-nobody") && error.message.includes("11"), // biome-ignore format: one line
    );
    createSessions({ store: watched(), secret: "x".repeat(32) });
  });

  test("may be left out with the store of this process; then each process has its own, and says so", async () => {
    const warned = new Promise<Error & { code?: string }>((resolve) => process.once("warning", resolve));
    const store = memory();
    const [one, two] = [createSessions<Data>({ store }), createSessions<Data>({ store })];
    assert.equal((await warned).code, "COATCHECK_RANDOM_SECRET");
    const browser = await login(one, "u1", { a: 1 });
    assert.equal(await isAlive(browser), true);
    assert.equal((await two.open(browser.cookie)).isNew, true);
  });

  test("rotate: old tickets and records open, and are sealed anew by the next write", async () => {
    const store = watched();
    const { browser } = setUp({}, store);
    await browser.request((session) => session.set("a", 1));
    const rotated = new Browser(setUp({ secret: [OTHER_SECRET, SECRET] }, store).sessions);
    rotated.cookie = browser.cookie;
    await rotated.request((session) => session.set("b", 2));
    assert.deepEqual(await rotated.contents(), { a: 1, b: 2 });
    // The record is under the new secret now; regenerate brings the ticket there too.
    const old = setUp({}, store);
    old.browser.cookie = browser.cookie;
    assert.equal((await old.browser.open()).isNew, true);
    assert.equal(named(old.events, "unreadable").length, 1);
    await rotated.request((session) => session.regenerate());
    const fresh = new Browser(setUp({ secret: OTHER_SECRET }, store).sessions);
    fresh.cookie = rotated.cookie;
    assert.deepEqual(await fresh.contents(), { a: 1, b: 2 });
  });
});

describe("options", () => {
  const wrong: [SessionsOptions<Data>, ...string[]][] = [
    [{ idleTimeout: "20 minutes" as "20m" }, '"idleTimeout"', '"20 minutes"', '"20m"'],
    [{ idleTimeout: 0 }, '"idleTimeout"', "0"],
    [{ absoluteTimeout: Number.NaN }, '"absoluteTimeout"', "NaN"],
    [{ idleTimeout: "2h", absoluteTimeout: "1h" }, '"idleTimeout"', '"2h"', "absoluteTimeout (1h)"],
    [{ idleTimeout: "60d" }, '"idleTimeout"', "absoluteTimeout (30d)"],
    [{ storeTimeout: -1 }, '"storeTimeout"', "-1"],
    [{ sweepInterval: "x" as "1s" }, '"sweepInterval"', '"x"'],
    [{ maxSize: 0 }, '"maxSize"', "0"],
    [{ maxSize: 1.5 }, '"maxSize"', "1.5"],
    [{ mode: "write" as "merge" }, '"mode"', '"write"', '"merge"'],
    [{ encryption: "aes" as "server" }, '"encryption"', '"aes"', '"server"'],
    [{ onStoreError: "ignore" as "fail" }, '"onStoreError"', '"ignore"', '"anonymous"'],
    [{ merge: { cart: "concat" } as never }, '"merge.cart"', '"concat"', '"append"'],
    [{ initial: { socket: () => {} } }, '"initial.socket"', "a function"],
    [{ initial: { deep: { when: [new (class Money {})()] } } }, '"initial.deep"', "Money"],
    [{ cookie: { name: "a b" } }, '"cookie.name"', '"a b"'],
  ];
  for (const [options, ...parts] of wrong) {
    test(`${Object.keys(options)} ${parts[1] ?? ""} is refused by an error that names option, value and fix`, () => {
      assert.throws(
        () => createSessions<Data>({ secret: SECRET, ...options }),
        (error: unknown) => {
          assert.ok(error instanceof OptionError, String(error));
          for (const part of parts) assert.ok(error.message.includes(part), `${error.message} lacks ${part}`);
          return true;
        },
      );
    });
  }

  test("of open: a mode that there is not is refused, not taken for another", async () => {
    const { sessions } = setUp();
    await assert.rejects(sessions.open(undefined, { mode: "write" as "merge" }), /"mode" is "write"/);
  });
});

describe("events", () => {
  test("reach listeners until they are removed", async () => {
    const { sessions } = setUp();
    const seen: string[] = [];
    const stop = sessions.on("start", ({ id }) => seen.push(id));
    const browser = await login(sessions, "u1");
    assert.deepEqual(seen, [key(browser)]);
    stop();
    await login(sessions, "u1");
    assert.equal(seen.length, 1);
  });

  test("disturb no request where a listener throws, at once or later: the error becomes a warning", async () => {
    const { sessions } = setUp();
    const warnings: string[] = [];
    const onWarning = (warning: Error) => warnings.push(warning.message);
    process.on("warning", onWarning);
    sessions.on("start", () => {
      throw new Error("a listener's error");
    });
    sessions.on("start", async () => {
      throw new Error("an asynchronous listener's error");
    });
    const browser = await login(sessions, "u1", { a: 1 });
    await new Promise((resolve) => setTimeout(resolve, 10));
    process.off("warning", onWarning);
    assert.deepEqual(await browser.contents(), { a: 1 });
    assert.deepEqual(warnings, ["a listener's error", "an asynchronous listener's error"]);
  });

  test("tell of a session's life in order, each thing once", async () => {
    const { browser, events } = setUp();
    await browser.request((session) => session.set("a", 1));
    const first = key(browser);
    await browser.request(() => {});
    await browser.request((session) => session.set("a", 2));
    await browser.request((session) => session.regenerate());
    const second = key(browser);
    await browser.request((session) => session.destroy());
    assert.deepEqual(events, [
      ["start", { id: first }],
      ["end", { id: first, reason: "replaced", data: { a: 2 } }],
      ["start", { id: second }],
      ["end", { id: second, reason: "destroyed", data: { a: 2 } }],
    ]);
  });
});

describe("close", () => {
  test("waits for what is being stored: changes, new sessions, ends", async () => {
    const { browser, sessions, store } = setUp();
    await browser.request((session) => session.set("a", 1));
    const changing = await browser.open();
    changing.set("a", 2);
    const other = await login(sessions, "u");
    const ending = await other.open();
    const beginning = await sessions.open(undefined);
    beginning.set("b", 1);
    const order: string[] = [];
    store.before = () => new Promise((resolve) => setTimeout(resolve, 20));
    store.after = (operation) => void order.push(operation);
    const close = store.close;
    store.close = async () => {
      order.push("close");
      await close();
    };
    const work = [changing.commit(), beginning.commit(), ending.destroy()];
    await sessions.close();
    assert.deepEqual(order.slice(0, 3).sort(), ["create", "delete", "update"]);
    assert.deepEqual(order.slice(3), ["close"]);
    await Promise.all(work);
  });
});
