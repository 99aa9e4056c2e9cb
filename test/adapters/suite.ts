// The behaviour that every adapter has. It talks over HTTP to an application that serves the route of suite-app.ts.
//
// The application has the users' sessions under the framework's usual name, with the options of `suiteOptions`, and those
// of the administration under the name `admin`. What the route returns, the framework sends in its usual way. An
// application in another process answers `calls` with the number of calls that the users' store has had.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Browser } from "./browser.ts";

export interface SuiteApp {
  /** What stands before the paths of the route. */
  url: string;
  /** Default: what the application answers to `calls`. */
  calls?: () => number;
  close(): Promise<void>;
}

/** What a framework does in another way, and why. */
export interface SuiteExceptions {
  /** Why it does not send a 304 whose handler sets headers. */
  notModified?: string;
  /** Why headers that are set for every response do not stay in that of an error. */
  errorHeaders?: string;
}

export function adapterSuite(name: string, start: () => Promise<SuiteApp>, exceptions: SuiteExceptions = {}): void {
  describe(name, () => {
    let app: SuiteApp;
    before(async () => {
      app = await start();
    });
    after(() => app.close());

    const calls = async () => app.calls?.() ?? Number(await new Browser(app.url).text("/calls"));

    async function loggedIn(): Promise<Browser> {
      const browser = new Browser(app.url);
      await browser.get("/login");
      return browser;
    }

    test("anonymous reads make no store call and set no cookie", async () => {
      const before = await calls();
      for (let i = 0; i < 100; i++) {
        const answer = await new Browser(app.url).get("/anonymous");
        assert.equal(await answer.text(), "nobody");
        assert.deepEqual(answer.setCookies, []);
      }
      assert.equal(await calls(), before);
    });

    test("a redirect's target sees the writes of the redirecting request", async () => {
      const browser = new Browser(app.url);
      const answer = await browser.get("/login");
      assert.equal(answer.status, 303);
      assert.match(answer.headers.get("location") ?? "", /\/whoami$/);
      assert.equal(answer.headers.get("cache-control"), "no-store");
      assert.match(answer.setCookies[0] ?? "", /^sid=[\w-]{40}; Path=\/; HttpOnly; SameSite=Lax$/i);
      assert.equal(answer.setCookies.length, 1);
      assert.equal(await browser.text("/whoami"), "ann");
    });

    test("a read-only request makes one store call and sets no cookie", async () => {
      const browser = await loggedIn();
      const before = await calls();
      const answer = await browser.get("/whoami");
      assert.deepEqual(answer.setCookies, []);
      assert.equal(answer.headers.get("cache-control"), "private");
      assert.match(answer.headers.get("vary") ?? "", /\bcookie\b/i);
      assert.equal(await calls(), before + 1);
    });

    test("50 parallel requests that each write a different key keep 50 keys", async () => {
      const browser = await loggedIn();
      await Promise.all(Array.from({ length: 50 }, (_, i) => browser.text(`/set?key=key${i}`)));
      assert.equal(await browser.text("/keys"), "51");
    });

    test("100 parallel increments count to 100", async () => {
      const browser = await loggedIn();
      await Promise.all(Array.from({ length: 100 }, () => browser.text("/add")));
      assert.equal(await browser.text("/n"), "100");
    });

    test("a slow request that saves after a logout does not bring the session back", async () => {
      const browser = await loggedIn();
      const cookie = browser.cookie;
      const slow = new Browser(app.url, cookie);
      const answer = slow.get("/slow");
      await sleep(100);
      const logout = await browser.get("/logout");
      assert.match(logout.setCookies[0] ?? "", /^sid=;.*Max-Age=0/i);
      assert.deepEqual((await answer).setCookies, []);
      assert.equal(await new Browser(app.url, cookie).text("/whoami"), "nobody");
    });

    test("regenerate keeps the data, and the old ticket is invalid", async () => {
      const browser = await loggedIn();
      const old = browser.cookie;
      assert.equal(await browser.text("/promote"), "true");
      assert.notEqual(browser.cookie, old);
      assert.equal(await browser.text("/whoami"), "ann");
      assert.equal(await new Browser(app.url, old).text("/whoami"), "nobody");
    });

    test("a failing handler's changes are not saved", async () => {
      const browser = await loggedIn();
      assert.equal((await browser.get("/fail")).status, 500);
      assert.equal((await browser.get("/throw")).status, 500);
      assert.equal(await browser.text("/n"), "undefined");
    });

    test("a request whose answer is 404 is a good one: its changes are saved", async () => {
      const browser = await loggedIn();
      assert.equal((await browser.get("/not-found")).status, 404);
      assert.equal(await browser.text("/n"), "4");
    });

    test("a value that can't be stored gives 500 and leaves nothing behind", async () => {
      const browser = await loggedIn();
      const answer = await browser.get("/unstorable");
      assert.equal(answer.status, 500);
      assert.notEqual(answer.headers.get("etag"), '"1"');
      assert.notEqual(answer.headers.get("content-language"), "en");
      // Set for every response, whatever its body.
      if (exceptions.errorHeaders === undefined) assert.equal(answer.headers.get("x-request-id"), "7");
      assert.doesNotMatch(await answer.text(), /never seen/);
      assert.equal(await browser.text("/whoami"), "ann");
    });

    test("a regenerated ticket reaches the browser even if the commit fails afterwards", async () => {
      const browser = await loggedIn();
      const answer = await browser.get("/promote-and-fail");
      assert.equal(answer.status, 500);
      assert.equal(answer.setCookies.length, 1);
      assert.equal(await browser.text("/whoami"), "ann");
    });

    test("the application's cookies stay, and the response is not cached", async () => {
      const answer = await new Browser(app.url).get("/cookies");
      assert.equal(answer.setCookies.length, 2);
      assert.ok(answer.setCookies.some((cookie) => cookie.startsWith("theme=dark")));
      assert.ok(answer.setCookies.some((cookie) => cookie.startsWith("sid=")));
      assert.equal(answer.headers.get("cache-control"), "no-store");
    });

    test("a stream starts after the commit and arrives whole, and later writes are refused", async () => {
      const browser = new Browser(app.url);
      const answer = await browser.get("/stream");
      assert.equal(answer.setCookies.length, 1);
      const text = await answer.text();
      assert.equal(text.match(/chunk/g)?.length, 30_000);
      assert.match(text, /already committed|is committed/);
      assert.equal(await browser.text("/n"), "1");
    });

    test("HEAD sets the cookie, and has no body", async () => {
      const browser = new Browser(app.url);
      const answer = await browser.get("/add", { method: "HEAD" });
      assert.equal(answer.status, 200);
      assert.equal(answer.setCookies.length, 1);
      assert.equal(await answer.text(), "");
      assert.equal(await browser.text("/n"), "1");
    });

    test("304 sets the cookie, and has no body", { skip: exceptions.notModified ?? false }, async () => {
      const browser = new Browser(app.url);
      const answer = await browser.get("/not-modified", { headers: { "if-none-match": '"1"' } });
      assert.equal(answer.status, 304);
      assert.equal(answer.setCookies.length, 1);
      assert.equal(await answer.text(), "");
      assert.equal(await browser.text("/n"), "304");
    });

    test("a mistyped cookie makes no store call and opens no session", async () => {
      const { cookie } = await loggedIn();
      const before = await calls();
      const wrong = cookie!.slice(0, -1) + (cookie!.endsWith("A") ? "B" : "A");
      assert.equal(await new Browser(app.url, wrong).text("/whoami"), "nobody");
      assert.equal(await calls(), before);
    });

    test("a proxy in front that speaks https gets a Secure cookie", async () => {
      const browser = new Browser(app.url, undefined, { "x-forwarded-proto": "https" });
      const { setCookies } = await browser.get("/login");
      assert.match(setCookies[0] ?? "", /^__Host-sid=[\w-]{40};.*; Secure/i);
      assert.equal(await browser.text("/whoami"), "ann");
    });

    test("a route has its own mode", async () => {
      const browser = await loggedIn();
      assert.match(await browser.text("/readonly-set"), /readonly/);
      assert.equal(await browser.text("/none"), "no session");
      await Promise.all(Array.from({ length: 10 }, () => browser.text("/exclusive-add")));
      assert.equal(await browser.text("/n"), "10");
    });

    test("a page that polls does not extend the session", async () => {
      const browser = await loggedIn();
      const end = await browser.text("/poll-end");
      await sleep(20);
      assert.equal(await browser.text("/poll"), "ann");
      assert.equal(await browser.text("/poll-end"), end);
    });

    test("a client that has gone leaves the session to others", async () => {
      const browser = await loggedIn();
      const gone = new AbortController();
      const slow = browser.get("/exclusive-slow", { signal: gone.signal });
      await sleep(100);
      gone.abort();
      await assert.rejects(slow);
      assert.equal(await browser.text("/exclusive-add"), "added");
      assert.equal(await browser.text("/n"), "1");
    });

    test("two sessions stand side by side, and end one without the other", async () => {
      const browser = new Browser(app.url);
      const { setCookies } = await browser.get("/both");
      assert.deepEqual(setCookies.map((cookie) => cookie.split("=")[0]).sort(), ["admin", "sid"]);
      assert.equal(await browser.text("/who-are-both"), "ann and root");
      await browser.get("/admin-logout");
      assert.equal(await browser.text("/who-are-both"), "ann and nobody");
    });

    test("a long-lived session gets a new ticket in passing; requests under way with the old one work", async () => {
      const browser = new Browser(app.url);
      await browser.get("/both");
      const tickets = [browser.cookie];
      const slow = new Browser(app.url, browser.cookie).get("/admin-slow");
      // A session of the administration is old after a millisecond.
      while (tickets.length < 3) {
        await sleep(5);
        const answer = await browser.get("/who-are-both");
        assert.match(await answer.text(), /^ann and root/);
        if (browser.cookie === tickets.at(-1)) continue;
        assert.match(answer.setCookies.join(), /^admin=[\w-]{44};[^,]*$/);
        assert.equal(answer.headers.get("cache-control"), "no-store");
        tickets.push(browser.cookie);
      }
      // The second one has come back. What was sent with the first one is answered all the same, and so is what comes late.
      assert.equal((await slow).status, 200);
      assert.equal(await new Browser(app.url, tickets[0]).text("/who-are-both"), "ann and root, late");
      assert.equal(await browser.text("/who-are-both"), "ann and root, late");
      // The third one has come back now, so the first one is dead.
      assert.equal(await new Browser(app.url, tickets[0]).text("/who-are-both"), "ann and nobody");
    });

    test("a client without cookies has its ticket in a header", async () => {
      const client = (ticket: string) => new Browser(app.url, undefined, { "x-session": ticket });
      const begun = await client("new").get("/login");
      assert.deepEqual(begun.setCookies, []);
      assert.equal(begun.headers.get("cache-control"), "no-store");
      const ticket = begun.headers.get("x-session") ?? "";
      assert.match(ticket, /^[\w-]{40}$/);
      const read = await client(ticket).get("/whoami");
      assert.equal(await read.text(), "ann");
      assert.match(read.headers.get("vary") ?? "", /\bx-session\b/i);
      assert.equal(read.headers.get("x-session"), null);
      const promoted = (await client(ticket).get("/promote")).headers.get("x-session") ?? "";
      assert.notEqual(promoted, ticket);
      assert.equal(await client(ticket).text("/whoami"), "nobody");
      assert.equal(await client(promoted).text("/whoami"), "ann");
      assert.equal((await client(promoted).get("/logout")).headers.get("x-session"), "");
      assert.equal(await client(promoted).text("/whoami"), "nobody");
    });
  });
}
