// Logs users in, each in a browser with its own session.

import type { Sessions } from "../../src/index.ts";
import { Browser } from "./browser.ts";
import type { Data } from "./set-up.ts";

/** A browser that is logged in as this owner. */
export async function login(sessions: Sessions<Data>, owner: string, data: Data = {}): Promise<Browser<Data>> {
  const browser = new Browser(sessions);
  await browser.request((session) => {
    session.owner = owner;
    Object.assign(session.data, data);
  });
  return browser;
}

/** True if the browser's session has not ended. */
export async function isAlive(browser: Browser<Data>): Promise<boolean> {
  return !(await browser.open("readonly")).isNew;
}
