// Tests of the demo in a browser, with every store.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { click } from "../../demo/drive.ts";
import { askUntil, demoVisits, seen } from "./visits.ts";

const { openBefore, visit, url } = demoVisits();

for (const store of ["file", "redis"]) {
  describe(`the demo with the ${store} store`, () => {
    openBefore("--store", store);

    test("a guest keeps the session when the server that answered is killed", async () => {
      const page = await visit();
      for (const ware of ["coat", "umbrella", "hat"]) await click(page, `#hang-${ware}`);
      const before = await seen(page);
      assert.deepEqual(before.rail, ["coat", "umbrella", "hat"]);
      assert.equal(await page.textContent("#store"), store);

      await click(page, `#kill-${before.server}`);
      assert.equal(await page.textContent(`[data-server="${before.server}"] .state`), "down");
      for (const ware of ["scarf", "case"]) await click(page, `#hang-${ware}`);
      await click(page, '[data-ware="umbrella"] button[title="Take off"]');
      const after = await seen(page);
      assert.deepEqual(after.rail, ["coat", "hat", "scarf", "case"]);
      assert.equal(after.id, before.id);
      assert.equal(after.visits, before.visits + 4);
      assert.notEqual(after.server, before.server);

      await click(page, `#start-${before.server}`);
      assert.match((await page.textContent(`[data-server="${before.server}"] .state`))!, /^up, process \d+$/);
      await askUntil(page, before.server);
      assert.deepEqual((await seen(page)).rail, after.rail);
    });

    test("signing in changes the ticket and keeps the data, signing out ends the session", async () => {
      const page = await visit();
      await click(page, "#hang-cape");
      const before = await seen(page);
      const stolen = await page.context().cookies();
      await page.fill("#name", "Grace <b>");
      await click(page, "#sign-in");
      const after = await seen(page);
      assert.notEqual(after.id, before.id);
      assert.deepEqual(after.rail, ["cape"]);
      assert.equal(await page.textContent("#guest"), "Grace <b>");

      const thief = await visit({ cookies: stolen });
      assert.deepEqual((await seen(thief)).rail, []);

      await click(page, "#sign-out");
      assert.deepEqual((await seen(page)).rail, []);
      assert.equal(await page.textContent("#guest"), "not signed in");
    });
  });
}

const configurations = [
  ...["postgres", "mysql", "sqlite", "azure-table", "cosmos"].map((store) => ({ args: ["--store", store], store })),
  { args: ["--config", "demo/session.json"], store: "redis" },
  { args: ["--web-config", "demo/web.config"], store: "redis" },
];
for (const { args, store } of configurations) {
  describe(`the demo with ${args.join(" ")}`, () => {
    openBefore(...args);

    test("keeps a guest's session when the server that answered is killed", async () => {
      const page = await visit();
      for (const ware of ["coat", "hat"]) await click(page, `#hang-${ware}`);
      const { server, rail, id } = await seen(page);
      assert.deepEqual(rail, ["coat", "hat"]);
      await click(page, `#kill-${server}`);
      await click(page, "#hang-scarf");
      const after = await seen(page);
      assert.deepEqual([after.rail, after.id], [["coat", "hat", "scarf"], id]);
      assert.equal(await page.textContent("#store"), store);
    });
  });
}

describe("the farm", () => {
  openBefore();

  test("works without scripts", async () => {
    const page = await visit({ javaScriptEnabled: false });
    const { server, id } = await seen(page);
    for (const selector of ["#hang-coat", `#kill-${server}`, "#hang-hat", `#start-${server}`]) {
      await page.click(selector);
      await page.waitForLoadState();
    }
    await askUntil(page, server);
    const { rail, id: sameId } = await seen(page);
    assert.deepEqual([rail, sameId], [["coat", "hat"], id]);
  });

  test("no request fails while servers are killed", async () => {
    const page = await visit();
    const { request } = page.context();
    const failures: string[] = [];
    let isOver = false;
    let hung = 0;
    page.on("requestfailed", (request) => failures.push(`${request.url()} ${request.failure()?.errorText}`));
    page.on("response", (response) => {
      if (!response.ok() && response.status() !== 303) failures.push(`${response.url()} ${response.status()}`);
    });
    async function clicks(): Promise<void> {
      for (; !isOver; hung++) await click(page, "#hang-hat");
    }
    async function posts(): Promise<void> {
      while (!isOver) {
        const form = { ware: "mittens", hanger: `hanger-${++hung}` };
        const response = await request.post(`${url()}/rail`, { form, maxRedirects: 0 });
        if (response.status() !== 303) failures.push(`${response.status()} ${await response.text()}`);
        await page.waitForTimeout(10);
      }
    }
    const guests = [clicks(), posts(), posts()];
    // The last server that is up is the one that was started again.
    for (const action of ["1/kill", "3/kill", "1/start", "2/kill"]) {
      const { status } = await fetch(`${url()}/farm/servers/${action}`, { method: "POST", redirect: "manual" });
      assert.equal(status, 303);
    }
    isOver = true;
    await Promise.all(guests);
    assert.deepEqual(failures, []);
    await page.reload();
    assert.equal((await seen(page)).rail.length, hung);
  });
});

describe("the demo with the memory store", () => {
  openBefore("--store", "memory");

  test("warns that each server knows only its own sessions, and each does", async () => {
    const page = await visit();
    assert.match((await page.textContent(".warning"))!, /Each server knows only its own sessions/);
    await click(page, "#hang-coat");
    assert.equal(await page.locator(".ticket.unknown").count(), 1);

    const things = new Map<number, number>();
    for (let i = 0; i < 6; i++) {
      await click(page, "#again");
      const { server, rail } = await seen(page);
      assert.equal(rail.length, things.get(server) ?? rail.length);
      things.set(server, rail.length);
    }
    assert.deepEqual([...things.values()].sort(), [0, 0, 1]);
  });

  test("lets only its own pages kill a server", async () => {
    const kill = async (origin: string) =>
      (await fetch(`${url()}/farm/servers/1/kill`, { method: "POST", headers: { origin } })).status;
    assert.equal(await kill("http://elsewhere.example"), 403);
    const page = await visit();
    assert.match((await page.textContent('[data-server="1"] .state'))!, /^up/);
  });

  test("says that no server is up, and works again after a restart", async () => {
    const page = await visit();
    for (const server of [1, 2, 3]) await click(page, `#kill-${server}`);
    assert.match((await page.textContent("main"))!, /Every server of the farm is down/);
    await click(page, "#start-2");
    await page.waitForSelector("#rail");
    assert.equal((await seen(page)).server, 2);
  });
});
