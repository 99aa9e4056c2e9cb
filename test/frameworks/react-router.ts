// React Router: the example, the adapters' suite, and what is special about middleware, loaders and data requests.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Browser } from "../adapters/browser.ts";
import { adapterSuite } from "../adapters/suite.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";
import { placeSuite, startExample } from "./install.ts";
import { exampleTests } from "./shop.ts";

const example = exampleTests("react-router", (folder) => placeSuite(folder, "app/suite-app.ts"));
let redis: RedisServer;
before(async () => {
  redis = await startRedis();
});
after(() => redis.stop());
const withRedis = () => ({ REDIS_URL: redis.url, SESSION_SECRET: "a secret for the tests of examples" });

for (const store of ["memory", "redis"]) {
  adapterSuite(`react-router with ${store}`, async () => {
    const app = await startExample(example.folder(), store === "redis" ? withRedis() : {});
    return { url: `${app.url}/suite`, close: () => app.stop() };
  });
}

describe("what is special about React Router", () => {
  let app: Awaited<ReturnType<typeof startExample>>;
  before(async () => {
    app = await startExample(example.folder(), withRedis());
  });
  after(() => app.stop());

  const namesOf = (cookies: string[]) => cookies.map((cookie) => cookie.split("=")[0]).sort();

  // For robots, React Router waits for all that streams.
  const agent = { "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0" };
  const newBrowser = (cookie?: string) => new Browser(app.url, cookie, agent);

  async function loggedIn(): Promise<Browser> {
    const browser = newBrowser();
    await browser.get("/suite/login");
    return browser;
  }

  for (const [what, path] of Object.entries({ "a page": "/mind/child", "its data": "/mind/child.data" })) {
    describe(what, () => {
      test("parallel loaders share one session, and the cookies of all of them stay", async () => {
        const browser = await loggedIn();
        const answer = await browser.get(path);
        assert.equal(answer.status, 200);
        assert.deepEqual(namesOf(answer.setCookies), ["child", "parent"]);
        assert.match(await answer.text(), /ann/);
        assert.equal(await browser.text("/suite/n"), "2");
        assert.deepEqual(namesOf((await newBrowser().get(path)).setCookies), ["child", "parent", "sid"]);
      });

      test("what streams later comes after the commit", async () => {
        assert.match(await newBrowser().text(path), /already committed|is committed/);
      });

      test("a loader that fails drops the changes of all", async () => {
        const browser = await loggedIn();
        assert.equal((await browser.get(`${path}?by=error`)).status, 500);
        assert.equal(await browser.text("/suite/n"), "undefined");
      });

      test("a loader that throws a 404 saves them", async () => {
        const browser = await loggedIn();
        assert.equal((await browser.get(`${path}?by=not-found`)).status, 404);
        assert.equal(await browser.text("/suite/n"), "2");
      });

      test("a loader that throws a redirect saves them first", async () => {
        const browser = newBrowser();
        const answer = await browser.get(`${path}?by=redirect`);
        assert.equal(answer.status, what === "a page" ? 302 : 202);
        assert.deepEqual(namesOf(answer.setCookies).slice(-1), ["sid"]);
        assert.equal(await browser.text("/suite/n"), "2");
      });

      test("a commit that fails shows the error boundary", async () => {
        const browser = await loggedIn();
        const answer = await browser.get(`${path}?by=unstorable`);
        assert.equal(answer.status, 500);
        assert.match(await answer.text(), what === "a page" ? /data-error="">500 Internal/ : /ErrorResponse/);
        assert.equal(await browser.text("/suite/whoami"), "ann");
      });

      test("a regenerated ticket reaches the browser although the commit fails", async () => {
        const browser = await loggedIn();
        const { cookie } = browser;
        assert.equal((await browser.get(`${path}?by=promote-and-fail`)).status, 500);
        assert.notEqual(browser.cookie, cookie);
        assert.equal(await browser.text("/suite/whoami"), "ann");
        assert.equal(await newBrowser(cookie).text("/suite/whoami"), "nobody");
      });
    });
  }

  test("the loaders of an action's page see what the action wrote", async () => {
    const browser = newBrowser();
    const answer = await browser.get("/mind/child", { method: "POST", headers: { origin: app.url }, body: "" });
    assert.match(await answer.text(), /data-user="">ann</);
    assert.equal(await browser.text("/suite/n"), "2");
  });

  test("an action by a data request is committed with its response", async () => {
    const browser = newBrowser();
    const answer = await browser.get("/mind/child.data", { method: "POST", headers: { origin: app.url }, body: "" });
    assert.equal(answer.status, 200);
    assert.deepEqual(namesOf(answer.setCookies), ["sid"]);
    assert.equal(await browser.text("/suite/whoami"), "ann");
  });

  test("an inner middleware that fails drops the changes: next() gives its error as a response", async () => {
    const browser = await loggedIn();
    assert.equal((await browser.get("/mind/inner")).status, 500);
    assert.equal(await browser.text("/suite/n"), "undefined");
  });

  test("a route's middleware changes the mode of the session that its parent has opened", async () => {
    const browser = await loggedIn();
    await Promise.all(Array.from({ length: 10 }, () => browser.text("/mind/exclusive")));
    assert.equal(await browser.text("/suite/n"), "10");
  });

  test("an exclusive session is free after a request that fails", async () => {
    const browser = await loggedIn();
    assert.equal((await browser.get("/mind/exclusive?fail")).status, 500);
    assert.equal(await browser.text("/mind/exclusive"), "added");
    assert.equal(await browser.text("/suite/n"), "1");
  });

  describe("a store that is down", () => {
    for (const path of ["/down", "/down.data", "/down/resource"]) {
      for (const when of ["open", "commit"]) {
        test(`${path} answers 503 if it can't ${when}, and shows nothing of the store`, async () => {
          const answer = await (when === "open" ? await loggedIn() : newBrowser()).get(path);
          const text = await answer.text();
          assert.equal(answer.status, 503);
          assert.match(text, /Service Unavailable: try again in a moment/);
          assert.doesNotMatch(text, /ECONNREFUSED|10\.0\.0\.7|coatcheck:/);
          if (path === "/down/resource") assert.equal(answer.headers.get("retry-after"), "1");
          if (path === "/down/resource" && when === "commit") assert.equal(answer.headers.get("x-request-id"), "7");
        });
      }
    }
  });

  describe("toSessionStorage", () => {
    const call = (browser: Browser, name: string) => browser.text(`/storage?call=${name}`).then(JSON.parse);

    test("what it commits, the middleware opens, and the other way round", async () => {
      const browser = newBrowser();
      assert.equal(await call(browser, "login"), "ann");
      assert.match(browser.cookie ?? "", /^sid=/);
      assert.equal(await browser.text("/suite/whoami"), "ann");
      assert.equal(await call(await loggedIn(), "read"), "ann");
    });

    test("a message stays until it is read", async () => {
      const browser = newBrowser();
      await call(browser, "login");
      for (let i = 0; i < 2; i++) {
        assert.deepEqual(await call(browser, "has"), { user: true, message: true, n: false });
      }
      assert.equal(await call(browser, "message"), "Welcome!");
      assert.equal(await call(browser, "message"), null);
      assert.deepEqual(await call(browser, "has"), { user: true, message: false, n: false });
    });

    test("unset removes a key", async () => {
      const browser = newBrowser();
      await call(browser, "login");
      assert.equal(await call(browser, "unset"), null);
      assert.equal(await browser.text("/suite/whoami"), "nobody");
    });

    test("an unchanged session keeps its cookie", async () => {
      const browser = await loggedIn();
      const answer = await browser.get("/storage?call=read");
      assert.equal(await answer.json(), "ann");
      assert.equal(answer.setCookies.join(), ""); // a header without a name and a value: browsers ignore it
    });

    test("the session itself is there, to regenerate it", async () => {
      const browser = await loggedIn();
      const { cookie } = browser;
      assert.equal(await call(browser, "regenerate"), "regenerated");
      assert.notEqual(browser.cookie, cookie);
      assert.equal(await newBrowser(cookie).text("/suite/whoami"), "nobody");
    });

    test("destroySession ends the session everywhere", async () => {
      const browser = await loggedIn();
      const { cookie } = browser;
      assert.equal(await call(browser, "logout"), "bye");
      assert.equal(browser.cookie, undefined);
      assert.equal(await newBrowser(cookie).text("/suite/whoami"), "nobody");
    });

    test("options of the cookie, and sessions of others, are refused", async () => {
      const browser = await loggedIn();
      for (const name of ["remember", "foreign"]) {
        assert.equal((await browser.get(`/storage?call=${name}`)).status, 500);
      }
    });
  });
});
