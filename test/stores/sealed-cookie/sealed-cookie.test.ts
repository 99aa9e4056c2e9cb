// Sessions in a sealed cookie.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { createSessions, type SessionsOptions, SessionTooLargeError } from "../../../src/index.ts";
import { sealedCookie } from "../../../src/stores/sealed-cookie/index.ts";
import { Browser } from "../../support/browser.ts";
import fc, { runs } from "../../support/random.ts";
import { clock, type Data, MINUTE } from "../../support/set-up.ts";
import { OTHER_SECRET, SECRET } from "../../support/stores.ts";

function setUp(options: SessionsOptions<Data> = {}) {
  const sessions = createSessions<Data>({ store: sealedCookie(), secret: SECRET, ...options });
  const events: [string, object][] = [];
  for (const name of ["start", "end", "forged", "unreadable", "gone"] as const) {
    sessions.on(name, (event) => events.push([name, event]));
  }
  return { sessions, events, browser: new Browser(sessions) };
}

describe("a session in a sealed cookie", () => {
  test("is opened by any server that has the secret", async () => {
    const { browser } = setUp();
    const other = new Browser(setUp().sessions);
    await browser.request((session) => session.set("n", 1));
    other.cookie = browser.cookie;
    await other.request((session) => session.set("m", { deep: [new Date(0)] }));
    assert.deepEqual(await other.contents(), { n: 1, m: { deep: [new Date(0)] } });
  });

  test("is read back as it was written, at any millisecond", async (t) => {
    const tick = clock(t);
    const { browser } = setUp();
    for (let n = 0; n < 500; n++) {
      tick(1);
      await browser.request((session) => session.set("n", n));
      assert.deepEqual(await browser.contents(), { n });
    }
  });

  test("can be neither read nor changed by the browser", async () => {
    const { browser, events } = setUp();
    await browser.request((session) => session.set("secret", "xyzzy"));
    const cookie = browser.cookie!;
    assert.doesNotMatch(Buffer.from(cookie.split("=")[1]!, "base64url").toString("latin1"), /xyzzy/);
    const value = cookie.indexOf("=") + 1;
    for (let at = value; at < cookie.length; at++) {
      browser.cookie = cookie.slice(0, at) + (cookie[at] === "A" ? "B" : "A") + cookie.slice(at + 1);
      const contents = await browser.contents();
      // The last character may have unused bits.
      if (at < cookie.length - 1) assert.deepEqual(contents, {}, `character ${at - value}`);
    }
    for (const length of [0, 1, 39, 40, 41, 80]) {
      browser.cookie = cookie.slice(0, value + length);
      assert.deepEqual(await browser.contents(), {});
    }
    assert.ok(events.some(([name]) => name === "forged") && events.some(([name]) => name === "unreadable"));
  });

  test("is not opened by the ticket of another browser", async () => {
    const { browser, sessions } = setUp();
    const other = new Browser(sessions);
    await browser.request((session) => session.set("user", "ann"));
    await other.request((session) => session.set("user", "bob"));
    const [name, mine] = browser.cookie!.split("=") as [string, string];
    const theirs = other.cookie!.split("=")[1]!;
    browser.cookie = `${name}=${mine.slice(0, 40)}${theirs.slice(40)}`;
    assert.deepEqual(await browser.contents(), {});
  });

  test("sets no cookie unless it changes", async () => {
    const { browser } = setUp();
    assert.deepEqual(await browser.request((session) => session.get("n")), []);
    assert.equal((await browser.request((session) => session.set("n", 1))).length, 1);
    assert.deepEqual(await browser.request((session) => session.get("n")), []);
    assert.deepEqual(await browser.request((session) => session.set("n", 1)), []);
  });

  test("expires when it is idle, and is extended when it is used", async (t) => {
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
    assert.deepEqual(await browser.contents(), {}, "its absolute timeout has passed");
  });

  test("can be regenerated, destroyed, and begun again", async () => {
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

  test("is opened with a former secret, and sealed with the new one", async () => {
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

  test("is refused if it does not fit into a cookie, and the former cookie stays", async () => {
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

describe("a sealed cookie, as its page says,", () => {
  test("is still opened as a copy after a logout, until it expires", async (t) => {
    const tick = clock(t);
    const { browser, sessions } = setUp({ idleTimeout: "20m" });
    await browser.request((session) => session.set("user", "ann"));
    const thief = new Browser(sessions);
    thief.cookie = browser.cookie;
    await browser.request((session) => session.destroy());
    assert.equal(browser.cookie, undefined);
    assert.deepEqual(await thief.contents(), { user: "ann" });
    tick(20 * MINUTE);
    assert.deepEqual(await thief.contents(), {});
  });

  test("is put back by a request that ends after the logout", async () => {
    const { browser } = setUp();
    await browser.request((session) => session.set("user", "ann"));
    const slow = await browser.open();
    slow.set("n", 1);
    await browser.request((session) => session.destroy());
    await browser.end(slow);
    assert.deepEqual(await browser.contents(), { user: "ann", n: 1 });
  });

  test("that was planted before a login shows nothing of what came after it", async () => {
    const { browser, sessions } = setUp();
    const attacker = new Browser(sessions);
    await attacker.request((session) => session.set("planted", true));
    browser.cookie = attacker.cookie;
    await browser.request(async (session) => {
      session.owner = "ann";
      await session.regenerate();
      session.set("card", "4111");
    });
    assert.deepEqual(await browser.contents(), { planted: true, card: "4111" });
    assert.deepEqual(await attacker.contents(), { planted: true });
    assert.equal((await attacker.open()).owner, undefined);
  });
});

/** Texts whose compressed size has nothing to do with their length. */
const filler = fc.constantFrom(
  (length: number) => "x".repeat(length),
  (length: number) => randomBytes(length).toString("base64").slice(0, length),
  (length: number) => Array.from({ length }, (_, i) => (i * i * 31) % 10).join(""),
);

describe("what is committed fits the browser and is read back", () => {
  const cookie = fc.record(
    {
      name: fc.oneof(fc.nat(130), fc.nat(1_000), fc.nat(4_056)).map((length) => `n${"a".repeat(length)}`),
      path: fc.nat(300).map((length) => `/${"p".repeat(length)}`),
      domain: fc.nat(200).map((length) => `${"d".repeat(length + 1)}.example`),
      sameSite: fc.constantFrom("Lax" as const, "Strict" as const),
      secure: fc.constantFrom(true, false, "auto" as const),
      maxAge: fc.constantFrom("1m", "30d"),
    },
    { requiredKeys: [] },
  );
  const compress = fc.constantFrom(undefined, true, ...(["zstd", "brotli", "gzip"] as const).map((algorithm) => ({ algorithm, threshold: 0 }))); // biome-ignore format: one line
  const encryption = fc.constantFrom("server" as const, "ticket" as const);
  const owner = fc.constantFrom(undefined, "ann", "o".repeat(400));

  test("at any size, with any name and attributes of the cookie, compressed or not", async () => {
    const counts = { stored: 0, refused: 0, noRoom: 0 };
    await fc.assert(
      fc.asyncProperty(cookie, compress, encryption, owner, filler, fc.array(fc.nat(3_200), { minLength: 1, maxLength: 4 }), async (cookie, compress, encryption, owner, fill, lengths) => {
        const options = { cookie, compress, encryption, secret: SECRET } as SessionsOptions<Data>;
        let servers: ReturnType<typeof setUp>[];
        try {
          servers = [setUp(options), setUp(options)];
        } catch (error) {
          assert.match(String(error), /option "cookie"|cookie\.name/);
          counts.noRoom++;
          return;
        }
        const browser = new Browser(...servers.map(({ sessions }) => sessions));
        let kept: Data = {};
        for (const length of lengths) {
          const text = fill(length);
          try {
            const setCookies = await browser.request((session) => {
              session.set("text", text);
              session.owner = owner;
            });
            counts.stored++;
            kept = { text };
            for (const setCookie of setCookies) {
              assert.ok(Buffer.byteLength(setCookie) <= 4096, `${Buffer.byteLength(setCookie)} bytes`);
            }
          } catch (error) {
            assert.ok(error instanceof SessionTooLargeError, String(error));
            counts.refused++;
          }
          assert.deepEqual(await browser.contents(), kept);
        }
      }), // biome-ignore format: the arguments stay in one line
      { numRuns: runs(400) },
    );
    assert.ok(Math.min(counts.stored, counts.refused, counts.noRoom) > 3, JSON.stringify(counts));
  });

  test("at every size around the limit, which the usual cookie has at 2,900 bytes", async () => {
    for (const compress of [undefined, true] as const) {
      const { browser } = setUp({ compress: compress ?? false });
      let kept = "";
      for (let length = 2_780; length < 2_920; length++) {
        const text = randomBytes(length).toString("base64").slice(0, length);
        try {
          const [setCookie] = await browser.request((session) => session.set("text", text));
          assert.ok(setCookie!.length <= 4096);
          kept = text;
        } catch (error) {
          assert.ok(error instanceof SessionTooLargeError);
        }
        assert.equal((await browser.contents()).text, kept);
      }
      // A record has some 30 bytes beside the names and the values.
      assert.ok(kept.length > 2_840 && kept.length < 2_900, String(kept.length));
    }
  });

  test("or the options are refused, as no room is left", () => {
    const refused = (cookie: object, more: object = {}) =>
      assert.throws(() => setUp({ cookie, ...more }), { code: "COATCHECK_OPTION" });
    refused({ name: "n".repeat(3_900) });
    refused({ path: `/${"p".repeat(3_900)}` });
    refused({ domain: `${"d".repeat(3_900)}.example` });
    refused({ name: "n".repeat(300) }, { maxSize: 2_900 });
    setUp({ cookie: { name: "n".repeat(300) }, maxSize: 2_000 });
  });
});

describe("a sealed cookie refuses what needs a server-side store", () => {
  test("by name and value", async () => {
    assert.throws(() => setUp({ encryption: "off" }), { code: "COATCHECK_OPTION", message: /"encryption" is "off"/ });
    assert.throws(() => setUp({ maxSize: 5_000 }), { code: "COATCHECK_OPTION", message: /"maxSize" is 5000/ });
    assert.throws(() => setUp({ mode: "exclusive" }), { code: "COATCHECK_OPTION", message: /"mode" is "exclusive"/ });
    assert.throws(() => createSessions({ store: sealedCookie() }), { code: "COATCHECK_OPTION", message: /"secret"/ });
    const { sessions, browser } = setUp();
    await assert.rejects(browser.open("exclusive"), { code: "COATCHECK_OPTION" });
    await browser.request((session) => session.set("n", 1));
    await assert.rejects(sessions.revoke((await browser.open()).id), {
      code: "COATCHECK_CAPABILITY",
      message: /sessions\.revoke\(\) needs .* sealedCookie\(\) keeps sessions only in the browser/,
    });
    await assert.rejects(sessions.count(), { code: "COATCHECK_CAPABILITY" });
    await sessions.close();
  });
});
