// The console's page in Chromium, while servers and the store fail.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type PageFarm, startPageFarm } from "./page-farm.ts";
import { axeFindings, findOwner, until, verdict, visitors } from "./page-visitor.ts";

const visit = visitors();

describe("when something fails", () => {
  let farm: PageFarm;
  before(async () => {
    farm = await startPageFarm("web-1", "web-2");
  });
  after(() => farm?.stop());

  test("the page says that the store is down, and that it is back", async () => {
    const page = await visit(farm);
    await verdict(page, /Everything works/);
    await farm.redis.stop();
    await verdict(page, /The store .*is down since \d\d:\d\d:\d\d\./);
    assert.deepEqual(await axeFindings(page), []);
    await farm.redis.start();
    await verdict(page, /Everything works/);
  });

  test("a server that dies is shown, while the page goes on at another one", async () => {
    const page = await visit(farm);
    await until(page, `document.querySelectorAll(".node.server.up").length === 2`);
    await verdict(page, /Everything works/);
    // All that the verdict says, and where the figures are meanwhile, unless it has more than one thing to say.
    const top = `document.querySelector(".figures").getBoundingClientRect().top`;
    const before = await page.evaluate(top);
    await page.evaluate(`
      globalThis.said = [];
      globalThis.tops = [];
      new MutationObserver(() => {
        said.push(document.querySelector(".finding h2").textContent);
        if (document.querySelector(".finding li") === null) tops.push(${top});
      }).observe(document.querySelector(".finding"), { subtree: true, childList: true, characterData: true });
    `);
    const sender = /web-\d/.exec((await page.textContent(".link"))!)![0];
    await farm.kill(sender);
    await verdict(page, new RegExp(`${sender} stopped without a word at`));
    const said = (await page.evaluate("said")) as string[];
    assert.ok(said.includes("The connection to the console is broken."), said.join("\n"));
    assert.deepEqual([...new Set((await page.evaluate("tops")) as number[])], [before]);
    assert.match((await page.textContent(".link"))!, sender === "web-1" ? /Live from web-2/ : /Live from web-1/);
    assert.match((await page.textContent(".node.server.lost"))!, /lost \d+ s ago/);
    assert.deepEqual(await axeFindings(page), []);
    // Under its name it is the same server.
    await farm.start(sender);
    await verdict(page, /Everything works/);
    assert.equal(await page.locator(".node.server").count(), 2);
  });

  test("the page says so when all servers are gone, keeps its figures, and goes on by itself", async () => {
    const page = await visit(farm);
    const before = await page.locator(".node.server strong").allTextContents();
    await Promise.all([farm.kill("web-1"), farm.kill("web-2")]);
    await verdict(page, /The connection to the console is broken\. *The page connects again by itself/);
    assert.deepEqual(await page.locator(".node.server strong").allTextContents(), before);
    await findOwner(page, "ann");
    await page
      .locator(".error")
      .filter({ hasText: /status 502|does not answer/ })
      .waitFor();
    await Promise.all([farm.start("web-1"), farm.start("web-2")]);
    await verdict(page, /Everything works/);
  });

  test("the page says that it is closed to somebody who may not see it any more", async () => {
    const page = await visit(farm);
    const closed = new Set<string>();
    while (closed.size < 2) closed.add(await farm.request("/close-the-console"));
    await verdict(page, /This console is closed to you\./);
  });
});
