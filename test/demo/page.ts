// Tests of the demo's pages in phones and desktops: what axe-core finds, and what stays in sight.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { click } from "../../demo/drive.ts";
import { demoVisits } from "./visits.ts";

const { openBefore, visit } = demoVisits();
const VIEWPORTS = { phone: { width: 390, height: 844 }, desktop: { width: 1440, height: 900 } };

describe("axe-core", () => {
  openBefore("--store", "redis");

  for (const colorScheme of ["light", "dark"] as const) {
    for (const [device, viewport] of Object.entries(VIEWPORTS)) {
      test(`finds nothing on a ${device} in ${colorScheme} colours, and no page is wider than its window`, async () => {
        const page = await visit({ viewport, colorScheme, reducedMotion: "reduce", bypassCSP: true });
        await click(page, "#hang-coat");
        await isAccessible(page);
        await click(page, "#start-race");
        await isAccessible(page);
        await click(page, "#sign-in-phone");
        await isAccessible(page);
        await click(page, "#sign-out-everywhere");
        await isAccessible(page);
        await click(page, "#kill-2");
        await isAccessible(page);
        await click(page, "#stop-store");
        await isAccessible(page);
        await click(page, "#start-store");
        await page.waitForSelector("#rail");
        for (const server of [1, 3]) await click(page, `#kill-${server}`);
        await isAccessible(page);
        await click(page, "#start-all");
        await page.waitForSelector("#rail");
      });
    }
  }
});

describe("what stays in sight", () => {
  openBefore();

  for (const [device, viewport] of Object.entries(VIEWPORTS)) {
    test(`on a ${device}, the panel and what was just hung up, at the end of the shop`, async () => {
      const page = await visit({ viewport });
      await page.locator("#hang-case").scrollIntoViewIfNeeded();
      for (let i = 0; i < 20; i++) await click(page, "#hang-case");
      assert.ok(((await page.evaluate("scrollY")) as number) > 0);
      const last = page.locator(".rail [data-ware]").last();
      for (const part of [page.locator("#panel"), page.locator("#kill-1"), last]) await isInSight(page, part);
      await click(page, "#kill-1");
      await isInSight(page, last);
      await click(page, "#start-1");
    });
  }
});

interface AxeResults {
  passes: { id: string }[];
  violations: { id: string; nodes: { html: string; failureSummary: string }[] }[];
}

const axe = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");

async function isAccessible(page: Page): Promise<void> {
  await page.evaluate(axe);
  const { passes, violations } = (await page.evaluate("axe.run()")) as AxeResults;
  assert.ok(passes.some(({ id }) => id === "color-contrast"));
  assert.deepEqual(
    violations.map(({ id, nodes }) => [id, nodes.map(({ html, failureSummary }) => `${html}\n${failureSummary}`)]),
    [],
  );
  const isTooWide = "document.documentElement.scrollWidth > document.documentElement.clientWidth";
  assert.equal(await page.evaluate(isTooWide), false);
}

/** All of it is in the window, and nothing lies over its middle. */
async function isInSight(page: Page, locator: ReturnType<Page["locator"]>): Promise<void> {
  const box = (await locator.boundingBox())!;
  const { width, height } = page.viewportSize()!;
  assert.ok(box.x >= 0 && box.x + box.width <= width, JSON.stringify(box));
  assert.ok(box.y >= 0 && box.y + box.height <= height, JSON.stringify(box));
  await locator.click({ trial: true });
}
