// The directory: the record by which the servers of an application find each other.

import { setTimeout as sleep } from "node:timers/promises";
import { ConflictError } from "../errors.ts";
import type { Internals } from "../management/internals.ts";
import { directoryKey } from "../util/side-records.ts";
import { SideRecord } from "./side-record.ts";

export interface DirectoryState {
  /** When each server last entered itself, by its id. */
  readonly servers: Readonly<Record<string, number>>;
  /** Until then a console is open somewhere, and servers report more often. */
  readonly watchedUntil: number;
  /** The console that counts the sessions. Until then no other one does. */
  readonly counting?: { readonly by: string; readonly until: number };
  readonly counted?: CountedSessions;
}

/** The last count of the sessions that are alive. */
export interface CountedSessions {
  readonly count: number;
  /** When the count was finished. */
  readonly countedAt: number;
  /** Milliseconds that it took. */
  readonly took: number;
  /** Of each server, the sessions that it had started, less those that it had ended, at the time of the count. */
  readonly balances: Readonly<Record<string, number>>;
}

/** Gives the next state, or undefined to leave it as it is. It may be called several times. */
export type DirectoryChange = (state: DirectoryState) => DirectoryState | undefined;

const EMPTY: DirectoryState = { servers: {}, watchedUntil: 0 };
// A server that is still there enters itself again long before.
const FORGET_AFTER_MS = 15 * 60_000;
// Each attempt that fails is another server's that has succeeded.
const MAX_ATTEMPTS = 100;
const MAX_BACKOFF_MS = 50;

export class Directory {
  readonly #internals: Internals;
  readonly #record: SideRecord<DirectoryState>;

  constructor(internals: Internals, key: string) {
    this.#internals = internals;
    this.#record = new SideRecord(internals, key);
  }

  async read(): Promise<DirectoryState> {
    return { ...EMPTY, ...(await this.#record.read())?.state };
  }

  /** Compare-and-swap, until no other server is first. Gives the state that the directory then has. */
  async change(change: DirectoryChange): Promise<DirectoryState> {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const found = await this.#record.read();
      const state = { ...EMPTY, ...found?.state };
      const next = change(state);
      if (next === undefined) return state;
      const now = this.#internals.clock.now();
      const kept = Object.entries(next.servers).filter(([, enteredAt]) => enteredAt > now - FORGET_AFTER_MS);
      const written = { ...next, servers: Object.fromEntries(kept) };
      if ((await this.#record.write(written, now + FORGET_AFTER_MS, found?.version)) !== undefined) return written;
      await sleep(Math.random() * Math.min(2 ** attempt, MAX_BACKOFF_MS));
    }
    throw new ConflictError("the list of servers", MAX_ATTEMPTS);
  }
}

/**
 * One directory for each secret, in the same order on all servers. While secrets are rotated a server is in several of them,
 * so that servers meet if they have a secret in common. Where the browser keeps the sessions there is none.
 */
export function directoriesOf(internals: Internals): readonly Directory[] {
  if (internals.store.inCookie) return [];
  // No owner has this name's record, since an owner's ends in another word.
  const keys = internals.ownerHashes.map((hash) => directoryKey(hash("console")));
  return keys.sort().map((key) => new Directory(internals, key));
}

/** What several directories say together. */
export function together(states: readonly DirectoryState[]): DirectoryState {
  const counts = states.flatMap(({ counted }) => counted ?? []).sort((a, b) => b.countedAt - a.countedAt);
  return {
    servers: Object.assign({}, ...states.map(({ servers }) => servers)),
    watchedUntil: Math.max(0, ...states.map(({ watchedUntil }) => watchedUntil)),
    ...(states[0]?.counting && { counting: states[0].counting }),
    ...(counts[0] && { counted: counts[0] }),
  };
}
