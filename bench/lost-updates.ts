// Counts the updates that survive concurrent requests to one session.
import { CookieJar } from "./cookies.ts";
import { browserWith, type RunningEntrant } from "./entrant.ts";
import { request } from "./scenarios.ts";

const WRITES = 50;
const INCREMENTS = 100;

/** What is left of concurrent writes to one session. */
export interface Survivors {
  /** Keys left of 50 requests that each write a different key. */
  keys: number;
  /** Increments left of 100 requests that each increment the same key. */
  increments: number;
}

/** Every request is answered with 200, so the user expects all of them to count. */
export async function countSurvivors(running: RunningEntrant): Promise<Survivors> {
  const writes = Array.from({ length: WRITES }, (_, i) => `/slow-set/slot${i}`);
  const written = await afterBurst(running, writes);
  const counted = await afterBurst(running, Array<string>(INCREMENTS).fill("/slow-change"));
  return {
    keys: Object.keys(written).filter((key) => key.startsWith("slot")).length,
    increments: counted.views as number,
  };
}

async function afterBurst(running: RunningEntrant, paths: string[]): Promise<Record<string, unknown>> {
  const [began] = (await running.burst([request("/new")], { cookie: true })).setCookies;
  const browser = new CookieJar(browserWith(began!));
  const before = browser.header;
  const { setCookies } = await running.burst(paths.map((path) => request(path, before)));
  for (const setCookie of setCookies.flat()) browser.take(setCookie);
  return running.contents(browser.header);
}
