// What an example does in Chromium, where its framework's own script takes over forms and links.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { openBrowser } from "../../demo/drive.ts";
import { startRedis } from "../servers/redis.ts";
import { startExample } from "./install.ts";

/** Uses an installed example on a desktop and on a phone. */
export function chromiumTests(name: string, folder: () => string): void {
  describe(`${name} in Chromium`, () => {
    let browser: Browser;
    let redis: Awaited<ReturnType<typeof startRedis>>;
    let app: Awaited<ReturnType<typeof startExample>>;
    const contexts: BrowserContext[] = [];
    /** What went wrong in a page, as its user would see it in the console. A form that is refused is not wrong. */
    const faults: string[] = [];
    before(async () => {
      [browser, redis] = await Promise.all([openBrowser(), startRedis()]);
      app = await startExample(folder(), {
        SESSION_SECRET: "a secret for the tests of examples",
        REDIS_URL: redis.url,
      });
    });
    after(async () => {
      await browser?.close();
      await app?.stop();
      await redis?.stop();
    });
    afterEach(async () => {
      for (const context of contexts.splice(0)) await context.close();
      assert.deepEqual(faults.splice(0), []);
    });

    /** The shop in a browser of its own. */
    async function visit(viewport = { width: 1280, height: 800 }): Promise<Page> {
      const context = await browser.newContext({ viewport });
      contexts.push(context);
      const page = await context.newPage();
      page.on("pageerror", (error) => faults.push(error.message));
      page.on("console", (message) => {
        const isFault = message.type() === "error" && !message.text().includes("status of 422");
        if (isFault) faults.push(`${message.text()} ${message.location().url}`);
      });
      await page.goto(app.url, { waitUntil: "networkidle" });
      return page;
    }

    async function signIn(page: Page, user: string): Promise<void> {
      await page.fill("#user", user);
      await page.click("[data-form=login] button");
      await page.waitForFunction(`document.querySelector("[data-user]")?.textContent === ${JSON.stringify(user)}`);
    }

    const add = (page: Page, item: string) => page.click(`[data-form=add][data-item=${item}] button`);
    const cartHas = (page: Page, item: string, count: number) =>
      page.waitForSelector(`[data-cart-item=${item}][data-count="${count}"]`);
    const ticketOf = async (page: Page) => (await page.context().cookies()).map(({ value }) => value).join();

    test("a cart stays while its user signs in, under another ticket, on the same page", async () => {
      const page = await visit();
      // It is gone if the browser loads another page: then the framework's script was not there.
      await page.evaluate("globalThis.isSamePage = true");
      await add(page, "hat");
      await cartHas(page, "hat", 1);
      await add(page, "hat");
      await cartHas(page, "hat", 2);
      const ticket = await ticketOf(page);
      await signIn(page, "ann");
      await cartHas(page, "hat", 2);
      assert.notEqual(await ticketOf(page), ticket);
      assert.equal(await page.evaluate("globalThis.isSamePage"), true);
      await page.reload();
      await cartHas(page, "hat", 2);
      assert.equal(await page.textContent("[data-user]"), "ann");
    });

    test("two tabs put things into one cart", async () => {
      const tabs = [await visit()];
      await signIn(tabs[0]!, "bob");
      tabs.push(await tabs[0]!.context().newPage());
      await tabs[1]!.goto(app.url, { waitUntil: "networkidle" });
      await Promise.all([add(tabs[0]!, "coat"), add(tabs[1]!, "umbrella")]);
      await Promise.all([cartHas(tabs[0]!, "coat", 1), cartHas(tabs[1]!, "umbrella", 1)]);
      for (const tab of tabs) {
        await tab.reload();
        await Promise.all([cartHas(tab, "coat", 1), cartHas(tab, "umbrella", 1)]);
      }
    });

    test("an empty name is refused with a message", async () => {
      const page = await visit();
      await page.click("[data-form=login] button");
      await page.waitForSelector(".error");
      assert.equal(await page.$("[data-user]"), null);
    });

    test("a user ends the session of another device, and signs out everywhere", async () => {
      const [laptop, phone] = [await visit(), await visit({ width: 390, height: 844 })];
      await signIn(laptop, "carol");
      await signIn(phone, "carol");
      await laptop.click('a[href="/sessions"]');
      await laptop.waitForSelector("[data-session]");
      assert.equal((await laptop.$$("[data-session]")).length, 2);
      await laptop.click("[data-session]:not([data-current]) [data-form=end] button");
      await laptop.waitForFunction(`document.querySelectorAll("[data-session]").length === 1`);
      await phone.reload();
      await phone.waitForSelector("[data-form=login]");
      await signIn(phone, "carol");
      await phone.click("[data-form=logout-everywhere] button");
      await phone.waitForSelector("[data-form=login]");
      await laptop.goto(app.url);
      await laptop.waitForSelector("[data-form=login]");
    });

    test("no page is wider than a phone", async () => {
      const page = await visit({ width: 360, height: 740 });
      await add(page, "umbrella");
      await cartHas(page, "umbrella", 1);
      await signIn(page, "a name of forty letters, which is long ok".slice(0, 40));
      const isTooWide = "document.documentElement.scrollWidth > document.documentElement.clientWidth";
      assert.equal(await page.evaluate(isTooWide), false);
      await page.click('a[href="/sessions"]');
      await page.waitForSelector("[data-session]");
      assert.equal(await page.evaluate(isTooWide), false);
    });
  });
}
