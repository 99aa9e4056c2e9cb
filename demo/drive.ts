// Opens the demo and a browser, for the test and the screenshot.
import { fork } from "node:child_process";
import { once } from "node:events";
import { type Browser, chromium, type Page } from "playwright-core";

export interface RunningFarm {
  readonly url: string;
  /** Stops the farm as Ctrl-C does. */
  stop(): Promise<void>;
}

/** Starts the farm on a free port, as `npm run demo -- …args` does. Resolves when it takes requests. */
export async function openFarm(...args: string[]): Promise<RunningFarm> {
  const farm = fork(new URL("./farm.ts", import.meta.url), ["--port", "0", ...args], { stdio: "pipe" });
  const ended = once(farm, "exit");
  let printed = "";
  const url = await new Promise<string>((resolve, reject) => {
    for (const stream of [farm.stdout!, farm.stderr!]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        printed += text;
        const [url] = /http:\S+(?=\s)/.exec(printed) ?? [];
        if (url !== undefined) resolve(url);
      });
    }
    ended.then(() => reject(new Error(`the farm exited before it took requests:\n${printed}`)));
  });
  return {
    url,
    async stop() {
      farm.kill("SIGINT");
      await ended;
    },
  };
}

/** Debian's Chromium with a new profile and without background requests. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** Clicks, and waits for the next page, whether a script puts it in place or the browser loads it. */
export async function click(page: Page, selector: string): Promise<void> {
  await page.evaluate("document.body.dataset.seen = ''");
  await page.click(selector);
  await page.waitForSelector("body:not([data-seen])", { state: "attached" });
}
