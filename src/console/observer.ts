// What a console shows, brought together while somebody looks at it: the store, the servers, and the sessions alive.

import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Internals } from "../management/internals.ts";
import { withTimeout } from "../util/timeout.ts";
import { AliveCounter, aliveNow } from "./alive-counter.ts";
import { type CountedSessions, type Directory, directoriesOf, together } from "./directory.ts";
import type { ConsoleState, ServerReport } from "./protocol.ts";
import { readReports, type StoredReport, withStatus } from "./server-record.ts";

/** The server that looks. `current` is undefined if it takes no part in the farm. */
export interface Sender {
  readonly id: string;
  current(): ServerReport | undefined;
}

const SHOW_EVERY_MS = 1_000;
const READ_EVERY_MS = 1_000;
// Together: how soon the console says that the store is down.
const PROBE_EVERY_MS = 400;
const PROBE_LIMIT_MS = 1_500;
const WATCHED_FOR_MS = 15_000;
// With so much of it left, it is extended.
const WATCH_AGAIN_MS = 5_000;

/** What was last read of the farm. */
interface Farm {
  readonly at: number;
  readonly reports: readonly StoredReport[];
  readonly counted: CountedSessions | undefined;
}

export class Observer {
  readonly #internals: Internals;
  readonly #sender: Sender;
  readonly #directories: readonly Directory[];
  readonly #counter: AliveCounter;
  readonly #listeners = new Set<(state: ConsoleState) => void>();
  #watching: AbortController | undefined;
  #store: ConsoleState["store"] | undefined;
  #farm: Farm | undefined;
  /** No session has it. After a failure it stays the same, as a store may consist of parts of which one is down. */
  #probed = randomKey();

  constructor(internals: Internals, sender: Sender, count: () => Promise<number>) {
    this.#internals = internals;
    this.#sender = sender;
    this.#directories = directoriesOf(internals);
    this.#counter = new AliveCounter(internals, this.#directories, sender.id, count);
  }

  /** Calls the listener about once a second, until the result is called. */
  watch(listener: (state: ConsoleState) => void): () => void {
    this.#listeners.add(listener);
    if (this.#watching === undefined) this.#begin();
    else this.#show();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#watching?.abort();
      this.#watching = undefined;
    };
  }

  #begin(): void {
    this.#watching = new AbortController();
    const { signal } = this.#watching;
    const probed = repeat(PROBE_EVERY_MS, signal, () => this.#probe());
    const read = repeat(READ_EVERY_MS, signal, () => this.#read());
    // The first state has what the store says, unless it says nothing.
    const first = Promise.all([probed, Promise.race([read, sleep(PROBE_LIMIT_MS)])]);
    void first.then(() => repeat(SHOW_EVERY_MS, signal, async () => this.#show()));
  }

  #show(): void {
    if (this.#store === undefined) return;
    const state = this.#state(this.#store);
    for (const listener of this.#listeners) listener(state);
  }

  #state(store: ConsoleState["store"]): ConsoleState {
    const { clock, application } = this.#internals;
    const farm = this.#farm;
    const servers = this.#servers(farm);
    return {
      at: clock.now(),
      application,
      sender: this.#sender.id,
      store,
      ...(farm?.counted && { alive: aliveNow(farm.counted, servers) }),
      servers: servers.sort((one, other) => one.startedAt - other.startedAt || (one.id < other.id ? -1 : 1)),
    };
  }

  /** Asks the store for a session that does not exist. */
  async #probe(): Promise<void> {
    const { store, clock } = this.#internals;
    const began = performance.now();
    const late = () => new LateError(`it did not answer within ${PROBE_LIMIT_MS} ms`);
    let reason: string | undefined;
    try {
      if (!store.inCookie) await withTimeout(store.read(this.#probed), PROBE_LIMIT_MS, late);
      this.#probed = randomKey();
    } catch (error) {
      reason = shownReason(error);
    }
    const status = reason === undefined ? "up" : "down";
    const former = this.#store;
    this.#store = {
      name: store.name ?? "store",
      status,
      since: former?.status === status ? former.since : clock.now(),
      latency: performance.now() - began,
      ...(reason !== undefined && { reason }),
      canList: store.list !== undefined,
    };
    if (former !== undefined && former.status !== status) this.#show();
  }

  /** Reads what the servers have reported. While the store is down, the last reports stay. */
  async #read(): Promise<void> {
    if (this.#directories.length === 0) return;
    const { clock } = this.#internals;
    await clock.ready();
    const states = await Promise.all(this.#directories.map((directory) => directory.read()));
    const state = together(states);
    const reports = await readReports(this.#internals, Object.keys(state.servers));
    const at = clock.now();
    const farm = { at, reports, counted: state.counted };
    this.#farm = farm;
    await this.#keepWatched(
      at,
      states.map(({ watchedUntil }) => watchedUntil),
    );
    await this.#counter.countIfDue(state, this.#servers(farm));
  }

  /** Of this server what it has counted by now, of the others what they have reported. */
  #servers(farm: Farm | undefined): ServerReport[] {
    const own = this.#sender.current();
    const others = farm?.reports.filter(({ id }) => id !== own?.id).map((one) => withStatus(one, farm.at)) ?? [];
    return own === undefined ? others : [own, ...others];
  }

  /** Lets all servers know that somebody looks. */
  async #keepWatched(now: number, until: readonly number[]): Promise<void> {
    for (const [i, directory] of this.#directories.entries()) {
      if (until[i]! > now + WATCH_AGAIN_MS) continue;
      await directory.change((state) =>
        state.watchedUntil > now + WATCH_AGAIN_MS ? undefined : { ...state, watchedUntil: now + WATCHED_FOR_MS },
      );
    }
  }
}

function randomKey(): string {
  return randomBytes(18).toString("base64url");
}

class LateError extends Error {}

/** The code of what went wrong. A store's own message may quote what another call had given to it. */
function shownReason(error: unknown): string {
  if (error instanceof LateError) return error.message;
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as { code?: unknown };
    if (typeof code === "string" && /^E[A-Z_]{3,20}$/.test(code)) return `it can't be reached (${code})`;
  }
  return "calls to it fail: the event storeError says why";
}

/** Does the work until it is aborted, with pauses. Resolves when it was done for the first time. */
function repeat(pause: number, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  const first = Promise.withResolvers<void>();
  void (async () => {
    while (!signal.aborted) {
      // Without the store there is nothing new. `#probe` says so.
      await work().catch(() => {});
      first.resolve();
      await sleep(pause, undefined, { signal }).catch(() => {});
    }
  })();
  return first.promise;
}
