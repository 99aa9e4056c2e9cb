// Visits to the demo in Chromium, and what their pages show.
import assert from "node:assert/strict";
import { after, before } from "node:test";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { openBrowser, openFarm, type RunningFarm } from "../../demo/drive.ts";

export type Visitor = Parameters<Browser["newContext"]>[0] & {
  cookies?: Parameters<BrowserContext["addCookies"]>[0];
};

/** A browser for the tests of a file, and a farm for each of its suites. */
export function demoVisits() {
  let browser: Browser;
  let farm: RunningFarm;

  before(async () => {
    browser = await openBrowser();
  });
  after(() => browser.close());

  return {
    url: () => farm.url,

    /** The tests of this suite have a farm with these arguments. */
    openBefore(...args: string[]): void {
      before(async () => {
        farm = await openFarm(...args);
      });
      after(() => farm.stop());
    },

    /** Opens the shop in a new browser context. */
    async visit({ cookies, ...options }: Visitor = {}): Promise<Page> {
      const context = await browser.newContext(options);
      if (cookies) await context.addCookies(cookies);
      const page = await context.newPage();
      page.setDefaultTimeout(60_000);
      await page.goto(farm.url);
      return page;
    },
  };
}

/** What the page shows. */
export async function seen(page: Page) {
  const server = Number(await page.getAttribute("body", "data-answered-by"));
  const isKnown = (await page.locator("#session-id").count()) > 0;
  const id = isKnown ? await page.textContent("#session-id") : undefined;
  const visits = isKnown ? Number(await page.textContent("#visits")) : 0;
  return { server, rail: await waresIn(page, ".rail"), id, visits };
}

/** The wares that hang in a part of the page. */
export function waresIn(page: Page, part: string): Promise<(string | null)[]> {
  return page
    .locator(`${part} [data-ware]`)
    .evaluateAll((things) => things.map((thing) => thing.getAttribute("data-ware")));
}

/** Reloads until the server answers, which round robin limits to a few times. */
export async function askUntil(page: Page, server: number): Promise<void> {
  for (let i = 0; i < 4 && (await seen(page)).server !== server; i++) {
    await page.reload();
  }
  assert.equal((await seen(page)).server, server);
}
