import assert from "node:assert/strict";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import type { Session, SessionsOptions } from "../../src/index.ts";
import { memory } from "../../src/stores/memory.ts";
import { Browser } from "./browser.ts";
import { type Data, named, setUp } from "./set-up.ts";
import { type Operation, type WatchedStore, watched } from "./stores.ts";

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

/** The next call of this kind waits in front of the store until it is let through. */
export function stall(store: WatchedStore, operation: Operation): { reached: Promise<void>; pass(): void } {
  const reached = Promise.withResolvers<void>();
  const passed = Promise.withResolvers<void>();
  store.before = async (called) => {
    if (called !== operation) return;
    store.before = undefined;
    reached.resolve();
    await passed.promise;
  };
  return { reached: reached.promise, pass: passed.resolve };
}

/** From now on, calls of this kind fail. */
export function fail(store: WatchedStore, operation: Operation): void {
  store.before = (called) => {
    if (called === operation) throw new Error("the test cuts the connection");
  };
}

export function repair(store: WatchedStore): void {
  store.before = store.after = undefined;
}

/** Another server gets the session at once: nobody was waited for, and no lease had to run out. */
export async function assertFree({ browser, servers, openAt }: Awaited<ReturnType<typeof farm>>): Promise<void> {
  const other = servers.length - 1;
  const before = named(servers[other]!.events, "wait").length;
  const session = await openAt(other);
  const n = session.get("n") as number;
  session.set("n", n + 1);
  await session.commit();
  assert.deepEqual(await browser.contents(), { n: n + 1 });
  assert.equal(named(servers[other]!.events, "wait").length, before);
  assert.deepEqual(named(servers[other]!.events, "takeover"), []);
}
