// Tests of opening a session: any data, invalid cookies, many tickets, and unreadable records.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ticketSigner } from "../../src/cookies/ticket.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { Browser } from "../support/browser.ts";
import { login } from "../support/login.ts";
import fc, { runs } from "../support/random.ts";
import { all, key, named, setUp } from "../support/set-up.ts";
import { OTHER_SECRET, SECRET, watched } from "../support/stores.ts";
import { text, value } from "../support/values.ts";

const signer = ticketSigner([SECRET]);

describe("any data", () => {
  test("of the documented types is the same in the next request, with every encryption", async () => {
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
        { numRuns: runs(200) },
      );
    }
  });
});

describe("an invalid cookie", () => {
  test("opens no session and makes no store call: 100,000 random and mutated cookies", async () => {
    const { sessions, store, events, browser } = setUp();
    await browser.request((session) => session.set("secret", "treasure"));
    const [name, ticket] = browser.cookie!.split("=") as [string, string];
    const underOtherSecret = Array.from({ length: 50 }, () => ticketSigner([OTHER_SECRET]).issue().text);
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
      { weight: 1, arbitrary: fc.constantFrom(...underOtherSecret) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          "",
          `"${ticket}`,
          `""${ticket}""`,
          `${ticket}=`,
          ticket.slice(1),
          `${ticket},`,
          key(browser),
        ),
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
      { numRuns: runs(1_000), endOnFailure: true },
    );
    assert.equal(tried, 100_000);
    assert.deepEqual(store.calls, []);
    assert.ok(named(events, "forged").length > 50_000);
    assert.equal((await browser.open()).get("secret"), "treasure");
  });

  test("is not adopted by a write: the session gets its own ticket", async () => {
    const { browser, store } = setUp();
    for (const planted of [ticketSigner([OTHER_SECRET]).issue().text, signer.issue().text, "A".repeat(40)]) {
      browser.cookie = `__Host-sid=${planted}`;
      await browser.request((session) => session.set("a", 1));
      assert.ok(!browser.cookie.includes(planted));
      assert.ok(!store.rows.has(signer.verify(planted)?.key ?? ""));
    }
  });

  test("does not hide a valid one beside it, at any position", async () => {
    const { browser, sessions } = setUp();
    await browser.request((session) => session.set("a", 1));
    const right = browser.cookie!;
    const wrong = [`__Host-sid=${signer.issue().text}`, "__Host-sid=x", `__Host-sid=${ticketSigner([OTHER_SECRET]).issue().text}`]; // biome-ignore format: one line
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
    const ended = Array.from({ length: 100 }, () => `__Host-sid=${signer.issue().text}`);
    assert.equal((await sessions.open(ended.join("; "))).isNew, true);
    assert.deepEqual(store.calls, Array(5).fill("read"));
    await browser.request((session) => session.set("a", 1));
    const forged = ended.map((cookie) => `${cookie.slice(0, -1)}${cookie.endsWith("A") ? "B" : "A"}`);
    const header = [...forged, ...ended.slice(0, 4), browser.cookie, ...ended].join("; ");
    assert.equal((await sessions.open(header)).get("a"), 1);
  });
});

describe("cookies that another host of the domain has planted", () => {
  test("are reported, with the session that was opened", async () => {
    const { browser, sessions } = setUp();
    const reported: unknown[] = [];
    sessions.on("duplicateCookies", (event) => reported.push(event));
    await browser.request((session) => session.set("n", 1));
    const dead = Array.from({ length: 9 }, () => `__Host-sid=${signer.issue().text}`);
    const found = await sessions.open([dead[0], browser.cookie].join("; "), { secure: true });
    assert.equal(found.isNew, false);
    const hidden = await sessions.open([...dead, browser.cookie].join("; "), { secure: true });
    assert.equal(hidden.isNew, true);
    assert.deepEqual(reported, [{ count: 2, id: found.id }, { count: 10 }]);
  });
});

describe("a record that can't be read", () => {
  const faults: [string, (bytes: Uint8Array) => Uint8Array][] = [
    ["with a changed bit", (bytes) => bytes.map((byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte))],
    ["truncated", (bytes) => bytes.slice(0, 20)],
    ["empty", () => new Uint8Array()],
    ["of zeros", (bytes) => new Uint8Array(bytes.length)],
    ["of another format", () => new TextEncoder().encode('{"user":"admin"}')],
  ];
  for (const encryption of ["server", "ticket", "off"] as const) {
    for (const [name, spoil] of faults) {
      if (encryption === "off" && name === "with a changed bit") continue; // it may be another valid value
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

  test("because it was moved from another session is refused", async () => {
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

  test("because it is not sealed is refused, even if it is well-formed", async () => {
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

  test("ends the session of a request that is under way, and is not overwritten", async () => {
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

  test("in one value counts as unset for that key, is reported with its name, and can be written", async () => {
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

test("a cookie without a value, as some clients send one that was removed, is no forgery", async () => {
  const { sessions, events } = setUp();
  assert.equal((await sessions.open("__Host-sid=")).isNew, true);
  assert.deepEqual(named(events, "forged"), []);
});
