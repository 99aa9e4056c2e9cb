// Tests against cross-site request forgery: what a request's headers and token decide.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CsrfError, type CsrfOptions, header, OptionError, SessionClosedError } from "../../src/index.ts";
import { Browser } from "../support/browser.ts";
import { everyStore } from "../support/every-store.ts";
import { type Data, setUp } from "../support/set-up.ts";
import { OTHER_SECRET, SECRET, watched } from "../support/stores.ts";

const HOST = "shop.example.com";
const OWN = `https://${HOST}`;

type Headers_ = Record<string, string>;

/** A POST as a browser sends it. */
function post(browser: Browser<Data>, headers: Headers_ = {}, method = "POST") {
  const cookie: Headers_ = browser.cookie === undefined ? {} : { cookie: browser.cookie };
  return new Request(`${OWN}/pay`, { method, headers: { host: HOST, ...cookie, ...headers } });
}

async function check(
  { sessions, browser }: ReturnType<typeof setUp>,
  headers: Headers_,
  options?: CsrfOptions,
  method?: string,
): Promise<"passes" | "refused"> {
  const session = await sessions.open(post(browser, headers, method));
  try {
    session.checkCsrf(options);
    return "passes";
  } catch (error) {
    assert.ok(error instanceof CsrfError, String(error));
    assert.equal(error.status, 403);
    return "refused";
  }
}

/** A user who is logged in, and the token of a page. */
async function loggedIn(options: Parameters<typeof setUp>[0] = {}) {
  const all = setUp(options);
  let token = "";
  await all.browser.request((session) => {
    session.owner = "ann";
    token = session.csrfToken();
  });
  return { ...all, token };
}

const FORM = { "content-type": "application/x-www-form-urlencoded" };
/** The headers of a request that may be an attack, without and with a token of the session. */
const REQUESTS: [what: string, headers: Headers_, without: string, withToken: string][] = [
  ["the application's own form", { ...FORM, "sec-fetch-site": "same-origin", origin: OWN }, "passes", "passes"],
  ["the application's own fetch", { "sec-fetch-site": "same-origin", origin: OWN }, "passes", "passes"],
  ["its own form without a referrer", { ...FORM, "sec-fetch-site": "same-origin", origin: "null" }, "passes", "passes"],
  ["what the user began", { "sec-fetch-site": "none" }, "passes", "passes"],
  ["a cross-site form", { ...FORM, "sec-fetch-site": "cross-site", origin: "https://evil.test" }, "refused", "refused"],
  ["a cross-site fetch", { "sec-fetch-site": "cross-site", origin: "https://evil.test" }, "refused", "refused"],
  ["a sandboxed page of another site", { "sec-fetch-site": "cross-site", origin: "null" }, "refused", "refused"],
  ["a form of a subdomain", { "sec-fetch-site": "same-site", origin: `https://blog.${HOST}` }, "refused", "refused"],
  [
    "a form of the parent domain",
    { "sec-fetch-site": "same-site", origin: "https://example.com" },
    "refused",
    "refused",
  ],
  ["what no browser sends", { "sec-fetch-site": "same-origin, cross-site", origin: OWN }, "refused", "refused"],
  ["an older browser's own form", { ...FORM, origin: OWN }, "passes", "passes"],
  ["an older browser's own form, with another case", { origin: "https://Shop.Example.com" }, "passes", "passes"],
  ["an older browser's cross-site form", { ...FORM, origin: "https://evil.test" }, "refused", "refused"],
  ["the same of a subdomain", { origin: `https://blog.${HOST}` }, "refused", "refused"],
  ["the same of a host with a similar name", { origin: `https://${HOST}.evil.test` }, "refused", "refused"],
  ["the same with the host as a user name", { origin: `https://${HOST}@evil.test` }, "refused", "refused"],
  ["the same on another port", { origin: `${OWN}:8443` }, "refused", "refused"],
  ["an older browser's form from nowhere", { ...FORM, origin: "null" }, "refused", "passes"],
  ["a browser that says nothing", FORM, "refused", "passes"],
];

describe("a request that changes something", () => {
  for (const [what, headers, without, withToken] of REQUESTS) {
    test(`${what}: ${without} without a token, ${withToken} with one`, async () => {
      const all = await loggedIn();
      assert.equal(await check(all, headers), without);
      assert.equal(await check(all, headers, { body: { _csrf: all.token } }), withToken);
    });
  }

  test("passes if it must not have effects", async () => {
    const all = await loggedIn();
    for (const method of ["GET", "HEAD", "OPTIONS"]) {
      const headers = { "sec-fetch-site": "cross-site", origin: "https://evil.test" };
      assert.equal(await check(all, headers, {}, method), "passes");
    }
    for (const method of ["PUT", "PATCH", "DELETE", "PURGE"])
      assert.equal(await check(all, FORM, {}, method), "refused");
  });

  test("passes from a page of a listed origin, and of no other", async () => {
    const all = await loggedIn();
    const origins = ["https://www.example.com"];
    const from = (origin: string) => check(all, { "sec-fetch-site": "same-site", origin }, { origins });
    assert.equal(await from("https://www.example.com"), "passes");
    assert.equal(await from("http://www.example.com"), "refused");
    assert.equal(await from("https://www.example.com.evil.test"), "refused");
  });

  test("passes behind a proxy that replaces the host and says so", async () => {
    const all = await loggedIn();
    const origin = "https://public.example.com";
    assert.equal(await check(all, { origin, "x-forwarded-host": "public.example.com, inner" }), "passes");
    assert.equal(await check(all, { origin, "x-forwarded-host": "other.example.com" }), "refused");
  });

  test("passes with its ticket in a header, which no other page can send", async () => {
    const { sessions } = setUp({ transport: header("x-session") });
    const session = await sessions.open(
      new Request(OWN, { method: "POST", headers: { "x-session": "new", "sec-fetch-site": "cross-site" } }),
    );
    session.checkCsrf();
  });

  test("passes nowhere by a token alone if its session is new", async () => {
    const { sessions, browser } = setUp();
    const session = await sessions.open(post(browser));
    assert.throws(() => session.checkCsrf({ body: { _csrf: session.csrfToken() } }), CsrfError);
  });
});

for (const [name, make] of Object.entries(everyStore)) {
  describe(`on ${name}, a token`, () => {
    test("is taken from a header, a form, JSON and a query", async () => {
      const all = await loggedIn({ store: make() });
      const { token } = all;
      assert.equal(await check(all, { "x-csrf-token": token }), "passes");
      assert.equal(await check(all, {}, { body: { _csrf: token } }), "passes");
      assert.equal(await check(all, {}, { body: new URLSearchParams({ _csrf: token }) }), "passes");
      const form = new FormData();
      form.set("_csrf", token);
      assert.equal(await check(all, {}, { body: form }), "passes");
      assert.equal(await check(all, {}, { query: { _csrf: token }, body: {} }), "passes");
      for (const body of [
        undefined,
        null,
        "",
        token,
        7,
        [token],
        { _csrf: [token] },
        { _csrf: { token } },
        { csrf: token },
      ]) {
        assert.equal(await check(all, {}, { body }), "refused", JSON.stringify(body));
      }
    });

    test("of another session is refused, and of the session as it was before a login", async () => {
      const all = await loggedIn({ store: make() });
      const other = new Browser(all.sessions);
      let foreign = "";
      await other.request((session) => {
        session.owner = "ben";
        foreign = session.csrfToken();
      });
      assert.equal(await check(all, {}, { body: { _csrf: foreign } }), "refused");
      assert.equal(await check(all, {}, { body: { _csrf: all.token } }), "passes");
      let next = "";
      await all.browser.request(async (session) => {
        await session.regenerate();
        next = session.csrfToken();
      });
      assert.equal(await check(all, {}, { body: { _csrf: all.token } }), "refused");
      assert.equal(await check(all, {}, { body: { _csrf: next } }), "passes");
    });

    test("of a page that begins a session is good for its first form", async () => {
      const { sessions, browser } = setUp({ store: make() });
      const tokens: string[] = [];
      const cookies = await browser.request((session) => tokens.push(session.csrfToken(), session.csrfToken()));
      assert.equal(cookies.length, 1);
      assert.notEqual(tokens[0], tokens[1]);
      for (const token of tokens) {
        const session = await sessions.open(post(browser));
        session.checkCsrf({ body: { _csrf: token } });
        assert.equal(session.isNew, false);
      }
      assert.deepEqual(await browser.contents(), {});
    });
  });
}

describe("a token", () => {
  test("with any character changed, cut off or added is refused", async () => {
    const all = await loggedIn();
    const { token } = all;
    const refused = async (_csrf: string) =>
      assert.equal(await check(all, {}, { body: { _csrf } }), "refused", `${_csrf} instead of ${token}`);
    for (let i = 0; i < token.length; i++) {
      await refused(token.slice(0, i) + (token[i] === "A" ? "B" : "A") + token.slice(i + 1));
      await refused(token.slice(0, i));
    }
    await refused(`${token}A`);
    await refused(` ${token}`);
    await refused(token.toUpperCase());
    await refused("A".repeat(48));
  });

  test("is good while secrets are rotated, and not under another secret or application", async () => {
    const store = watched();
    const { browser, token } = await loggedIn({ store });
    const verdict = (options: Parameters<typeof setUp>[0]) =>
      check({ ...setUp(options, store), browser }, {}, { body: { _csrf: token } });
    assert.equal(await verdict({ secret: [OTHER_SECRET, SECRET] }), "passes");
    assert.equal(await verdict({ secret: OTHER_SECRET }), "refused");
    assert.equal(await verdict({ application: "another" }), "refused");
  });

  test("costs a session that is there no write, also in mode readonly", async () => {
    const store = watched();
    const { browser } = await loggedIn({ store });
    store.calls.length = 0;
    await browser.request((session) => assert.match(session.csrfToken(), /^[\w-]{48}$/), "readonly");
    assert.deepEqual(store.calls, ["read"]);
  });

  test("needs a session that can be stored", async () => {
    const { browser } = setUp();
    const session = await browser.open("readonly");
    assert.throws(() => session.csrfToken(), SessionClosedError);
    const destroyed = await browser.open();
    destroyed.csrfToken();
    await destroyed.destroy();
    assert.deepEqual(await destroyed.commit(), []);
  });

  test("shows nothing of the ticket, and the page that has it is private", async () => {
    const { browser, sessions } = await loggedIn();
    const session = await sessions.open(browser.cookie);
    assert.equal(session.isUsed, false);
    const seen = new Set(Array.from({ length: 100 }, () => session.csrfToken()));
    assert.equal(seen.size, 100);
    assert.equal(session.isUsed, true);
  });
});

test("wrong options are refused with the fix", async () => {
  const session = await setUp().browser.open();
  assert.throws(() => session.checkCsrf({ origins: ["shop.example.com"] }), OptionError);
  assert.throws(
    () => session.checkCsrf({ origins: ["https://shop.example.com/"] }),
    /give origins as browsers send them/,
  );
  assert.throws(() => session.checkCsrf({ token: "x" } as never), /"token" of checkCsrf\(\) is unknown/);
});
