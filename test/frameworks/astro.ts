// Astro: the example, the adapters' suite, what is special about pages that stream, and the driver of Astro's own sessions.

import assert from "node:assert/strict";
import { renameSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Browser } from "../adapters/browser.ts";
import { adapterSuite } from "../adapters/suite.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";
import { FormBrowser } from "./form-browser.ts";
import { placeSuite, startExample } from "./install.ts";
import { exampleTests } from "./shop.ts";

const example = exampleTests("astro", (folder) => {
  placeSuite(folder, "src/lib/suite-app.ts");
  const actions = join(folder, "src/actions");
  renameSync(join(actions, "index.ts"), join(actions, "shop.ts"));
  renameSync(join(actions, "mind.ts"), join(actions, "index.ts"));
});
let redis: RedisServer;
before(async () => {
  redis = await startRedis();
});
after(() => redis.stop());

const environment = (store: string) => ({
  SESSION_SECRET: "a secret for the tests of examples",
  ...(store === "redis" && { REDIS_URL: redis.url }),
});

for (const store of ["memory", "redis"]) {
  adapterSuite(`astro with ${store}`, async () => {
    const app = await startExample(example.folder(), environment(store));
    return { url: `${app.url}/suite`, close: () => app.stop() };
  });
}

describe("what is special about Astro", () => {
  let app: Awaited<ReturnType<typeof startExample>>;
  before(async () => {
    app = await startExample(example.folder(), environment("memory"));
  });
  after(() => app.stop());

  const n = (browser: { cookie: string | undefined }) => new Browser(app.url, browser.cookie).text("/suite/n");

  /** A browser with a session in which n is 1. */
  async function begun(): Promise<Browser> {
    const browser = new Browser(app.url);
    await browser.get("/suite/add");
    return browser;
  }

  describe("pages", () => {
    test("a page writes before it is sent; its components read, and can't write", async () => {
      const browser = new Browser(app.url);
      const response = await browser.get("/mind/page?by=write");
      assert.equal(response.setCookies.length, 1);
      const text = await response.text();
      assert.match(text, /data-n>1</);
      assert.match(text, /late: 1 .*committed/);
      assert.equal(await n(browser), "1");
    });

    test("a page whose components read the session is private, also without one", async () => {
      const { headers } = await new Browser(app.url).get("/mind/page");
      assert.equal(headers.get("cache-control"), "private");
      assert.match(headers.get("vary") ?? "", /cookie/i);
    });

    test("a page that is rendered at build time has no session", async () => {
      assert.match(await new Browser(app.url).text("/mind/static"), /session: undefined/);
    });

    test("a server island has the session", async () => {
      const browser = await begun();
      const url = /\/_server-islands\/[^"']+/.exec(await browser.text("/mind/page"))![0];
      assert.match(await browser.text(url.replaceAll("&amp;", "&")), /island: 1/);
    });

    test("a redirect is committed first", async () => {
      const browser = await begun();
      const { cookie } = browser;
      assert.equal((await browser.get("/mind/page?by=promote-redirect")).status, 303);
      assert.notEqual(browser.cookie, cookie);
      assert.equal(await n(browser), "2");
    });

    for (const path of ["/mind/page?by=rewrite", "/mind/page?guard=rewrite"]) {
      test(`${path}: the page that is shown shares the session`, async () => {
        const browser = await begun();
        const response = await browser.get(path);
        assert.match(await response.text(), /rewritten/);
        assert.equal(await n(browser), "3");
      });
    }
  });

  describe("the pages for errors", () => {
    for (const [by, status, saved] of [
      ["not-found", 404, "2"],
      ["error", 500, "1"],
      ["throw", 500, "1"],
      ["unstorable", 500, "1"],
    ] as const) {
      test(`${by}: the page ${status} has the session, and n is ${saved}`, async () => {
        const browser = await begun();
        const response = await browser.get(`/mind/page?by=${by}`);
        assert.equal(response.status, status);
        const text = await response.text();
        assert.match(text, new RegExp(`data-error-page>${status}<`));
        assert.match(text, new RegExp(`data-n>${saved}<`));
        if (by === "not-found") assert.match(text, /data-said>hello</);
        assert.deepEqual(response.setCookies, []);
        assert.equal(await n(browser), saved);
      });

      test(`promote-${by}: the new ticket reaches the browser and the page ${status}`, async () => {
        const browser = await begun();
        const { cookie } = browser;
        const response = await browser.get(`/mind/page?by=promote-${by}`);
        assert.equal(response.status, status);
        assert.match(await response.text(), /data-n>[12]</);
        assert.equal(response.setCookies.length, 1);
        assert.notEqual(browser.cookie, cookie);
        assert.match(await n(browser), /^[12]$/);
      });
    }

    test("a session that has ended is gone from the page, and from the browser", async () => {
      const browser = await begun();
      const response = await browser.get("/mind/page?by=forget");
      assert.match(await response.text(), /data-n>undefined</);
      assert.equal(browser.cookie, undefined);
    });

    test("a client without cookies has its session there, too", async () => {
      const ticket = (await new Browser(app.url, undefined, { "x-session": "new" }).get("/suite/add")).headers;
      const client = new Browser(app.url, undefined, { "x-session": ticket.get("x-session")! });
      const response = await client.get("/mind/page?by=promote-not-found");
      assert.match(await response.text(), /data-n>2</);
      assert.match(response.headers.get("x-session") ?? "", /^[\w-]{40}$/);
    });

    test("a middleware function that fails saves nothing; one that redirects is committed first", async () => {
      const browser = await begun();
      assert.equal((await browser.get("/mind/page?guard=throw")).status, 500);
      assert.equal(await n(browser), "1");
      const { cookie } = browser;
      assert.equal((await browser.get("/mind/page?guard=redirect")).status, 303);
      assert.notEqual(browser.cookie, cookie);
      assert.equal(await n(browser), "2");
    });
  });

  describe("actions", () => {
    test("of a form: the page sees what the action wrote; a failed action saves nothing", async () => {
      const browser = new FormBrowser(app.url);
      await browser.open("/mind/page");
      const added = await browser.submit({ "data-form": "add" });
      assert.equal(added.text("data-error"), "none");
      assert.match(added.html, /late: 1/);
      const failed = await browser.submit({ "data-form": "fail" });
      assert.equal(failed.status, 500);
      assert.equal(failed.text("data-error"), "INTERNAL_SERVER_ERROR");
      assert.equal(await n(browser), "1");
    });

    test("of a script", async () => {
      const browser = await begun();
      const call = (name: string) =>
        browser.get(`/_actions/mind.${name}`, {
          method: "POST",
          headers: { origin: app.url },
          body: new FormData(),
        });
      assert.equal((await call("add")).status, 200);
      assert.equal((await call("fail")).status, 500);
      assert.equal(await n(browser), "2");
    });
  });

  for (const store of ["memory", "redis"]) {
    describe(`Astro's own sessions with ${store}`, () => {
      let own: Awaited<ReturnType<typeof startExample>>;
      before(async () => {
        own = await startExample(example.folder(), environment(store));
      });
      after(() => own.stop());

      const found = async (browser: Browser) => JSON.parse(await browser.text("/own/get"));

      async function signedIn(): Promise<Browser> {
        const browser = new Browser(own.url);
        await browser.get("/own/set?key=user&value=ann");
        return browser;
      }

      test("parallel requests that each set a different key keep all of them", async () => {
        const browser = await signedIn();
        await Promise.all(Array.from({ length: 20 }, (_, i) => browser.text(`/own/slow-set?key=k${i}`)));
        const { user, k0, ...rest } = await found(browser);
        assert.equal(user, "ann");
        assert.equal(k0, "http://example.com/a");
        assert.equal(Object.keys(rest).length, 19);
      });

      test("a key that one request deletes stays deleted, and what another adds stays", async () => {
        const browser = await signedIn();
        await browser.get("/own/set?key=stays");
        const slow = browser.text("/own/slow-set?key=added");
        await new Promise((resolve) => setTimeout(resolve, 50));
        await browser.get("/own/delete?key=user");
        await slow;
        assert.deepEqual(Object.keys(await found(browser)).sort(), ["added", "stays"]);
      });

      test("a slow request does not bring back a session that has ended", async () => {
        const browser = await signedIn();
        const { cookie } = browser;
        const slow = new Browser(own.url, cookie).text("/own/slow-set?key=late");
        await new Promise((resolve) => setTimeout(resolve, 50));
        await browser.get("/own/destroy");
        await slow;
        assert.deepEqual(await found(new Browser(own.url, cookie)), {});
      });

      test("regenerate keeps the data, and the old id is invalid", async () => {
        const browser = await signedIn();
        const { cookie } = browser;
        await browser.get("/own/regenerate");
        assert.notEqual(browser.cookie, cookie);
        assert.deepEqual(await found(browser), { user: "ann" });
        assert.deepEqual(await found(new Browser(own.url, cookie)), {});
      });
    });
  }
});
