// Counts the sessions that are alive: one console of the farm does it, and seldom, as it walks through all of them.

import type { Internals } from "../management/internals.ts";
import type { CountedSessions, Directory, DirectoryState } from "./directory.ts";
import type { ConsoleState, ServerReport } from "./protocol.ts";
import { balanceOf } from "./totals.ts";

const COUNT_EVERY_MS = 10_000;
// Counting takes a hundredth of the time at most.
const PAUSE_SHARE = 100;
// All servers report within this time.
const REFINE_WITHIN_MS = 15_000;
// A console that counts extends it, while its count lasts.
const TURN_MS = 30_000;

export class AliveCounter {
  readonly #internals: Internals;
  readonly #directories: readonly Directory[];
  readonly #id: string;
  readonly #count: () => Promise<number>;
  #isCounting = false;
  /** The last count of this console, until the reports of all servers are newer than it. */
  #rough: CountedSessions | undefined;
  /** Counts in a row that have failed, and until when there is no other one. */
  #failures = 0;
  #restsUntil = 0;

  constructor(internals: Internals, directories: readonly Directory[], id: string, count: () => Promise<number>) {
    this.#internals = internals;
    this.#directories = directories;
    this.#id = id;
    this.#count = count;
  }

  /** Begins to count if it is time, and if no other console does. `servers`: what they have reported. */
  async countIfDue({ counted, counting }: DirectoryState, servers: readonly ServerReport[]): Promise<void> {
    const { store, clock } = this.#internals;
    if (store.list === undefined || this.#directories.length === 0) return;
    const now = clock.now();
    if (this.#isCounting) {
      if (counting?.by === this.#id && counting.until < now + TURN_MS / 2) await this.#takeTurn(now);
      return;
    }
    if (this.#rough !== undefined) await this.#refine(this.#rough, counted, servers);
    if (now >= this.#restsUntil && isDue(counted, now) && (await this.#takeTurn(now))) void this.#countAll(servers);
  }

  /** False: another console counts, or has just done it. */
  async #takeTurn(now: number): Promise<boolean> {
    const mine = { by: this.#id, until: now + TURN_MS };
    const { counting } = await this.#directories[0]!.change((state) => {
      const isTaken = state.counting !== undefined && state.counting.by !== this.#id && state.counting.until > now;
      return isTaken || !isDue(state.counted, now) ? undefined : { ...state, counting: mine };
    });
    return counting?.by === this.#id;
  }

  async #countAll(servers: readonly ServerReport[]): Promise<void> {
    this.#isCounting = true;
    const began = performance.now();
    try {
      const count = await this.#count();
      const took = performance.now() - began;
      this.#rough = { count, countedAt: this.#internals.clock.now(), took, balances: balancesOf(servers) };
      this.#failures = 0;
      await this.#publish(this.#rough);
    } catch {
      // The store is down, or does not bear the walk: each failure in a row doubles the rest.
      const rest = Math.min(restAfter(performance.now() - began), COUNT_EVERY_MS * 2 ** this.#failures++);
      this.#restsUntil = this.#internals.clock.now() + rest;
    } finally {
      this.#isCounting = false;
    }
  }

  /** Reports from before the count lack sessions that are in it. Newer ones take their place. */
  async #refine(rough: CountedSessions, last: CountedSessions | undefined, servers: readonly ServerReport[]) {
    const isOver = this.#internals.clock.now() > rough.countedAt + REFINE_WITHIN_MS;
    if (isOver || (last !== undefined && last.countedAt > rough.countedAt)) {
      this.#rough = undefined;
      return;
    }
    if (servers.some(({ status, seenAt }) => status === "up" && seenAt < rough.countedAt)) return;
    this.#rough = undefined;
    await this.#publish({ ...rough, balances: balancesOf(servers) });
  }

  async #publish(counted: CountedSessions): Promise<void> {
    for (const directory of this.#directories) {
      await directory.change(({ counting: _, ...state }) => ({ ...state, counted }));
    }
  }
}

function isDue(counted: CountedSessions | undefined, now: number): boolean {
  if (counted === undefined) return true;
  return now >= counted.countedAt + restAfter(counted.took);
}

function restAfter(took: number): number {
  return Math.max(COUNT_EVERY_MS, PAUSE_SHARE * took);
}

/** The count, and what servers have started and ended since then. */
export function aliveNow(
  { count, countedAt, balances }: CountedSessions,
  servers: readonly ServerReport[],
): ConsoleState["alive"] & object {
  const since = servers.map(({ id, startedAt, totals }) => {
    // A server that was there without being counted has nothing to compare with.
    const before = balances[id] ?? (startedAt > countedAt ? 0 : balanceOf(totals));
    return balanceOf(totals) - before;
  });
  return {
    count: Math.max(
      0,
      since.reduce((sum, change) => sum + change, count),
    ),
    countedAt,
  };
}

function balancesOf(servers: readonly ServerReport[]): Record<string, number> {
  return Object.fromEntries(servers.map(({ id, totals }) => [id, balanceOf(totals)]));
}
