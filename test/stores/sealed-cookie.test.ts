import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createSessions, type SessionsOptions } from "../../src/index.ts";
import { sealedCookie } from "../../src/stores/sealed-cookie.ts";
import { Browser } from "../support/browser.ts";
import { clock, type Data, MINUTE } from "../support/set-up.ts";
import { OTHER_SECRET, SECRET } from "../support/stores.ts";

function setUp(options: SessionsOptions<Data> = {}) {
  const sessions = createSessions<Data>({ store: sealedCookie(), secret: SECRET, ...options });
  const events: [string, object][] = [];
  for (const name of ["start", "end", "forged", "unreadable", "gone"] as const) {
    sessions.on(name, (event) => events.push([name, event]));
  }
  return { sessions, events, browser: new Browser(sessions) };
}

describe("a session in a sealed cookie", () => {
  test("goes with its browser to any server that has the secret", async () => {
    const { browser } = setUp();
    const other = new Browser(setUp().sessions);
    await browser.request((session) => session.set("n", 1));
    other.cookie = browser.cookie;
    await other.request((session) => session.set("m", { deep: [new Date(0)] }));
    assert.deepEqual(await other.contents(), { n: 1, m: { deep: [new Date(0)] } });
  });

  test("is what it was at any instant", async (t) => {
    const tick = clock(t);
    const { browser } = setUp();
    for (let n = 0; n < 500; n++) {
      tick(1);
      await browser.request((session) => session.set("n", n));
      assert.deepEqual(await browser.contents(), { n });
    }
  });

  test("is not readable, and not changed by who carries it", async () => {
    const { browser, events } = setUp();
    await browser.request((session) => session.set("secret", "xyzzy"));
    const cookie = browser.cookie!;
    assert.doesNotMatch(Buffer.from(cookie.split("=")[1]!, "base64url").toString("latin1"), /xyzzy/);
    const value = cookie.indexOf("=") + 1;
    for (let at = value; at < cookie.length; at++) {
      browser.cookie = cookie.slice(0, at) + (cookie[at] === "A" ? "B" : "A") + cookie.slice(at + 1);
      const contents = await browser.contents();
      // The last character may have bits that mean nothing.
      if (at < cookie.length - 1) assert.deepEqual(contents, {}, `character ${at - value}`);
    }
    for (const length of [0, 1, 39, 40, 41, 80]) {
      browser.cookie = cookie.slice(0, value + length);
      assert.deepEqual(await browser.contents(), {});
    }
    assert.ok(events.some(([name]) => name === "forged") && events.some(([name]) => name === "unreadable"));
  });

  test("of one browser is not opened by another one's ticket", async () => {
    const { browser, sessions } = setUp();
    const other = new Browser(sessions);
    await browser.request((session) => session.set("user", "ann"));
    await other.request((session) => session.set("user", "bob"));
    const [name, mine] = browser.cookie!.split("=") as [string, string];
    const theirs = other.cookie!.split("=")[1]!;
    browser.cookie = `${name}=${mine.slice(0, 40)}${theirs.slice(40)}`;
    assert.deepEqual(await browser.contents(), {});
  });

  test("costs no cookie unless it changes", async () => {
    const { browser } = setUp();
    assert.deepEqual(await browser.request((session) => session.get("n")), []);
    assert.equal((await browser.request((session) => session.set("n", 1))).length, 1);
    assert.deepEqual(await browser.request((session) => session.get("n")), []);
    assert.deepEqual(await browser.request((session) => session.set("n", 1)), []);
  });

  test("expires when it is idle, and goes on when it is used", async (t) => {
    const tick = clock(t);
    const { browser } = setUp({ idleTimeout: "20m", absoluteTimeout: "1h" });
    await browser.request((session) => session.set("n", 1));
    const old = browser.cookie;
    for (let i = 0; i < 3; i++) {
      tick(15 * MINUTE);
      assert.equal((await browser.request((session) => session.get("n"))).length, 1);
    }
    assert.deepEqual(await browser.contents(), { n: 1 });
    const current = browser.cookie;
    browser.cookie = old;
    assert.deepEqual(await browser.contents(), {});
    browser.cookie = current;
    tick(16 * MINUTE);
    assert.deepEqual(await browser.contents(), {}, "its absolute timeout is over");
  });

  test("is regenerated, destroyed, and begun anew", async () => {
    const { browser, events } = setUp();
    await browser.request((session) => session.set("n", 1));
    const old = browser.cookie!;
    await browser.request(async (session) => {
      assert.equal(await session.regenerate(), true);
      session.set("user", "ann");
    });
    assert.notEqual(browser.cookie!.slice(0, 40), old.slice(0, 40));
    assert.deepEqual(await browser.contents(), { n: 1, user: "ann" });
    await browser.request(async (session) => {
      await session.destroy();
      session.flash("notice", "bye");
    });
    await browser.request((session) => assert.equal(session.flash("notice"), "bye"));
    await browser.request((session) => session.destroy());
    assert.equal(browser.cookie, undefined);
    assert.deepEqual(
      events.map(([name]) => name),
      ["start", "end", "start", "end", "start", "end"],
    );
  });

  test("opens under a former secret, and is sealed under the new one", async () => {
    const { browser } = setUp();
    await browser.request((session) => session.set("n", 1));
    const rotated = new Browser(setUp({ secret: [OTHER_SECRET, SECRET] }).sessions);
    rotated.cookie = browser.cookie;
    await rotated.request(async (session) => {
      session.set("m", 2);
      await session.regenerate();
    });
    const later = new Browser(setUp({ secret: OTHER_SECRET }).sessions);
    later.cookie = rotated.cookie;
    assert.deepEqual(await later.contents(), { n: 1, m: 2 });
  });

  test("that does not fit into a cookie is refused, and the one before stays", async () => {
    const { browser } = setUp();
    await browser.request((session) => session.set("n", "x".repeat(2_700)));
    assert.ok(browser.cookie!.length <= 4096, String(browser.cookie!.length));
    await assert.rejects(
      browser.request((session) => session.set("m", "y".repeat(300))),
      { code: "COATCHECK_TOO_LARGE" },
    );
    assert.deepEqual(Object.keys(await browser.contents()), ["n"]);
  });
});

describe("what a session in a cookie can't have is refused", () => {
  test("by name and value", async () => {
    assert.throws(() => setUp({ encryption: "off" }), { code: "COATCHECK_OPTION", message: /"encryption" is "off"/ });
    assert.throws(() => setUp({ maxSize: 5_000 }), { code: "COATCHECK_OPTION", message: /"maxSize" is 5000/ });
    assert.throws(() => setUp({ mode: "exclusive" }), { code: "COATCHECK_OPTION", message: /"mode" is "exclusive"/ });
    assert.throws(() => createSessions({ store: sealedCookie() }), { code: "COATCHECK_OPTION", message: /"secret"/ });
    const { sessions, browser } = setUp();
    await assert.rejects(browser.open("exclusive"), { code: "COATCHECK_OPTION" });
    await browser.request((session) => session.set("n", 1));
    await assert.rejects(sessions.revoke((await browser.open()).id), { code: "COATCHECK_CAPABILITY" });
    await assert.rejects(sessions.count(), { code: "COATCHECK_CAPABILITY" });
    await sessions.close();
  });
});
