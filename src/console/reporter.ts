// A server of the farm: reports what it has counted to the store, again and again.

import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { Internals } from "../management/internals.ts";
import { unref } from "../util/timers.ts";
import { type Directory, directoriesOf } from "./directory.ts";
import type { ServerReport } from "./protocol.ts";
import { OwnRecord, type StoredReport } from "./server-record.ts";
import { Totals } from "./totals.ts";

const REPORT_EVERY_MS = 10_000;
/** While a console is open somewhere. */
const WATCHED_REPORT_EVERY_MS = 1_000;
const RETRY_AFTER_MS = 1_000;
// Much less than the directory keeps an entry.
const ENTER_AGAIN_AFTER_MS = 5 * 60_000;

export class Reporter {
  readonly id = randomBytes(18).toString("base64url");
  readonly #name: string;
  readonly #internals: Internals;
  readonly #directories: readonly Directory[];
  readonly #record: OwnRecord;
  readonly #totals: Totals;
  readonly #bornAt = performance.now();
  #startedAt: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #reporting: Promise<void> = Promise.resolve();
  #isStopped = false;
  /** Of a store that is made of others, one may be down without being needed: what counts is what has become of a report. */
  #isHeard = true;

  constructor(internals: Internals, name: string | undefined) {
    this.#internals = internals;
    this.#name = name ?? `${hostname()}:${process.pid}`;
    this.#directories = directoriesOf(internals);
    this.#record = new OwnRecord(internals, this.id);
    this.#totals = new Totals(internals.events);
    if (this.#directories.length > 0) this.#reportAgain();
  }

  /** What it would report now. */
  current(): ServerReport {
    const now = this.#internals.clock.now();
    if (this.#internals.clock.isReady) this.#startedAt ??= now - (performance.now() - this.#bornAt);
    return {
      id: this.id,
      name: this.#name,
      startedAt: Math.round(this.#startedAt ?? now),
      seenAt: now,
      status: "up",
      storeUp: this.#isHeard,
      totals: this.#totals.snapshot(),
    };
  }

  /** Says goodbye, if the store can be reached. */
  readonly stop = async (): Promise<void> => {
    if (this.#isStopped) return;
    this.#isStopped = true;
    clearTimeout(this.#timer);
    // Where the store is down, the console finds out by itself.
    if (this.#directories.length > 0) await this.#reporting.then(() => this.#write("stopped", 0)).catch(() => {});
    this.#totals.close();
  };

  #reportAgain(): void {
    const next = (pause: number, isHeard: boolean) => {
      this.#isHeard = isHeard;
      if (!this.#isStopped) this.#timer = unref(setTimeout(() => this.#reportAgain(), pause));
    };
    // Without the store there is no report. It is well again before long, or the console says that it is not.
    this.#reporting = this.#report().then(
      (pause) => next(pause, true),
      () => next(RETRY_AFTER_MS, false),
    );
  }

  /** Gives the milliseconds until the next report. */
  async #report(): Promise<number> {
    await this.#internals.clock.ready();
    const states = await Promise.all(this.#directories.map((directory) => directory.read()));
    const now = this.#internals.clock.now();
    const isWatched = states.some(({ watchedUntil }) => watchedUntil > now);
    const pause = isWatched ? WATCHED_REPORT_EVERY_MS : REPORT_EVERY_MS;
    // Before it enters itself: a server that is in the directory has a report.
    await this.#write("up", pause);
    for (const [i, { servers }] of states.entries()) {
      if ((servers[this.id] ?? 0) <= now - ENTER_AGAIN_AFTER_MS) await this.#enter(this.#directories[i]!);
    }
    return pause;
  }

  #write(status: StoredReport["status"], pause: number): Promise<void> {
    const report = this.current();
    return this.#record.write({ ...report, storeUp: true, status, dueAt: report.seenAt + pause });
  }

  async #enter(directory: Directory): Promise<void> {
    const servers = { [this.id]: this.#internals.clock.now() };
    await directory.change((state) => ({ ...state, servers: { ...state.servers, ...servers } }));
  }
}
