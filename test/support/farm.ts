// A farm of servers in one process, for tests of exclusive mode.
import assert from "node:assert/strict";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import type { Session, SessionsOptions } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { Browser } from "./browser.ts";
import { type Data, named, setUp } from "./set-up.ts";
import { type Operation, type WatchedStore, watched } from "./stores.ts";

/** Milliseconds: the shortest lease that is allowed. */
export const LEASE = 1_000;

/** Servers that share one store, and a browser whose session holds `n: 0`. */
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
  /** Opens the session on this server; `browser.open` uses all servers by turns. */
  const openAt = (server: number): Promise<Session<Data>> =>
    all[server]!.sessions.open(browser.cookie, { mode: "exclusive" });
  return { store, browser, servers: all, openAt };
}

/** Reads, waits, and writes: loses updates unless it has the session to itself. */
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

/** Holds the next call of this operation before the store, until `pass` is called. */
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

/** Makes all calls of this operation fail. */
export function fail(store: WatchedStore, operation: Operation): void {
  store.before = (called) => {
    if (called === operation) throw new Error("the test cuts the connection");
  };
}

export function repair(store: WatchedStore): void {
  store.before = store.after = undefined;
}

/** Asserts that another server gets the session without waiting, and without a takeover of an expired lease. */
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
