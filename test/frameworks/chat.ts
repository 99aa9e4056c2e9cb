// The chat of examples/chat: two servers, three browsers, and a logout that closes it everywhere.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { WebSocket } from "ws";
import { openBrowser } from "../../demo/drive.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";
import { installExample, removeExample, runScript, startExample } from "./install.ts";

let folder: string;
let redis: RedisServer;
let browser: Browser;
let servers: Awaited<ReturnType<typeof startExample>>[];
let contexts: BrowserContext[] = [];

before(async () => {
  folder = installExample("chat");
  redis = await startRedis();
  browser = await openBrowser();
  const env = { REDIS_URL: redis.url, SESSION_SECRET: "a secret for the tests of examples" };
  servers = [await startExample(folder, env), await startExample(folder, env)];
});
after(async () => {
  await browser?.close();
  for (const server of servers ?? []) await server.stop();
  await redis?.stop();
  removeExample(folder);
});

test("its types know the session's data", () => runScript(folder, "typecheck"));

describe("the chat in browsers", () => {
  after(() => closeAll());

  async function closeAll(): Promise<void> {
    for (const context of contexts) await context.close();
    contexts = [];
  }

  /** Another device: a browser with cookies of its own. */
  async function device(): Promise<BrowserContext> {
    const context = await browser.newContext();
    contexts.push(context);
    return context;
  }

  async function signIn(context: BrowserContext, server: number, user: string): Promise<Page> {
    const page = await context.newPage();
    await page.goto(servers[server]!.url);
    await page.fill("#user", user);
    await page.click("[data-form=login] button");
    await isIn(page);
    return page;
  }

  const isIn = (page: Page) => page.waitForSelector('[data-state="connected"]');
  const isOut = (page: Page) => page.waitForSelector("[data-form=login]", { timeout: 10_000 });

  async function says(page: Page, text: string): Promise<void> {
    await page.fill("#text", text);
    await page.click("#say button");
  }

  async function hears(page: Page, user: string, text: string): Promise<void> {
    await page.waitForFunction(
      `[...document.querySelectorAll("#messages li")].some((one) => one.textContent === ${JSON.stringify(`${user} ${text}`)})`,
    );
  }

  test("sign out everywhere closes it on all devices of the user, on both servers, and on no other", async (t) => {
    const [laptop, phone, other] = [await device(), await device(), await device()];
    const onLaptop = await signIn(laptop, 0, "ann");
    const onPhone = await signIn(phone, 1, "ann");
    const stranger = await signIn(other, 1, "bob <b>");
    await says(onLaptop, "from the laptop");
    for (const page of [onLaptop, onPhone, stranger]) await hears(page, "ann", "from the laptop");
    await says(stranger, "<i>hello</i>");
    await hears(onLaptop, "bob <b>", "<i>hello</i>");

    const started = performance.now();
    await Promise.all([onPhone.click("[data-form=logout-everywhere] button"), isOut(onLaptop)]);
    t.diagnostic(`the laptop was signed out ${(performance.now() - started).toFixed()} ms after the phone's click`);
    await isOut(onPhone);
    await says(stranger, "still here");
    await hears(stranger, "bob <b>", "still here");
    assert.equal(await stranger.textContent("[data-user]"), "bob <b>");
  });

  test("sign out in one tab reaches all tabs of its browser, and no other device", async () => {
    const [laptop, phone] = [await device(), await device()];
    const first = await signIn(laptop, 0, "carol");
    const onPhone = await signIn(phone, 0, "carol");
    const tabs: Page[] = [];
    // Cookies know no ports: the tabs of both servers have the same session.
    for (const { url } of servers) {
      const tab = await laptop.newPage();
      await tab.goto(url);
      await isIn(tab);
      tabs.push(tab);
    }
    await first.click("[data-form=logout] button");
    for (const tab of tabs) await isOut(tab);
    await says(onPhone, "on my own");
    await hears(onPhone, "carol", "on my own");
  });

  test("another login in a tab replaces the session, and the other tabs connect again", async () => {
    const laptop = await device();
    const first = await signIn(laptop, 0, "dora");
    await first.request.post(`${servers[1]!.url}/login`, { form: { user: "erin" } });
    // The page hears a moment later that its session was replaced, and connects again.
    await first.waitForFunction(`document.querySelector("[data-user]").textContent === "erin"`);
    await isIn(first);
    await says(first, "who am I?");
    await hears(first, "erin", "who am I?");
  });

  test("a page of another origin, and a client that is not signed in, may not connect", async () => {
    const laptop = await device();
    const page = await signIn(laptop, 0, "fay");
    const [cookie] = await page.context().cookies();
    const url = servers[0]!.url;
    const attempt = (origin: string, cookies?: string) =>
      new Promise<number | string>((resolve) => {
        const socket = new WebSocket(url.replace("http", "ws"), {
          origin,
          headers: cookies ? { cookie: cookies } : {},
        });
        socket.on("open", () => {
          resolve("open");
          socket.close();
        });
        socket.on("unexpected-response", (_request, { statusCode }) => {
          resolve(statusCode!);
          socket.terminate();
        });
        socket.on("error", () => {});
      });
    const own = `${cookie!.name}=${cookie!.value}`;
    assert.equal(await attempt(url, own), "open");
    assert.equal(await attempt("https://elsewhere.example", own), 401);
    assert.equal(await attempt(url), 401);
  });
});
