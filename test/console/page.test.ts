// The console's page in Chromium, with a farm behind it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { buildConsolePage } from "../../scripts/console-page.ts";
import { console as webConsole } from "../../src/console/index.ts";
import { createSessions, type SessionsOptions } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { login } from "../support/login.ts";
import type { Data } from "../support/set-up.ts";
import { SECRET } from "../support/stores.ts";
import { type PageFarm, startPageFarm } from "./page-farm.ts";
import { VALUE } from "./page-process.ts";
import { axeFindings, findOwner, until, verdict, visitors } from "./page-visitor.ts";

const PHONE = { width: 360, height: 740 };

const visit = visitors();

const isTooWide = (page: Page) =>
  page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth");

describe("the page of a farm", () => {
  let farm: PageFarm;
  before(async () => {
    farm = await startPageFarm("web-1", "web-2", "web-3");
  });
  after(() => farm?.stop());

  test("shows all servers, and counts the sessions and requests of all of them", async () => {
    const page = await visit(farm);
    await until(page, `document.querySelectorAll(".node.server.up").length === 3`);
    await verdict(page, /Everything works/);
    const alive = async () => Number(await page.textContent(".figures div:nth-child(4) .value"));
    await until(page, `/^\\d+$/.test(document.querySelector(".figures div:nth-child(4) .value").textContent)`);
    const before = await alive();
    for (let i = 0; i < 6; i++) await farm.signIn("counted", "Firefox");
    await until(
      page,
      `Number(document.querySelector(".figures div:nth-child(4) .value").textContent) === ${before + 6}`,
    );
    await until(
      page,
      `[...document.querySelectorAll(".lists dt")].find((dt) => dt.textContent === "Begun").nextSibling.textContent === "6"`,
    );
    assert.equal(await page.title(), "shop · console");
  });

  test("finds an owner's sessions, shows the record of one, ends it, and ends all", async () => {
    const page = await visit(farm);
    const [laptop] = [await farm.signIn("ann", "Firefox on Linux"), await farm.signIn("ann", "Safari on iPhone")];
    await findOwner(page, "ann");
    await page.waitForSelector(".sessions li");
    assert.deepEqual((await page.locator(".sessions li strong").allTextContents()).sort(), [
      "Firefox on Linux",
      "Safari on iPhone",
    ]);
    assert.match((await page.locator(".sessions li").first().textContent())!, /192\.0\.2\.7 · \d+ s ago/);

    await page.click('button[aria-label="Record of Firefox on Linux"]');
    const record = page.locator(".ticket");
    await record.waitFor();
    const text = (await record.textContent())!;
    assert.ok(text.includes(laptop));
    for (const part of ["ann", "Firefox on Linux", "192.0.2.7", "note", "What a stranger sees"]) assert.ok(text.includes(part), part); // biome-ignore format: one line
    assert.equal((await page.content()).includes(VALUE), false);

    await page.getByRole("button", { name: "All of this owner" }).click();
    await page.waitForSelector(".sessions li");
    await page.click('button[aria-label="Record of Firefox on Linux"]');
    await page.getByRole("button", { name: "End this session" }).click();
    await page.click("dialog .danger");
    await page.getByText("1 session ended.").waitFor();
    await page.getByText("There is no session with this id.").waitFor();

    await findOwner(page, "ann");
    await page.click(".sessions header button");
    await page.click("dialog .danger");
    await page.getByText("1 session ended.").waitFor();
    await page.getByText("ann has no session.").waitFor();
  });

  test("can be used by keyboard alone, and keeps the focus", async () => {
    const page = await visit(farm);
    await farm.signIn("kay", "Firefox on Linux");
    const focused = () => page.evaluate("document.activeElement.textContent || document.activeElement.id");
    const tabTo = async (wanted: string) => {
      for (let i = 0; i < 20 && (await focused()) !== wanted; i++) await page.keyboard.press("Tab");
      assert.equal(await focused(), wanted);
    };
    await tabTo("wanted");
    await page.keyboard.type("kay");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".sessions li");
    await tabTo("End");
    await page.keyboard.press("Enter");
    await page.waitForSelector("dialog[open]");
    assert.equal(await focused(), "Keep");
    await page.keyboard.press("Escape");
    await page.waitForSelector("dialog", { state: "detached" });
    assert.equal(await focused(), "End");
    await page.keyboard.press("Enter");
    await page.waitForSelector("dialog[open]");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.getByText("kay has no session.").waitFor();
    assert.equal(await focused(), "Find sessions");
  });

  test("says what is wrong with a question", async () => {
    const page = await visit(farm);
    await page.click('input[name="kind"] >> nth=1');
    await findOwner(page, "no id");
    await page.getByText("This is not the public id of a session.").waitFor();
    await page.click('input[name="kind"] >> nth=0');
    await findOwner(page, "nobody");
    await page.getByText("nobody has no session.").waitFor();
    assert.equal(await page.textContent(".error"), "");
  });

  for (const colorScheme of ["light", "dark"] as const) {
    test(`axe-core finds nothing, ${colorScheme}, on a desktop and on a phone`, async () => {
      await farm.signIn("axel", "Firefox on Linux");
      for (const viewport of [{ width: 1280, height: 900 }, PHONE]) {
        const page = await visit(farm, { viewport, colorScheme });
        assert.deepEqual(await axeFindings(page), []);
        await findOwner(page, "axel");
        await page.waitForSelector(".sessions li");
        assert.deepEqual(await axeFindings(page), []);
        await page.click(".sessions header button");
        await page.waitForSelector("dialog[open]");
        assert.deepEqual(await axeFindings(page), []);
        await page.keyboard.press("Escape");
        await page.click('button[aria-label="Record of Firefox on Linux"]');
        await page.waitForSelector(".ticket");
        assert.deepEqual(await axeFindings(page), []);
      }
    });
  }

  test("is not wider than a phone", async () => {
    await farm.signIn("a name of forty letters, which is long ok", "A device with a long name on an old machine");
    const page = await visit(farm, { viewport: PHONE });
    assert.equal(await isTooWide(page), false);
    await findOwner(page, "a name of forty letters, which is long ok");
    await page.click(".sessions li button");
    await page.waitForSelector(".ticket");
    assert.equal(await isTooWide(page), false);
  });

  test("moves with the traffic, unless its user wants no motion", async () => {
    const isDrawn = `(() => {
      const { width, height } = document.querySelector("canvas.dots");
      const { data } = document.querySelector("canvas.dots").getContext("2d").getImageData(0, 0, width, height);
      return data.some((value) => value > 0);
    })()`;
    const [moving, still] = [await visit(farm), await visit(farm, { reducedMotion: "reduce" })];
    let isOver = false;
    const traffic = (async () => {
      while (!isOver) await farm.request("/");
    })();
    await until(moving, isDrawn);
    // It has the same traffic.
    await until(still, `!/^0 /.test(document.querySelector(".node small").textContent)`);
    const drawn = await still.evaluate(isDrawn);
    isOver = true;
    await traffic;
    assert.equal(drawn, false);
  });
});

describe("the page of one server", () => {
  /** Serves the console of these sessions, in this process. */
  async function serve(t: TestContext, options: SessionsOptions<Data>) {
    await buildConsolePage();
    const sessions = createSessions<Data>({ secret: SECRET, sweepInterval: false, ...options });
    const { node } = webConsole(sessions, { authorize: () => true, name: "web-1" });
    const server = createServer((req, res) => void node(req, res)).listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(async () => {
      await sessions.close();
      server.close();
    });
    return { sessions, console: `http://127.0.0.1:${(server.address() as AddressInfo).port}/console/` };
  }

  test("says that its store can't list sessions, and finds one by its id", async (t) => {
    const { list: _, ...store } = memory();
    const served = await serve(t, { store });
    const browser = await login(served.sessions, "ann");
    const { id } = await browser.open("readonly");
    const page = await visit(served);
    await page.getByText("This store can't list sessions").waitFor();
    assert.equal(await page.isDisabled("form button"), true);
    assert.match((await page.textContent(".figures div:nth-child(4)"))!, /–this store can't list/);
    await page.click('input[name="kind"] >> nth=1');
    await findOwner(page, id);
    await page.locator(".ticket", { hasText: id }).waitFor();
    assert.deepEqual(await axeFindings(page), []);
  });

  test("says that a session which only its ticket opens is sealed", async (t) => {
    const served = await serve(t, { store: memory(), encryption: "ticket" });
    await login(served.sessions, "ann", { note: VALUE });
    const page = await visit(served);
    await findOwner(page, "ann");
    await page.click('button[aria-label="Record of an unknown device"]');
    await page
      .locator(".ticket", { hasText: "Sealed: it takes its browser's ticket to open it, or another secret." })
      .waitFor();
    assert.deepEqual(await axeFindings(page), []);
  });

  test("shows no value that is not encrypted, and says that a stranger can read it", async (t) => {
    const served = await serve(t, { store: memory(), encryption: "off" });
    await login(served.sessions, "ann", { note: VALUE });
    const page = await visit(served);
    await findOwner(page, "ann");
    await page.click('button[aria-label="Record of an unknown device"]');
    await page.locator(".ticket", { hasText: "It is not encrypted, so it is not shown here." }).waitFor();
    const text = await page.content();
    assert.equal(text.includes(VALUE) || text.includes(Buffer.from(VALUE).toString("hex").slice(0, 8)), false);
  });
});

describe("the built page", () => {
  before(buildConsolePage);

  test("is under 100 KB gzipped, with nothing inline", () => {
    const dist = new URL("../../dist/console/", import.meta.url);
    const html = readFileSync(new URL("index.html", dist), "utf8");
    const assets = [...html.matchAll(/(?:src|href)="(\.\/[^"]+)"/g)].map(([, path]) =>
      readFileSync(new URL(path!, dist)),
    );
    assert.ok(assets.length >= 3);
    const sizes = [Buffer.from(html), ...assets].map((content) => gzipSync(content).length);
    const size = sizes.reduce((sum, one) => sum + one, 0);
    assert.ok(size < 100_000, `${size} bytes`);
    assert.doesNotMatch(html, /<style|<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=/);
    assert.doesNotMatch(html, /(src|href)="(\/|\w+:)/);
  });
});
