import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import type { Session, SessionsOptions } from "../../src/index.ts";
import { memory } from "../../src/stores/memory.ts";
import { Browser } from "./browser.ts";
import { type Data, setUp } from "./set-up.ts";
import { watched } from "./stores.ts";

/** Milliseconds: the shortest that there is. */
export const LEASE = 1_000;

/** Servers of one farm, and a browser whose session holds `n: 0`. */
export async function farm(
  servers: number,
  exclusive: SessionsOptions<Data>["exclusive"] = {},
  options: SessionsOptions<Data> = {},
  inner = memory(),
) {
  const store = watched(inner);
  const all = Array.from({ length: servers }, () =>
    setUp({ exclusive: { lease: LEASE, ...exclusive }, ...options }, store),
  );
  const browser = new Browser<Data>(...all.map(({ sessions }) => sessions));
  await browser.request((session) => session.set("n", 0));
  store.calls.length = 0;
  /** On a server of the test's choice; `browser.open` goes round them. */
  const openAt = (server: number): Promise<Session<Data>> =>
    all[server]!.sessions.open(browser.cookie, { mode: "exclusive" });
  return { store, browser, servers: all, openAt };
}

/** Reads, takes its time, and writes what follows: wrong unless it is alone. */
export async function increment(browser: Browser<Data>): Promise<void> {
  const session = await browser.open("exclusive");
  const n = session.get("n") as number;
  await turn();
  session.set("n", n + 1);
  await session.commit();
}

export async function settledWithin(promise: Promise<unknown> | unknown[], milliseconds: number): Promise<boolean> {
  const settled = Promise.resolve(promise).then(
    () => true,
    () => true,
  );
  return Promise.race([settled, sleep(milliseconds, false)]);
}
