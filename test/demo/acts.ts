// Tests of the demo's acts in a browser, on real stores.
import assert from "node:assert/strict";
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { describe, test } from "node:test";
import { click } from "../../demo/drive.ts";
import { demoVisits, seen, waresIn } from "./visits.ts";

const { openBefore, visit, url } = demoVisits();
const WARES = 8;

interface Expected {
  store: string;
  /** What express-session keeps its sessions in. */
  rival: RegExp;
  /** The store's server can be stopped. */
  canStop: boolean;
  /** The store that the sessions move to, in stores for which that is tested. */
  next?: string;
}

const stores: Expected[] = [
  { store: "file", rival: /its MemoryStore/, canStop: false, next: "redis" },
  { store: "redis", rival: /connect-redis, in the same redis/, canStop: true, next: "postgres" },
  { store: "postgres", rival: /connect-pg-simple, in the same postgres/, canStop: true },
  { store: "mysql", rival: /express-mysql-session, in the same mysql/, canStop: true },
];

// With STORES=all, on every store whose acts differ.
const tried = process.env.STORES === "all" ? stores : stores.slice(0, 2);
for (const { store, rival, canStop, next } of tried) {
  describe(`the acts with the ${store} store`, () => {
    openBefore("--store", store);

    test("of parallel clicks, coatcheck keeps all and express-session one", async () => {
      const page = await visit();
      await click(page, "#hang-coat");
      await click(page, "#start-race");
      assert.match((await page.textContent('[data-shop="express-session"] h3'))!, rival);
      assert.equal((await waresIn(page, '[data-shop="coatcheck"]')).length, WARES);
      assert.equal(await page.locator('[data-shop="coatcheck"] .kept').count(), WARES);
      assert.equal(await page.locator('[data-shop="express-session"] .kept').count(), 1);
      assert.equal(await page.locator('[data-shop="express-session"] .gap').count(), WARES - 1);
      assert.match((await page.textContent(".race"))!, /All 16 clicks were answered as done/);
      assert.equal((await seen(page)).rail.length, 1 + WARES);
    });

    test("a phone has a session of its own, and logging out everywhere ends both", async () => {
      const page = await visit();
      await click(page, "#hang-cape");
      await click(page, "#sign-in-phone");
      assert.equal(await page.textContent("#guest"), "Ada");
      await click(page, "#phone-hang");
      assert.deepEqual(await waresIn(page, ".phone"), ["mittens"]);
      const { rail, id } = await seen(page);
      assert.deepEqual(rail, ["cape"]);
      const devices = await page.locator("[data-device]").allTextContents();
      assert.equal(devices.length, 2);
      const phoneTicket = (await page.textContent("#phone-ticket"))!;
      assert.match(devices.find((device) => device.includes("this one"))!, new RegExp(`ticket ${id!.slice(0, 6)}`));
      assert.ok(devices.some((device) => device.includes("Phone") && device.includes(`ticket ${phoneTicket}`)));

      const cookies = await page.context().cookies();
      await click(page, "#sign-out-everywhere");
      assert.match((await page.textContent(".note"))!, /2 sessions have ended/);
      assert.equal(await page.textContent("#guest"), "not signed in");
      assert.equal(await page.getAttribute(".phone", "data-phone"), "signed-out");
      const thief = await visit({ cookies });
      assert.equal(await thief.locator(".ticket.unknown").count(), 1);
      assert.equal(await thief.getAttribute(".phone", "data-phone"), "signed-out");
      assert.deepEqual((await seen(thief)).rail, []);
    });

    if (canStop) {
      test("while the store is stopped nobody gets an empty session, and nothing is lost", async () => {
        const page = await visit();
        await click(page, "#hang-coat");
        const before = await seen(page);
        const cookies = await page.context().cookies();
        await click(page, "#stop-store");
        assert.match((await page.textContent("main"))!, /The store does not answer/);
        assert.equal(await page.getAttribute("[data-store]", "data-store"), "stopped");
        const { request } = page.context();
        const form = { ware: "hat", hanger: "never-there" };
        for (const refused of [await request.get(url()), await request.post(`${url()}/rail`, { form })]) {
          assert.equal(refused.status(), 503);
          assert.equal(refused.headers()["retry-after"], "1");
        }
        assert.deepEqual(await page.context().cookies(), cookies);

        await click(page, "#start-store");
        await page.waitForSelector("#rail");
        const { rail, id } = await seen(page);
        assert.deepEqual([rail, id], [before.rail, before.id]);
      });
    } else {
      test("a store without a server has no button that stops it, and the page says why", async () => {
        const page = await visit();
        assert.equal(await page.locator("#stop-store").count(), 0);
        assert.match((await page.textContent("#act-outage"))!, new RegExp(`runs no server for ${store}`));
      });
    }

    if (next === undefined) return;
    test(`all sessions move to ${next} while the shop is open, and no request fails`, async () => {
      const page = await visit();
      await click(page, "#hang-coat");
      const before = await seen(page);
      await click(page, "#move-store");
      const failures: string[] = [];
      let isOver = false;
      let hung = 0;
      const clicks = (async () => {
        for (; !isOver; hung++) {
          const form = { ware: "hat", hanger: `while-moving-${hung}` };
          const response = await page.context().request.post(`${url()}/rail`, { form, maxRedirects: 0 });
          if (response.status() !== 303) failures.push(`${response.status()} ${await response.text()}`);
          await page.waitForTimeout(20);
        }
      })();
      await page.waitForSelector(".store.moving progress", { state: "attached" });
      await page.waitForSelector(".store:not(.moving)", { timeout: 240_000 });
      isOver = true;
      await clicks;
      assert.deepEqual(failures, []);

      await click(page, "#again");
      assert.equal(await page.textContent("#store"), next);
      const { rail, id } = await seen(page);
      assert.equal(id, before.id);
      assert.deepEqual(rail, ["coat", ...Array(hung).fill("hat")]);
    });
  });
}

describe("the console beside the shop", () => {
  openBefore("--store", "redis");

  test("shows the servers, and one that is killed", async () => {
    const page = await visit();
    await click(page, "#hang-coat");
    const [console] = await Promise.all([page.context().waitForEvent("page"), page.click("#open-console")]);
    console.setDefaultTimeout(60_000);
    for (const server of [1, 2, 3]) await console.waitForSelector(`text=server ${server}`);
    await click(page, "#kill-2");
    await click(page, "#hang-hat");
    assert.deepEqual((await seen(page)).rail, ["coat", "hat"]);
    await console.waitForSelector("text=/late|lost/");
  });

  test("is not there for a name of another site", async () => {
    const { hostname, port } = new URL(url());
    const answer = get({ hostname, port, path: "/console/", headers: { host: "elsewhere.example" } });
    const [response] = (await once(answer, "response")) as [IncomingMessage];
    response.resume();
    assert.equal(response.statusCode, 403);
  });
});

describe("the acts without scripts", () => {
  openBefore("--store", "redis");

  test("each button works", async () => {
    const page = await visit({ javaScriptEnabled: false });
    const press = async (selector: string) => {
      await page.click(selector);
      await page.waitForLoadState();
    };
    await press("#start-race");
    assert.equal(await page.locator('[data-shop="express-session"] .gap').count(), WARES - 1);
    await press("#sign-in-phone");
    await press("#sign-out-everywhere");
    assert.equal(await page.getAttribute(".phone", "data-phone"), "signed-out");
    await press("#hang-hat");
    await press("#stop-store");
    await page.waitForSelector(".shutter");
    await page.click("#start-store", { noWaitAfter: true });
    await page.waitForSelector("#rail");
    assert.deepEqual((await seen(page)).rail, ["hat"]);
  });
});
