// The account page of examples/account, in Chromium: devices are browsers, and the server's clock is set by the tests.

import assert from "node:assert/strict";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { openBrowser } from "../../demo/drive.ts";
import { listen } from "../adapters/apps.ts";
import { installExample, removeExample, runScript, startExample } from "./install.ts";

const MINUTE = 60_000;
const DAY = 86_400_000;
const PASSWORD = "coat-check";
const PHONE = {
  viewport: { width: 360, height: 740 },
  userAgent:
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Mobile Safari/604.1",
};
const LAPTOP = { userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0" };
const basics = readFileSync(new URL("page-basics.js", import.meta.url), "utf8");

let folder: string;
let browser: Browser;
let app: Awaited<ReturnType<typeof startExample>>;
let contexts: BrowserContext[] = [];
/** What a user would see in the console. Forms that are refused are not wrong. */
let faults: string[] = [];
let time = 0;

before(async () => {
  folder = installExample("account");
  tick(0);
  browser = await openBrowser();
  const clock = pathToFileURL(join(folder, "clock.ts")).href;
  app = await startExample(folder, { NODE_OPTIONS: `--import=${clock}`, CLOCK: join(folder, "clock") });
});
after(async () => {
  await browser?.close();
  await app?.stop();
  removeExample(folder);
});
// All sessions of the test before have ended, those that are remembered, too.
beforeEach(() => tick(40 * DAY));
afterEach(async () => {
  for (const context of contexts) await context.close();
  const seen = faults;
  [contexts, faults] = [[], []];
  assert.deepEqual(seen, []);
});

/** Sets the server's clock forward. It reads the file at any moment, so the file is replaced in one step. */
function tick(milliseconds: number): void {
  time += milliseconds;
  const file = join(folder, "clock");
  writeFileSync(`${file}.next`, String(time));
  renameSync(`${file}.next`, file);
}

/** Another device: a browser with cookies of its own, at the first page. */
async function device(options: BrowserContextOptions = LAPTOP): Promise<Page> {
  const context = await browser.newContext(options);
  contexts.push(context);
  return tab(context);
}

async function tab(context: BrowserContext): Promise<Page> {
  const page = await context.newPage();
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error" && !/status of 4(22|03)/.test(message.text())) faults.push(message.text());
  });
  await page.goto(app.url);
  return page;
}

/** Clicks what loads the next page. */
async function click(page: Page, selector: string): Promise<void> {
  await Promise.all([page.waitForEvent("load"), page.click(selector)]);
}

const submit = (page: Page, form: string) => click(page, `[data-form="${form}"] button`);

async function signIn(page: Page, user: string, { password = PASSWORD, remember = false } = {}): Promise<void> {
  await page.fill("#user", user);
  await page.fill("#password", password);
  if (remember) await page.check("[name=remember]");
  await submit(page, "login");
}

const title = async (page: Page) => (await page.textContent("h1"))!;
async function isSignedIn(page: Page): Promise<boolean> {
  await page.goto(app.url);
  return (await page.$("[data-form=login]")) === null;
}
/** Rows of a list, as a user reads them. */
async function rows(page: Page, attribute: "data-device" | "data-account"): Promise<string[]> {
  const texts = await page.locator(`[${attribute}]`).allTextContents();
  return texts.map((text) => text.replace(/\s+/g, " ").trim());
}
const ticketOf = async (page: Page) => (await page.context().cookies()).find(({ name }) => name === "sid");
const inRow = (attribute: string, text: string, form: string) =>
  `[${attribute}]:has-text("${text}") [data-form="${form}"] button`;

test("its types know the session's data", () => runScript(folder, "typecheck"));

describe("signing in", () => {
  test("a wrong password or name is refused with the same message", async () => {
    const page = await device();
    for (const [user, password] of [
      ["ann", "wrong"],
      ["nobody", PASSWORD],
    ] as const) {
      await signIn(page, user, { password });
      assert.equal(await page.textContent("[role=alert]"), "That is not the name and password.");
      assert.equal(await ticketOf(page), undefined);
    }
    await signIn(page, "Ann");
    assert.equal(await title(page), "Ann’s account");
  });

  test("remember me keeps a device signed in for a month, and no other", async () => {
    const [phone, laptop] = [await device(PHONE), await device()];
    await signIn(phone, "ann", { remember: true });
    await signIn(laptop, "ann");
    const inDays = ((await ticketOf(phone))!.expires * 1000 - Date.now()) / DAY;
    assert.ok(inDays > 29 && inDays <= 30, `the cookie stays for ${inDays} days`);
    assert.equal((await ticketOf(laptop))!.expires, -1);
    tick(60 * MINUTE);
    assert.deepEqual([await isSignedIn(phone), await isSignedIn(laptop)], [true, false]);
    assert.deepEqual(await rows(phone, "data-device"), ["Safari on iPhone 127.0.0.1, now, remembered this device"]);
    tick(31 * DAY);
    assert.equal(await isSignedIn(phone), false);
  });

  test("a remembered device gets the next ticket in passing, and its open pages go on", async () => {
    const page = await device();
    await signIn(page, "ann", { remember: true });
    const former = (await ticketOf(page))!.value;
    tick(8 * DAY);
    const other = await tab(page.context());
    assert.notEqual((await ticketOf(page))!.value, former);
    assert.equal(await title(other), "Ann’s account");
    await submit(page, "devices/end-others"); // with the page's token, which was made for the former ticket
    assert.equal(await page.textContent("[role=status]"), "Signed out on 0 other devices.");
  });
});

describe("devices", () => {
  test("one is signed out by another one, then all others, then all", async () => {
    const [laptop, phone, tablet] = [
      await device(),
      await device(PHONE),
      await device({ userAgent: "Chrome/150 iPad" }),
    ];
    for (const page of [laptop, phone, tablet]) await signIn(page, "ann");
    tick(5 * MINUTE);
    assert.equal(await isSignedIn(phone), true);
    await laptop.reload();
    const list = await rows(laptop, "data-device");
    assert.equal(list[0], "Firefox on Linux 127.0.0.1, now this device");
    assert.match(list[1]!, /^Safari on iPhone 127\.0\.0\.1, (just now|\d+ minutes? ago) Sign out$/);
    assert.match(list[2]!, /^Chrome on iPad 127\.0\.0\.1, \d+ minutes ago Sign out$/);
    await click(laptop, inRow("data-device", "iPhone", "devices/end"));
    assert.equal((await rows(laptop, "data-device")).length, 2);
    assert.deepEqual([await isSignedIn(phone), await isSignedIn(tablet)], [false, true]);
    await signIn(phone, "ann");
    await submit(laptop, "devices/end-others");
    assert.equal(await laptop.textContent("[role=status]"), "Signed out on 2 other devices.");
    assert.deepEqual([await isSignedIn(phone), await isSignedIn(tablet)], [false, false]);
    await signIn(phone, "ann");
    await submit(phone, "devices/end-all");
    assert.deepEqual([await isSignedIn(phone), await isSignedIn(laptop)], [false, false]);
  });

  test("nobody signs out another user's device", async () => {
    const [victim, attacker] = [await device(), await device()];
    await signIn(victim, "ann");
    await signIn(attacker, "ben");
    const [id] = await victim
      .locator("[data-device]")
      .evaluateAll((all) => all.map((one) => one.getAttribute("data-device")));
    const token = await attacker.inputValue("[name=_csrf] >> nth=0");
    const answer = await attacker.request.post(`${app.url}/devices/end`, {
      form: { _csrf: token, account: "ben", id: id! },
    });
    assert.equal(answer.status(), 200);
    assert.equal(await isSignedIn(victim), true);
    assert.equal((await rows(victim, "data-device")).length, 1);
  });

  test("the sixth login ends the session that is the oldest", async () => {
    const pages: Page[] = [];
    for (let i = 0; i < 6; i++) {
      pages.push(await device());
      await signIn(pages[i]!, "ann");
      tick(1000);
    }
    assert.equal((await rows(pages[5]!, "data-device")).length, 5);
    assert.equal(await isSignedIn(pages[0]!), false);
    assert.equal(await isSignedIn(pages[1]!), true);
  });
});

describe("the password", () => {
  test("a new one signs out the other devices, and this one goes on under a new ticket", async () => {
    const [laptop, phone] = [await device(), await device(PHONE)];
    await signIn(laptop, "cleo");
    await signIn(phone, "cleo", { remember: true });
    const former = await ticketOf(laptop);
    await click(laptop, 'a[href="/password"]');
    await laptop.fill("#password", "short");
    await submit(laptop, "password");
    assert.equal(await laptop.textContent("[role=alert]"), "Take eight characters or more.");
    await laptop.fill("#password", "another coat");
    await submit(laptop, "password");
    assert.equal(await title(laptop), "Cleo’s account");
    assert.match((await laptop.textContent("[role=status]"))!, /changed\. Signed out on 1 other device\./);
    assert.notEqual((await ticketOf(laptop))!.value, former!.value);
    assert.equal(await isSignedIn(phone), false);
    await signIn(phone, "cleo");
    assert.equal(await phone.textContent("[role=alert]"), "That is not the name and password.");
    await signIn(phone, "cleo", { password: "another coat" });
    assert.equal(await title(phone), "Cleo’s account");
    assert.equal(await isSignedIn(laptop), true);
  });

  test("is asked for again when the login is older than five minutes", async () => {
    const page = await device();
    await signIn(page, "ben");
    tick(6 * MINUTE);
    await click(page, 'a[href="/password"]');
    assert.equal(await title(page), "Is it still you?");
    await page.fill("#password", "wrong");
    await submit(page, "confirm");
    assert.equal(await page.textContent("[role=alert]"), "That is not your password.");
    await page.fill("#password", PASSWORD);
    await submit(page, "confirm");
    assert.equal(await title(page), "A new password");
    // A page that was left open for too long changes nothing.
    tick(6 * MINUTE);
    await page.fill("#password", "of somebody else");
    await submit(page, "password");
    assert.equal(await title(page), "Is it still you?");
    await page.fill("#password", PASSWORD);
    await submit(page, "confirm");
    assert.equal(await title(page), "A new password");
  });
});

describe("accounts in one browser", () => {
  test("are added, switched, and signed out of one by one or all together", async () => {
    const page = await device();
    await signIn(page, "ann");
    await submit(page, "accounts/add");
    assert.equal(await title(page), "Your account");
    assert.deepEqual(await rows(page, "data-account"), ["Ann Switch Sign out"]);
    await signIn(page, "ben");
    assert.equal(await title(page), "Ben’s account");
    assert.deepEqual(await rows(page, "data-account"), ["Ben active Sign out", "Ann Switch Sign out"]);
    await click(page, inRow("data-account", "Ann", "accounts/switch"));
    assert.equal(await title(page), "Ann’s account");
    // Nobody is active then, and the page asks who goes on.
    await click(page, inRow("data-account", "Ann", "accounts/end"));
    assert.equal(await title(page), "Your account");
    assert.deepEqual(await rows(page, "data-account"), ["Ben Switch Sign out"]);
    await click(page, inRow("data-account", "Ben", "accounts/switch"));
    await submit(page, "accounts/add");
    await signIn(page, "ann");
    await submit(page, "accounts/end-all");
    assert.deepEqual([await title(page), await rows(page, "data-account")], ["Your account", []]);
    assert.deepEqual(await page.context().cookies(), []);
  });

  test("a user who signs in again has one account in this browser, and one device", async () => {
    const page = await device();
    await signIn(page, "ann");
    await submit(page, "accounts/add");
    await signIn(page, "ann");
    assert.deepEqual(await rows(page, "data-account"), ["Ann active Sign out"]);
    assert.equal((await rows(page, "data-device")).length, 1);
  });

  test("a page that was open before a switch changes nothing in the other account", async () => {
    const page = await device();
    await signIn(page, "ann");
    await submit(page, "accounts/add");
    await signIn(page, "ben");
    await page.goto(`${app.url}/password`);
    await page.fill("#password", "for ben alone");
    const other = await tab(page.context());
    await click(other, inRow("data-account", "Ann", "accounts/switch"));
    await submit(page, "password");
    assert.equal(await title(page), "Ann’s account");
    assert.equal(await page.textContent("[role=status]"), "Nothing was changed: the page was another account’s.");
    for (const [user, name] of Object.entries({ ann: "Ann", ben: "Ben" })) {
      const one = await device();
      await signIn(one, user);
      assert.equal(await title(one), `${name}’s account`);
    }
  });

  test("the account of one is not touched by what ends the sessions of the other", async () => {
    const [page, other] = [await device(), await device()];
    await signIn(page, "ann");
    await submit(page, "accounts/add");
    await signIn(page, "ben");
    await signIn(other, "ben");
    await submit(other, "devices/end-all");
    await page.reload();
    assert.deepEqual(await rows(page, "data-account"), ["Ann Switch Sign out"]);
  });
});

describe("tokens of the OAuth server", () => {
  async function calls(page: Page): Promise<string> {
    await page.click("#call");
    await page.waitForSelector("output:has-text('answered')");
    return (await page.textContent("output"))!;
  }
  const answered = (refreshes: string) =>
    `10 of 10 calls were answered. Since you signed in, the provider has seen ${refreshes}.`;

  test("are refreshed once by parallel calls of one page, and of two", async () => {
    const page = await device();
    await signIn(page, "ann");
    assert.equal(await calls(page), answered("0 refreshes"));
    await submit(page, "tokens/expire");
    assert.equal(await page.textContent("output"), "The access token has expired.");
    assert.equal(await calls(page), answered("1 refresh"));
    assert.equal(await calls(page), answered("1 refresh"));
    const other = await tab(page.context());
    tick(15 * MINUTE);
    const both = await Promise.all([calls(page), calls(other)]);
    assert.deepEqual(both, [answered("2 refreshes"), answered("2 refreshes")]);
  });

  test("are lost by a second use of a refresh token: this server is as strict as real ones", async () => {
    const { startProvider } = await import(pathToFileURL(join(folder, "provider.ts")).href);
    const url = await startProvider();
    const ask = async (fields: Record<string, string>) => {
      const answer = await fetch(`${url}/token`, { method: "POST", body: new URLSearchParams(fields) });
      return { status: answer.status, ...((await answer.json()) as Record<string, string>) };
    };
    const first = await ask({ grant_type: "authorization_code", code: "ann" });
    const again = { grant_type: "refresh_token", refresh_token: first.refresh_token! };
    const next = await ask(again);
    assert.equal(next.status, 200);
    assert.equal((await ask(again)).status, 400);
    assert.equal((await ask({ ...again, refresh_token: next.refresh_token! })).status, 400);
    const headers = { authorization: `Bearer ${next.access_token}` };
    assert.equal((await fetch(`${url}/orders`, { headers })).status, 401);
  });
});

describe("forms", () => {
  test("of another origin are refused, although the browser sends the cookie", async (t) => {
    const page = await device();
    await signIn(page, "ann");
    const evil = await listen(
      createServer((_req, res) => {
        res.setHeader("Content-Type", "text/html");
        res.end(`<form method="post" action="${app.url}/devices/end-all"><button>Win a coat</button></form>`);
      }),
    );
    t.after(() => evil.close());
    // Another port is another origin, and the same site: the cookie goes along.
    await page.goto(evil.url.replace("127.0.0.1", "localhost"));
    const [answer] = await Promise.all([page.waitForResponse(`${app.url}/devices/end-all`), click(page, "button")]);
    assert.match((await answer.request().allHeaders()).cookie ?? "", /^sid=/);
    assert.equal(answer.status(), 403);
    assert.equal(await isSignedIn(page), true);
  });

  test("of a browser that does not say where they come from need the token, which each of them has", async () => {
    const page = await device();
    await signIn(page, "ann");
    const tokens = await page.locator("form [name=_csrf]").count();
    assert.equal(tokens, await page.locator("form").count());
    const cookie = `sid=${(await ticketOf(page))!.value}`;
    const send = async (_csrf: string) => {
      const body = new URLSearchParams({ _csrf, account: "ann" });
      const init = { method: "POST", body, headers: { cookie }, redirect: "manual" } as const;
      return (await fetch(`${app.url}/devices/end-others`, init)).status;
    };
    assert.equal(await send(""), 403);
    assert.equal(await send(await page.inputValue("[name=_csrf] >> nth=0")), 303);
  });

  test("work without JavaScript", async () => {
    const page = await device({ ...LAPTOP, javaScriptEnabled: false });
    await signIn(page, "ann", { remember: true });
    await submit(page, "accounts/add");
    await signIn(page, "ben");
    await click(page, inRow("data-account", "Ann", "accounts/switch"));
    await click(page, 'a[href="/password"]');
    assert.equal(await title(page), "A new password");
    await click(page, 'a[href="/"]');
    assert.equal(await page.isVisible("#call"), false);
    assert.equal(await page.isVisible("noscript p"), true);
    await submit(page, "devices/end-all");
    assert.equal(await title(page), "Your account");
  });

  test("work by keyboard, and show where it is", async () => {
    const page = await device();
    const outline = () =>
      page.evaluate<string>("getComputedStyle(document.activeElement).outlineStyle + document.activeElement.localName");
    const press = async (key: string) => {
      await page.keyboard.press(key);
      return outline();
    };
    assert.equal(await press("Tab"), "solidinput");
    await page.keyboard.type("ann");
    await press("Tab");
    await page.keyboard.type(PASSWORD);
    assert.equal(await press("Tab"), "solidinput");
    await press("Space");
    assert.equal(await page.isChecked("[name=remember]"), true);
    assert.equal(await press("Tab"), "solidbutton");
    await Promise.all([page.waitForEvent("load"), page.keyboard.press("Enter")]);
    assert.equal(await title(page), "Ann’s account");
    const seen = new Set<string>();
    for (const control of await page.locator("main button:visible, main a:visible").all()) {
      seen.add(await press("Tab"));
      assert.equal(await control.evaluate((one) => one === one.ownerDocument.activeElement), true);
    }
    assert.deepEqual(seen, new Set(["solidbutton", "solida"]));
  });
});

describe("the pages", () => {
  for (const colorScheme of ["light", "dark"] as const) {
    for (const [size, options] of Object.entries({ "a phone": PHONE, "a desktop": LAPTOP })) {
      test(`are readable and fit ${size}, ${colorScheme}`, async () => {
        const page = await device({ ...options, colorScheme });
        const isGood = async () => assert.deepEqual(await page.evaluate(basics), [], await title(page));
        await isGood();
        await signIn(page, "ann", { password: "wrong" });
        await isGood();
        await signIn(page, "ann", { remember: true });
        await submit(page, "accounts/add");
        await isGood();
        await signIn(page, "ben");
        await signIn(await device(options), "ben");
        await submit(page, "tokens/expire");
        await submit(page, "devices/end-others");
        await signIn(await device(options), "ben");
        await page.click("#call");
        await page.waitForSelector("output:has-text('answered')");
        await isGood();
        await page.goto(`${app.url}/password`);
        await isGood();
        await page.goto(`${app.url}/confirm`);
        await isGood();
      });
    }
  }

  test("allow nothing but their own files", async () => {
    const { headers } = await fetch(app.url);
    const policy = headers.get("content-security-policy") ?? "";
    assert.match(policy, /^default-src 'none'/);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
    assert.equal(headers.get("set-cookie"), null);
  });
});
