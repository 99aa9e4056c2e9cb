// A person who looks at the console's page in Chromium.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, afterEach, before } from "node:test";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { openBrowser } from "../../demo/drive.ts";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** Everything that is waited for happens by itself, on a busy machine late. */
const PATIENCE_MS = 90_000;

/** Opens the console in a new browser, and waits for its figures. After each test no page may have had a fault. */
export function visitors() {
  let browser: Browser;
  const contexts: BrowserContext[] = [];
  /** What went wrong in a page, as the developer tools show it. That connections break is part of the tests. */
  const faults: string[] = [];
  before(async () => {
    browser = await openBrowser();
  });
  after(() => browser?.close());
  afterEach(async () => {
    for (const context of contexts.splice(0)) await context.close();
    assert.deepEqual(faults.splice(0), []);
  });
  return async function visit(
    at: { console: string },
    options: Parameters<Browser["newContext"]>[0] = {},
  ): Promise<Page> {
    const context = await browser.newContext(options);
    contexts.push(context);
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    page.on("pageerror", (error) => faults.push(error.message));
    page.on("console", (message) => {
      const isFault = message.type() === "error" && !/ERR_|status of (400|403|502|503)/.test(message.text());
      if (isFault) faults.push(message.text());
    });
    await page.goto(at.console);
    await page.waitForSelector(".node.server.up");
    return page;
  };
}

/** Waits until this is true in the page. The page's policy forbids what Playwright has for that. */
export async function until(page: Page, expression: string): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!(await page.evaluate(expression))) {
    if (Date.now() > end) throw new Error(`${expression} has not become true:\n${await page.textContent("body")}`);
    await page.waitForTimeout(50);
  }
}

/** Waits until the page's verdict is this. */
export const verdict = (page: Page, text: RegExp) => page.locator(".finding").filter({ hasText: text }).waitFor();

/** What axe-core finds, in a line each. */
export async function axeFindings(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const { violations } = (await page.evaluate("axe.run()")) as {
    violations: { id: string; nodes: { html: string }[] }[];
  };
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}

export async function findOwner(page: Page, owner: string): Promise<void> {
  await page.fill("#wanted", owner);
  await page.click("form button");
}
