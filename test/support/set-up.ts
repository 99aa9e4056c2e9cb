// Sessions for tests: their events are recorded, and their clock can be moved.
import type { TestContext } from "node:test";
import { ticketSigner } from "../../src/cookies/ticket.ts";
import { createSessions, type SessionEvents, type SessionsOptions } from "../../src/index.ts";
import { Browser } from "./browser.ts";
import { SECRET, type WatchedStore, watched } from "./stores.ts";

export type Data = Record<string, unknown>;

export type Reported = { [Name in keyof SessionEvents]: [Name, SessionEvents[Name]] }[keyof SessionEvents];

const EVENTS = [
  "start",
  "end",
  "conflict",
  "gone",
  "wait",
  "takeover",
  "leaseLost",
  "forged",
  "unreadable",
  "storeError",
] as const;

/** Sessions over a store whose calls are recorded, with all of their events. Values are sealed, and calls have time limits. */
export function setUp(options: SessionsOptions<Data> = {}, store: WatchedStore = watched()) {
  const sessions = createSessions<Data>({ store, secret: SECRET, sweepInterval: false, ...options });
  const events: Reported[] = [];
  for (const name of EVENTS) sessions.on(name, (event) => events.push([name, event] as Reported));
  return { store, sessions, events, browser: new Browser(sessions) };
}

export function named<Name extends keyof SessionEvents>(events: Reported[], name: Name): SessionEvents[Name][] {
  return events.filter((event) => event[0] === name).map((event) => event[1] as SessionEvents[Name]);
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** The store key of the ticket that a browser holds. */
export function key(browser: Browser<Data>): string {
  return ticketSigner([SECRET]).verify(/(?:^|; )(?:__Host-)?sid=([\w-]{40})/.exec(browser.cookie!)![1]!)!.key;
}

export const MINUTE = 60_000;

/** Lets the test move `Date` forward, for the store and the core. Timers are not affected. */
export function clock(t: TestContext): (milliseconds: number) => void {
  t.mock.timers.enable({ apis: ["Date"], now: 1_700_000_000_000 });
  return (milliseconds) => t.mock.timers.tick(milliseconds);
}
