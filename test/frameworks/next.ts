// Next.js: the example, the adapters' suite, and what is special about Server Components, Server Actions and the proxy.

import assert from "node:assert/strict";
import { renameSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Browser } from "../adapters/browser.ts";
import { adapterSuite } from "../adapters/suite.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";
import { chromiumTests } from "./chromium.ts";
import { FormBrowser } from "./form-browser.ts";
import { placeSuite, startExample } from "./install.ts";
import { exampleTests } from "./shop.ts";

const SESSION_SECRET = "a secret for the tests of examples";
const example = exampleTests("next", (folder) => {
  placeSuite(folder, "lib/suite-app.ts");
  renameSync(join(folder, "proxy.ts"), join(folder, "shop-proxy.ts"));
  renameSync(join(folder, "suite-proxy.ts"), join(folder, "proxy.ts"));
});
chromiumTests("next", example.folder);
let redis: RedisServer;
before(async () => {
  redis = await startRedis();
});
after(() => redis.stop());

for (const store of ["memory", "redis"]) {
  adapterSuite(`next with ${store}`, async () => {
    const app = await startExample(example.folder(), {
      SESSION_SECRET,
      ...(store === "redis" && { REDIS_URL: redis.url }),
    });
    return { url: `${app.url}/suite`, close: () => app.stop() };
  });
}

describe("what is special about Next.js", () => {
  let app: Awaited<ReturnType<typeof startExample>>;
  before(async () => {
    app = await startExample(example.folder(), { SESSION_SECRET, REDIS_URL: redis.url });
  });
  after(() => app.stop());

  /** A browser with a session in which n is 1, at the page with the actions. */
  async function begun(): Promise<FormBrowser> {
    const browser = new FormBrowser(app.url);
    await browser.open("/mind/acts");
    await browser.submit({ "data-form": "stay" });
    assert.equal(browser.page.text("data-n"), "1");
    return browser;
  }

  /** What a browser with this cookie finds. */
  async function found(cookie: string | undefined): Promise<string | undefined> {
    const response = await new Browser(app.url, cookie).get("/suite/n");
    return response.text();
  }

  describe("Server Components", () => {
    test("the layout, the page and its metadata share one read", async () => {
      const { page } = await begun();
      assert.match(page.html, /<title>known</);
      const again = await fetch(`${app.url}/suite/calls`).then((response) => response.text());
      const browser = await begun();
      const calls = Number(await fetch(`${app.url}/suite/calls`).then((response) => response.text())) - Number(again);
      assert.equal(browser.page.text("data-n"), "1");
      assert.ok(calls <= 3, `${calls} calls for a create and two renders`);
    });

    test("a write is refused, with the way out in the message", async () => {
      const { page } = await begun();
      assert.match(page.text("data-write")!, /readonly/);
    });

    test("an anonymous render makes no store call and sets no cookie", async () => {
      const calls = async () => (await fetch(`${app.url}/suite/calls`)).text();
      const before = await calls();
      const { setCookies } = await new Browser(app.url).get("/mind/acts");
      assert.deepEqual(setCookies, []);
      assert.equal(await calls(), before);
    });

    test("a render extends the session's life in the store, without a cookie, and one that polls does not", async () => {
      for (const [path, isAlive] of Object.entries({ "/mind/short": true, "/mind/short?poll": false })) {
        const browser = new Browser(app.url);
        await browser.get("/mind/begin");
        for (let i = 0; i < 5; i++) {
          await sleep(500);
          assert.deepEqual((await browser.get(path)).setCookies, []);
        }
        assert.equal(/data-list="">1</.test(await browser.text(path)), isAlive, path);
      }
    });

    test("a change of what a render has read is reported after the response", async () => {
      const browser = new Browser(app.url);
      await browser.get("/mind/begin");
      await browser.text("/mind/short?late");
      await sleep(50);
      assert.equal(await browser.text("/mind/begin"), '["list"]');
    });

    test("a private cache reads the session, and so does a component beside it", async () => {
      const browser = new Browser(app.url);
      await browser.get("/suite/login");
      const page = await browser.text("/mind/cached");
      assert.match(page, /data-user="">ann</);
      assert.match(page, /data-plain="">ann</);
      assert.doesNotMatch(await new Browser(app.url).text("/mind/cached"), /ann/);
    });

    test("a value of another cookie that looks like the session's is none", async () => {
      const browser = new Browser(app.url);
      await browser.get("/suite/login");
      const injected = `theme=${encodeURIComponent(`dark; ${browser.cookie}`)}`;
      assert.doesNotMatch(await new Browser(app.url, injected).text("/mind/cached"), /ann/);
    });

    test("of two cookies of one name the one with a session counts, as everywhere", async () => {
      const browser = new Browser(app.url);
      await browser.get("/suite/login");
      const headers = { cookie: `${browser.cookie}; sid=${"A".repeat(40)}` };
      assert.match(await (await fetch(`${app.url}/mind/cached`, { headers })).text(), /data-plain="">ann</);
    });
  });

  describe("Server Actions", () => {
    test("the page that the action's response shows sees what the action wrote", async () => {
      const browser = await begun();
      for (const way of ["stay", "stay-unmarked", "cookie"]) await browser.submit({ "data-form": way });
      assert.equal(browser.page.text("data-n"), "4");
    });

    test("a helper that reads the session sees what the action wrote", async () => {
      const browser = await begun();
      await browser.submit({ "data-form": "sees" });
      assert.equal(browser.page.text("data-n"), "20");
    });

    test("a regenerated ticket is what the same response's page is rendered with", async () => {
      const browser = await begun();
      const { cookie } = browser;
      const id = browser.page.text("data-id");
      await browser.submit({ "data-form": "promote" });
      assert.equal(browser.page.text("data-owner"), "ann");
      assert.notEqual(browser.page.text("data-id"), id);
      assert.notEqual(browser.cookie, cookie);
      assert.equal(await found(browser.cookie), "2");
      assert.equal(await found(cookie), "undefined");
    });

    test("a session that the action ends is gone from the same response's page", async () => {
      const browser = await begun();
      const { cookie } = browser;
      await browser.submit({ "data-form": "destroy" });
      assert.equal(browser.page.text("data-n"), "undefined");
      assert.equal(browser.cookie, undefined);
      assert.equal(await found(cookie), "undefined");
    });

    // Where a form is sent without a script, Next answers each of them but the redirect with 404.
    for (const [way, status] of Object.entries({
      redirect: 200,
      "not-found": 404,
      forbidden: 404,
      unauthorized: 404,
    })) {
      test(`${way} leaves by an error, and the action is committed`, async () => {
        const browser = await begun();
        await browser.submit({ "data-form": way });
        assert.equal(browser.page.status, status);
        assert.equal(await found(browser.cookie), "2");
      });
    }

    test("what a failed action wrote is dropped, and its exclusive session is free", async () => {
      const browser = await begun();
      await browser.submit({ "data-form": "throw" });
      assert.equal(browser.page.status, 500);
      assert.equal(await found(browser.cookie), "1");
      await new Browser(app.url, browser.cookie).get("/suite/exclusive-add");
      assert.equal(await found(browser.cookie), "2");
    });

    for (const way of ["unstorable", "promote-and-throw"]) {
      test(`${way}: the regenerated ticket reaches the browser although the action fails`, async () => {
        const browser = await begun();
        const { cookie } = browser;
        await browser.submit({ "data-form": way });
        assert.equal(browser.page.status, 500);
        assert.notEqual(browser.cookie, cookie);
        assert.equal(await found(cookie), "undefined");
        assert.match((await found(browser.cookie))!, /^[12]$/);
      });
    }

    test("two sessions in one action", async () => {
      const browser = await begun();
      await browser.submit({ "data-form": "both" });
      assert.equal(browser.page.text("data-user"), "ann");
      assert.equal(browser.page.text("data-admin"), "root");
    });

    test("modes", async () => {
      const browser = await begun();
      await browser.submit({ "data-form": "never" });
      assert.equal(browser.page.status, 500);
      await browser.open("/mind/acts");
      assert.equal(browser.page.text("data-n"), "1");
      await browser.submit({ "data-form": "none" });
      assert.equal(browser.page.url.search, "?session=undefined");
    });

    describe("called by a script", () => {
      async function call(browser: FormBrowser, way: string): Promise<Response> {
        const { page } = browser;
        const bound = page.withAttribute("name").find(({ value }) => value?.includes('"id"'));
        const { id } = JSON.parse(bound!.value!) as { id: string };
        return fetch(page.url, {
          method: "POST",
          headers: { cookie: browser.cookie!, "next-action": id, origin: page.url.origin, accept: "text/x-component" },
          body: JSON.stringify([way]),
        });
      }
      const cookieOf = (response: Response) => response.headers.getSetCookie()[0]?.split(";")[0];

      test("a redirect brings the target's page, which sees the new ticket and what was written", async () => {
        const browser = await begun();
        const response = await call(browser, "redirect");
        assert.match(response.headers.get("x-action-redirect") ?? "", /^\/mind\/acts;/);
        const text = await response.text();
        assert.match(text, /"data-n":"","children":"2"/);
        assert.equal(await found(cookieOf(response)), "2");
        assert.equal(await found(browser.cookie), "undefined");
      });

      test("a redirect after a logout brings a page without a session", async () => {
        const browser = await begun();
        const response = await call(browser, "destroy-redirect");
        assert.match(response.headers.getSetCookie()[0]!, /^sid=;.*Max-Age=0/i);
        assert.match(await response.text(), /"data-n":"","children":"undefined"/);
      });

      test("an action that stays brings the page as it is now", async () => {
        const browser = await begun();
        const response = await call(browser, "stay");
        assert.match(await response.text(), /"data-n":"","children":"2"/);
      });

      test("a failed action drops what it wrote", async () => {
        const browser = await begun();
        const response = await call(browser, "throw");
        assert.equal(response.status, 500);
        assert.doesNotMatch(await response.text(), /on purpose/);
        assert.equal(await found(browser.cookie), "1");
      });
    });
  });

  describe("Route Handlers", () => {
    const answers = { redirect: 307, permanent: 308, "not-found": 404, forbidden: 403, unauthorized: 401 };
    for (const [by, status] of Object.entries(answers)) {
      test(`${by} leaves by an error, and the session is committed with the application's cookies`, async () => {
        const browser = new Browser(app.url);
        const response = await browser.get(`/mind/leave?by=${by}`);
        assert.equal(response.status, status);
        assert.deepEqual(response.setCookies.map((one) => one.split("=")[0]).sort(), ["sid", "theme"]);
        if (by === "redirect") assert.equal(response.headers.get("location"), "/mind/acts?to=a;b;c");
        assert.equal(response.headers.get("cache-control"), "no-store");
        assert.equal(await browser.text("/suite/n"), "1");
      });
    }

    test("session() in a handler is the session that is open there", async () => {
      assert.deepEqual(await (await fetch(`${app.url}/mind/leave?by=seen`)).json(), { sees: 1 });
    });

    test("an error of its own is Next's", async () => {
      const browser = new Browser(app.url);
      await browser.get("/mind/leave?by=seen");
      assert.equal((await browser.get("/mind/leave?by=throw")).status, 500);
      assert.equal(await browser.text("/suite/n"), "1");
    });
  });

  describe("the proxy", () => {
    test("what it writes is there for the page after it, under a new ticket too", async () => {
      const browser = new Browser(app.url);
      const begun = await browser.get("/mind/proxied?proxy=write");
      assert.match(await begun.text(), /data-n="">1</);
      assert.equal(begun.setCookies.length, 1);
      const { cookie } = browser;
      const promoted = await browser.get("/mind/proxied?proxy=promote");
      assert.match(await promoted.text(), /data-n="">1</);
      assert.notEqual(browser.cookie, cookie);
      assert.equal(await found(cookie), "undefined");
      const destroyed = await browser.get("/mind/proxied?proxy=destroy");
      assert.match(await destroyed.text(), /data-n="">undefined</);
      for (const cookie of destroyed.setCookies) assert.match(cookie, /^sid=;.*Expires=Thu, 01 Jan 1970/);
    });

    test("its redirect is committed first", async () => {
      const browser = new Browser(app.url);
      const response = await browser.get("/mind/proxied?proxy=redirect");
      assert.equal(response.status, 307);
      assert.match(await browser.text("/mind/proxied"), /data-n="">50</);
    });

    test("the application's cookies and headers stay", async () => {
      const response = await new Browser(app.url).get("/mind/proxied?proxy=cookie");
      assert.deepEqual(response.setCookies.map((one) => one.split("=")[0]).sort(), ["sid", "theme"]);
      assert.equal(response.headers.get("x-request-id"), "7");
      assert.match(await response.text(), /data-n="">60</);
    });

    test("a failed commit is answered, and nothing goes on", async () => {
      const response = await new Browser(app.url).get("/mind/proxied?proxy=fail");
      assert.equal(response.status, 500);
      assert.equal(response.headers.get("x-middleware-next"), null);
      assert.doesNotMatch(await response.text(), /data-n/);
    });

    test("mode none opens no session", async () => {
      assert.deepEqual((await new Browser(app.url).get("/mind/proxied")).setCookies, []);
    });
  });
});
