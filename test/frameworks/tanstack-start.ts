// TanStack Start: the example, the adapters' suite, and what is special about server functions.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Browser } from "../adapters/browser.ts";
import { adapterSuite } from "../adapters/suite.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";
import { FormBrowser } from "./form-browser.ts";
import { placeSuite, startExample } from "./install.ts";
import { exampleTests } from "./shop.ts";

const SESSION_SECRET = "a secret for the tests of examples";
const example = exampleTests("tanstack-start", (folder) => placeSuite(folder, "src/suite-app.ts"));
let redis: RedisServer;
before(async () => {
  redis = await startRedis();
});
after(() => redis.stop());

for (const store of ["memory", "redis"]) {
  adapterSuite(`tanstack-start with ${store}`, async () => {
    const env = { SESSION_SECRET, ...(store === "redis" && { REDIS_URL: redis.url }) };
    const app = await startExample(example.folder(), env);
    return { url: `${app.url}/suite`, close: () => app.stop() };
  });
}

describe("what is special about TanStack Start", () => {
  let app: Awaited<ReturnType<typeof startExample>>;
  before(async () => {
    app = await startExample(example.folder(), { SESSION_SECRET, REDIS_URL: redis.url });
  });
  after(() => app.stop());

  /** A browser with a session in which n is 1. */
  async function begun(): Promise<FormBrowser> {
    const browser = new FormBrowser(app.url);
    await browser.open("/mind/page?count=true");
    assert.equal(browser.page.text("data-n"), "1");
    return browser;
  }

  /** What a browser with this cookie finds. */
  async function found(cookie: string | undefined): Promise<string> {
    return new Browser(app.url, cookie).text("/suite/n");
  }

  test("a loader that writes on the server is committed before the page's first byte", async () => {
    const browser = new Browser(app.url);
    const { setCookies } = await browser.get("/mind/page?count=true");
    assert.equal(setCookies.length, 1);
    assert.equal(await found(browser.cookie), "1");
  });

  test("server functions of one request share one session, which getSession gives, too", async () => {
    const { page } = await begun();
    assert.equal(page.text("data-same"), "true");
    const before = Number(await new Browser(app.url).text("/suite/calls"));
    const browser = new FormBrowser(app.url);
    await browser.open("/mind/page");
    assert.equal(Number(page.text("data-calls")) <= before, true);
    assert.equal(await new Browser(app.url).text("/suite/calls"), String(before));
  });

  test("a form's redirect leads to a page that sees the new ticket and what was written", async () => {
    const browser = await begun();
    const { cookie } = browser;
    const id = browser.page.text("data-id");
    await browser.submit({ "data-form": "act" }, { by: "redirect" });
    assert.equal(browser.page.url.href, `${app.url}/mind/page?to=a%3Bb`);
    assert.equal(browser.page.text("data-n"), "2");
    assert.notEqual(browser.page.text("data-id"), id);
    assert.equal(await found(cookie), "undefined");
  });

  test("exclusive functions run one after another", async () => {
    const browser = await begun();
    await Promise.all(Array.from({ length: 10 }, () => browser.submit({ "data-form": "alone" })));
    assert.equal(await found(browser.cookie), "11");
  });

  describe("called by a script", () => {
    async function call(browser: FormBrowser, by: string): Promise<Response> {
      const { action } = browser.page.withAttribute("data-form").find((one) => one["data-form"] === "act")!;
      const body = new FormData();
      body.set("by", by);
      const { href: referer, origin } = browser.page.url;
      const headers = { cookie: browser.cookie!, "x-tsr-serverfn": "true", origin, referer };
      return fetch(new URL(action!, app.url), { method: "POST", headers, body, redirect: "manual" });
    }
    const cookieOf = (response: Response) => response.headers.getSetCookie()[0]?.split(";")[0];

    test("a redirect is the router's own, with the new ticket", async () => {
      const browser = await begun();
      const response = await call(browser, "redirect");
      const envelope = (await response.json()) as { isSerializedRedirect: boolean; href: string };
      assert.equal(envelope.isSerializedRedirect, true);
      assert.equal(envelope.href, "/mind/page?to=a%3Bb");
      assert.equal(response.headers.getSetCookie().length, 1);
      assert.equal(await found(cookieOf(response)), "2");
      assert.equal(await found(browser.cookie), "undefined");
    });

    for (const [by, status] of Object.entries({ "": 200, response: 409, "not-found": 200 })) {
      test(`${by || "a result"} is an answer, not a failure: the changes are saved`, async () => {
        const browser = await begun();
        const response = await call(browser, by);
        assert.equal(response.status, status);
        assert.equal(response.headers.get("cache-control"), "private");
        assert.equal(await found(browser.cookie), "2");
      });
    }

    test("the application's cookies stay", async () => {
      const browser = await begun();
      const response = await call(browser, "cookie");
      assert.deepEqual(response.headers.getSetCookie(), ["theme=dark; Path=/"]);
      assert.equal(await found(browser.cookie), "2");
    });

    // Start answers a function that throws with status 200.
    for (const [by, status] of Object.entries({ throw: 200, status: 503 })) {
      test(`${by} is a failure: the changes are dropped`, async () => {
        const browser = await begun();
        assert.equal((await call(browser, by)).status, status);
        assert.equal(await found(browser.cookie), "1");
      });
    }

    test("a commit that fails is an error for the caller, and the regenerated ticket reaches the browser", async () => {
      const browser = await begun();
      const response = await call(browser, "unstorable");
      assert.equal(response.status, 500);
      assert.equal(response.headers.get("x-tss-serialized"), null);
      assert.equal(await response.text(), "Internal Server Error\n");
      assert.equal(await found(cookieOf(response)), "2");
    });
  });
});
