// Logins of one owner, and how many of them live.

import {
  SessionClosedError,
  type Sessions,
  StaleStampError,
  StoreError,
  TooManySessionsError,
} from "../../src/index.ts";
import { Browser } from "./browser.ts";
import { isAlive } from "./login.ts";
import type { Data } from "./set-up.ts";

const REFUSALS = [TooManySessionsError, StaleStampError, SessionClosedError, StoreError];

/** A login as applications write it. False: it was refused, or its session ended before it was stored. */
export async function tryLogin(
  browser: Browser<Data>,
  owner: string | { id: string; stamp: string },
  prepare: (browser: Browser<Data>) => unknown = () => {},
): Promise<boolean> {
  await prepare(browser);
  const session = await browser.open();
  session.owner = owner;
  try {
    if (!(await session.regenerate())) return false;
    return (await browser.end(session)).length > 0;
  } catch (error) {
    // Anything else is a fault, and its reason has to be seen.
    if (!REFUSALS.some((Refusal) => error instanceof Refusal)) throw error;
    session.discard();
    await session.commit();
    return false;
  }
}

export function browsers(sessions: readonly Sessions<Data>[], count: number): Browser<Data>[] {
  return Array.from({ length: count }, (_, i) => new Browser<Data>(sessions[i % sessions.length]!));
}

/** Those whose session lives. A browser without a cookie has none. */
export async function living(all: readonly Browser<Data>[]): Promise<Browser<Data>[]> {
  const areAlive = await Promise.all(all.map(async (one) => one.cookie !== undefined && (await isAlive(one))));
  return all.filter((_, i) => areAlive[i]);
}
