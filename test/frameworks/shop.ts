// What every example does, seen by a browser without JavaScript.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type RedisServer, startRedis } from "../servers/redis.ts";
import { FormBrowser } from "./form-browser.ts";
import { installExample, runScript, startExample } from "./install.ts";

/**
 * Installs an example from the packed library, checks its types, builds it, and uses it with `memory` and with `redis`.
 *
 * @param prepare what has to be done to the installed folder before it is built.
 */
export function exampleTests(name: string, prepare?: (folder: string) => void): { folder(): string } {
  let folder = "";
  before(async () => {
    folder = installExample(name);
    prepare?.(folder);
    await runScript(folder, "build");
  });

  test("its types know the session's data", () => runScript(folder, "typecheck"));

  let redis: RedisServer;
  before(async () => {
    redis = await startRedis();
  });
  after(() => redis.stop());

  for (const store of ["memory", "redis"]) {
    describe(`the shop with ${store}`, () => {
      let app: Awaited<ReturnType<typeof startExample>>;
      before(async () => {
        app = await startExample(folder, {
          SESSION_SECRET: "a secret for the tests of examples",
          ...(store === "redis" && { REDIS_URL: redis.url }),
        });
      });
      after(() => app.stop());
      shopTests(() => app.url);
    });
  }
  return { folder: () => folder };
}

function shopTests(url: () => string): void {
  const cartOf = ({ page }: FormBrowser) =>
    Object.fromEntries(page.withAttribute("data-cart-item").map((one) => [one["data-cart-item"], one["data-count"]]));

  async function signedIn(user: string): Promise<FormBrowser> {
    const browser = new FormBrowser(url());
    await browser.open("/");
    await browser.submit({ "data-form": "login" }, { user });
    assert.equal(browser.page.text("data-user"), user);
    return browser;
  }

  test("the first page has the goods, and sets no cookie", async () => {
    const browser = new FormBrowser(url());
    const page = await browser.open("/");
    assert.equal(page.status, 200);
    assert.equal(page.withAttribute("data-item").length, 3);
    assert.deepEqual(cartOf(browser), {});
    assert.equal(browser.cookie, undefined);
  });

  test("a cart stays while its user signs in, under another ticket", async () => {
    const browser = new FormBrowser(url());
    await browser.open("/");
    await browser.submit({ "data-form": "add", "data-item": "hat" });
    await browser.submit({ "data-form": "add", "data-item": "hat" });
    assert.deepEqual(cartOf(browser), { hat: "2" });
    const ticket = browser.cookie;
    await browser.submit({ "data-form": "login" }, { user: "ann" });
    assert.equal(browser.page.text("data-user"), "ann");
    assert.deepEqual(cartOf(browser), { hat: "2" });
    assert.notEqual(browser.cookie, ticket);
  });

  test("parallel clicks all count", async () => {
    const browser = await signedIn("bob");
    await Promise.all(Array.from({ length: 10 }, () => browser.submit({ "data-form": "add", "data-item": "coat" })));
    await browser.open("/");
    assert.deepEqual(cartOf(browser), { coat: "10" });
  });

  test("an empty name is refused with a message", async () => {
    const browser = new FormBrowser(url());
    await browser.open("/");
    const page = await browser.submit({ "data-form": "login" }, { user: " " });
    assert.ok(page.status < 500, `status ${page.status}`);
    assert.match(page.html, /class="error"/);
    assert.equal(page.text("data-user"), undefined);
    assert.equal((await browser.open("/")).text("data-user"), undefined);
  });

  test("a name is text, whatever is in it", async () => {
    await signedIn(`<b>"O'Neil" & sons</b>`);
  });

  test("signing out ends the session", async () => {
    const browser = await signedIn("carol");
    await browser.submit({ "data-form": "logout" });
    assert.equal(browser.page.text("data-user"), undefined);
    assert.equal(browser.page.withAttribute("data-form").filter((one) => one["data-form"] === "login").length, 1);
  });

  test("a user sees the own sessions, and ends one of them", async () => {
    const phone = await signedIn("dora");
    const laptop = await signedIn("dora");
    await signedIn("somebody else");
    const page = await laptop.open("/sessions");
    const sessions = page.withAttribute("data-session");
    assert.equal(sessions.length, 2);
    const other = sessions.find((one) => !("data-current" in one));
    assert.equal(sessions.filter((one) => "data-current" in one).length, 1);
    await laptop.submit({ "data-form": "end" }, { id: other!["data-session"]! });
    assert.equal((await laptop.open("/sessions")).withAttribute("data-session").length, 1);
    assert.equal((await phone.open("/")).text("data-user"), undefined);
    assert.equal((await laptop.open("/")).text("data-user"), "dora");
  });

  test("nobody ends the session of another user", async () => {
    const victim = await signedIn("erin");
    const [own] = (await victim.open("/sessions")).withAttribute("data-session");
    const attacker = await signedIn("mallory");
    await attacker.open("/sessions");
    await attacker.submit({ "data-form": "end" }, { id: own!["data-session"]! });
    assert.equal((await victim.open("/")).text("data-user"), "erin");
  });

  test("signing out everywhere ends all of them", async () => {
    const phone = await signedIn("fay");
    const laptop = await signedIn("fay");
    await laptop.submit({ "data-form": "logout-everywhere" });
    assert.equal(laptop.page.text("data-user"), undefined);
    assert.equal((await phone.open("/")).text("data-user"), undefined);
  });

  test("the page of the sessions is for those who are signed in", async () => {
    const page = await new FormBrowser(url()).open("/sessions");
    assert.equal(page.url.pathname, "/");
  });

  test("the page polls without a cookie", async () => {
    const browser = await signedIn("gus");
    await browser.submit({ "data-form": "add", "data-item": "umbrella" });
    assert.deepEqual(await browser.json("/poll"), { body: { items: 1 }, setCookies: [] });
  });
}
