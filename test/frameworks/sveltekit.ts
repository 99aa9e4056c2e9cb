// SvelteKit: the example, the adapters' suite, and what is special about actions, sub-requests, streams and remote functions.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Browser } from "../adapters/browser.ts";
import { adapterSuite } from "../adapters/suite.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";
import { chromiumTests } from "./chromium.ts";
import { FormBrowser } from "./form-browser.ts";
import { placeSuite, startExample } from "./install.ts";
import { exampleTests } from "./shop.ts";

const example = exampleTests("sveltekit", (folder) => placeSuite(folder, "src/lib/server/suite-app.ts"));
chromiumTests("sveltekit", example.folder);
let redis: RedisServer;
before(async () => {
  redis = await startRedis();
});
after(() => redis.stop());

for (const store of ["memory", "redis"]) {
  adapterSuite(`sveltekit with ${store}`, async () => {
    const SESSION_SECRET = "a secret for the tests of examples";
    const app = await startExample(example.folder(), {
      SESSION_SECRET,
      ...(store === "redis" && { REDIS_URL: redis.url }),
    });
    return { url: `${app.url}/suite`, close: () => app.stop() };
  });
}

describe("what is special about SvelteKit", () => {
  let app: Awaited<ReturnType<typeof startExample>>;
  before(async () => {
    app = await startExample(example.folder());
  });
  after(() => app.stop());

  const calls = async () => Number(await (await fetch(`${app.url}/suite/calls`)).text());
  const n = (browser: { cookie: string | undefined }) => new Browser(app.url, browser.cookie).text("/suite/n");

  /** A browser with a session in which n is 1, at the page with the actions. */
  async function begun(): Promise<FormBrowser> {
    const browser = new FormBrowser(app.url);
    await browser.open("/mind/acts");
    await browser.submit({ "data-form": "stay" });
    assert.equal(browser.page.text("data-n"), "1");
    return browser;
  }

  describe("form actions", () => {
    test("the page that the action's response shows sees what the action wrote", async () => {
      const browser = await begun();
      assert.equal((await browser.submit({ "data-form": "stay" })).text("data-n"), "2");
      assert.equal((await browser.submit({ "data-form": "redirect" })).text("data-n"), "3");
    });

    test("a regenerated ticket is there for the page after it", async () => {
      const browser = await begun();
      const { cookie } = browser;
      assert.equal((await browser.submit({ "data-form": "promote" })).text("data-n"), "1");
      assert.notEqual(browser.cookie, cookie);
    });

    test("a session that the action ends is gone from the same response's page", async () => {
      const browser = await begun();
      assert.equal((await browser.submit({ "data-form": "destroy" })).text("data-n"), "undefined");
      assert.equal(browser.cookie, undefined);
    });

    for (const [way, status, saved] of [
      ["fail", 422, "2"],
      ["forbidden", 403, "2"],
      ["error", 500, "1"],
      ["throw", 500, "1"],
      ["unstorable", 500, "1"],
    ] as const) {
      test(`${way}: status ${status}, and n is ${saved}`, async () => {
        const browser = await begun();
        const page = await browser.submit({ "data-form": way });
        assert.equal(page.status, status);
        assert.equal(await n(browser), saved);
      });

      test(`${way} by use:enhance`, async () => {
        const browser = await begun();
        const headers = {
          cookie: browser.cookie!,
          accept: "application/json",
          origin: app.url,
          "x-sveltekit-action": "true",
        };
        const body = new URLSearchParams();
        const response = await fetch(`${app.url}/mind/acts?/${way}`, { method: "POST", headers, body });
        assert.match(response.headers.get("content-type") ?? "", /^application\/json/);
        assert.doesNotMatch(await response.text(), /can't be stored/);
        assert.equal(await n(browser), saved);
      });
    }
  });

  describe("what a page fetches from its own application", () => {
    test("shares the page's session, of each kind", async () => {
      const browser = new Browser(app.url);
      const before = await calls();
      const response = await browser.get("/mind/sub");
      const text = await response.text();
      assert.match(text, /data-api="">10 and root</);
      assert.match(text, /data-n="">11</);
      assert.deepEqual(response.setCookies.map((cookie) => cookie.split("=")[0]).sort(), ["admin", "sid"]);
      assert.equal(await calls(), before + 1);
      assert.equal(await n(browser), "11");
    });

    test("a ticket that it regenerates is the page's", async () => {
      const browser = new Browser(app.url);
      await browser.get("/mind/sub");
      const { cookie } = browser;
      const response = await browser.get("/mind/sub?by=promote");
      // The other kind of session may have got a ticket of its own in passing.
      assert.equal(response.setCookies.filter((one) => one.startsWith("sid=")).length, 1);
      assert.notEqual(browser.cookie, cookie);
      assert.equal(await n(browser), "11");
    });

    test("its failure is not that of the page", async () => {
      const browser = new Browser(app.url);
      assert.equal((await browser.get("/mind/sub?by=fail")).status, 200);
      assert.equal(await n(browser), "11");
    });

    test("without credentials it has no session", async () => {
      const browser = new Browser(app.url);
      await browser.get("/mind/sub");
      assert.match(await browser.text("/mind/sub?by=omit"), /data-api="">undefined and undefined</);
    });

    test("a client without cookies has the page's session there, too", async () => {
      const begun = await new Browser(app.url, undefined, { "x-session": "new" }).get("/suite/add");
      const ticket = begun.headers.get("x-session")!;
      const client = new Browser(app.url, undefined, { "x-session": ticket });
      assert.match(await client.text("/mind/sub"), /data-api="">10 and root</);
      assert.equal(await client.text("/suite/n"), "11");
    });
  });

  describe("streamed promises", () => {
    test("read the session after the commit, and can't write", async () => {
      const browser = new Browser(app.url);
      const response = await browser.get("/mind/streams?write");
      assert.equal(response.setCookies.length, 1);
      const text = await response.text();
      assert.match(text, /waiting/);
      assert.match(text, /1: .*committed/);
      assert.equal(await browser.text("/suite/n"), "1");
    });

    test("what they fetch has the session of the page", async () => {
      const browser = new Browser(app.url);
      assert.match(await browser.text("/mind/streams?write"), /(?:fetched|1)/);
      const data = await browser.text("/mind/streams/__data.json?x-sveltekit-invalidated=01&write");
      assert.match(data, /"1"/);
    });

    test("a page that only streams the session is private", async () => {
      const { headers } = await new Browser(app.url).get("/mind/streams");
      assert.equal(headers.get("cache-control"), "private");
      assert.match(headers.get("vary") ?? "", /cookie/i);
    });
  });

  describe("another hook", () => {
    test("that redirects is committed first, and its ticket arrives", async () => {
      for (const path of ["/mind/guarded", "/mind/guarded/__data.json"]) {
        const browser = new Browser(app.url);
        await browser.get("/suite/add");
        const { cookie } = browser;
        const response = await browser.get(path);
        assert.equal(response.status, path.endsWith("json") ? 200 : 303);
        assert.notEqual(browser.cookie, cookie);
        assert.match(response.setCookies[0]!, /^sid=[\w-]{40}; Path=\/; HttpOnly; SameSite=Lax$/i);
        assert.equal(await browser.text("/suite/whoami"), "guarded");
      }
    });

    test("that fails saves nothing", async () => {
      const browser = new Browser(app.url);
      assert.equal((await browser.get("/mind/guarded?by=throw")).status, 500);
      assert.equal(await browser.text("/suite/whoami"), "nobody");
    });
  });

  describe("load functions", () => {
    for (const [by, status, saved] of [
      ["none", 200, "5"],
      ["not-found", 404, "5"],
      ["throw", 500, "1"],
      ["unstorable", 500, "1"],
    ] as const) {
      test(`${by}: a page and a data request save n as ${saved}`, async () => {
        for (const path of ["/mind/loads", "/mind/loads/__data.json"]) {
          const browser = await begun();
          const response = await new Browser(app.url, browser.cookie).get(`${path}?by=${by}`);
          const isData = path.endsWith("json");
          assert.equal(response.status, isData && by !== "unstorable" ? 200 : status);
          if (isData) assert.equal(typeof (await response.json()), "object");
          assert.equal(await n(browser), saved);
        }
      });
    }
  });

  describe("remote functions", () => {
    /** Calls a command as SvelteKit's client does. */
    async function call(browser: FormBrowser, name: string): Promise<{ type: string }> {
      const page = await browser.open("/mind/remote");
      const action = page.withAttribute("data-form")[0]!.action!;
      const hash = decodeURIComponent(action)
        .replace(/^.*remote=/, "")
        .split("/")[0];
      const response = await fetch(`${app.url}/_app/remote/${hash}/${name}`, {
        method: "POST",
        headers: {
          cookie: browser.cookie!,
          origin: app.url,
          "content-type": "application/json",
          "x-sveltekit-pathname": "/mind/remote",
        },
        body: JSON.stringify({ payload: "", refreshes: [] }),
      });
      assert.equal(response.status, 200);
      return response.json() as Promise<{ type: string }>;
    }

    test("a query reads the session while the page is rendered", async () => {
      const browser = await begun();
      assert.equal((await browser.open("/mind/remote")).text("data-n"), "1");
    });

    test("a form without JavaScript writes to it", async () => {
      const browser = await begun();
      await browser.open("/mind/remote");
      assert.equal((await browser.submit({ "data-form": "add" })).text("data-n"), "2");
    });

    for (const [name, type, saved] of [
      ["add", "result", "2"],
      ["refuse", "error", "2"],
      ["fail", "error", "1"],
    ] as const) {
      test(`the command ${name}: ${type}, and n is ${saved}`, async () => {
        const browser = await begun();
        assert.equal((await call(browser, name)).type, type);
        assert.equal(await n(browser), saved);
      });
    }
  });
});
