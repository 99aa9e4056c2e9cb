// Watches the sessions of open connections: by the store's announcements, or else by reading them again and again.

import type { Clock } from "../records/expiry.ts";
import { RequestSession } from "../request/request-session.ts";
import type { SessionHandle } from "../request/session-state.ts";
import type { SessionStore } from "../store.ts";
import { unref } from "../util/timers.ts";
import { Subscription } from "./subscription.ts";
import { type Follower, WatchedSession } from "./watched-session.ts";

/** What watching needs of the application. */
export interface WatcherContext {
  readonly store: SessionStore;
  readonly clock: Clock;
  readonly idleTimeout: number;
}

// Without announcements, a session is read this often, so that its end is noticed within a second.
const PASS_MS = 500;
// The share of the idle timeout that passes may be apart: those that extend sessions must not come late.
const PASS_SHARE = 1 / 20;
// However long a pass takes, the store has a rest after it.
const MIN_PAUSE_MS = 100;
// Reads under way: stores for SQL make few statements of them, and no other request has to wait for long.
const READ_TOGETHER = 64;

/**
 * One pass reads what is due: everything where the store announces nothing, and else what may have expired or has not been
 * read for long. Passes do not overlap, so a slow store is asked less often. Nothing runs while no session is watched.
 */
export class Watcher {
  readonly #context: WatcherContext;
  readonly #subscription: Subscription;
  /** By key. What a browser carries is watched for each follower. */
  readonly #watched = new Map<string | symbol, WatchedSession>();
  /** Connections whose session is not in the store yet. */
  readonly #waiting = new Set<Follower>();
  readonly #interval: number;
  #timer: NodeJS.Timeout | undefined;
  #isPassing = false;
  #isClosed = false;

  constructor(context: WatcherContext) {
    this.#context = context;
    this.#interval = Math.min(PASS_MS, PASS_SHARE * context.idleTimeout);
    this.#subscription = new Subscription(
      context.store,
      ({ key, version }) => {
        const watched = this.#watched.get(key);
        if (watched !== undefined && !watched.isAt(version)) watched.check().catch(() => {});
      },
      () => this.#readAll(),
    );
  }

  join(follower: Follower): void {
    if (this.#isClosed) return;
    const handle = RequestSession.handleOf(follower.session);
    if (handle?.version !== undefined) this.#watch(follower, handle);
    else if (handle !== undefined && !handle.isClosed) this.#waiting.add(follower);
    if (this.#timer === undefined && !this.#isPassing && this.#isBusy) this.#schedule();
  }

  leave(follower: Follower, watched: WatchedSession | undefined): void {
    this.#waiting.delete(follower);
    watched?.remove(follower);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#watched.clear();
    this.#waiting.clear();
    await this.#subscription.stop();
  }

  get #isBusy(): boolean {
    return this.#watched.size > 0 || this.#waiting.size > 0;
  }

  #watch(follower: Follower, handle: SessionHandle): void {
    const key = handle.context.store.inCookie ? Symbol() : handle.ticket!.key;
    let watched = this.#watched.get(key);
    if (watched === undefined) {
      const begun = new WatchedSession(handle, () => {
        if (this.#watched.get(key) === begun) this.#watched.delete(key);
      });
      watched = begun;
      this.#watched.set(key, watched);
      this.#subscription.start();
    }
    watched.add(follower);
    if (!watched.isAt(handle.version)) watched.check().catch(() => {});
  }

  /** Changes from before the store announces them have to be looked for. */
  #readAll(): void {
    for (const watched of this.#watched.values()) watched.makeDue();
    if (this.#timer === undefined) return; // a pass is under way, and another one follows
    clearTimeout(this.#timer);
    this.#pass();
  }

  /** `took`: the milliseconds of the last pass. */
  #schedule(took = 0): void {
    const pause = Math.max(this.#interval - took, Math.min(this.#interval, MIN_PAUSE_MS));
    this.#timer = unref(setTimeout(() => this.#pass(), pause));
  }

  async #pass(): Promise<void> {
    this.#timer = undefined;
    this.#isPassing = true;
    const began = performance.now();
    for (const follower of this.#waiting) {
      const handle = RequestSession.handleOf(follower.session);
      if (handle?.version !== undefined) this.#watch(follower, handle);
      if (handle?.version !== undefined || handle?.isClosed !== false) this.#waiting.delete(follower);
    }
    await this.#readWhatIsDue();
    this.#isPassing = false;
    if (this.#isClosed) return;
    if (this.#isBusy) {
      this.#subscription.start();
      this.#schedule(performance.now() - began);
    } else {
      await this.#subscription.stop();
    }
  }

  async #readWhatIsDue(): Promise<void> {
    const now = performance.now();
    const isAnnounced = this.#subscription.isListening || this.#context.store.inCookie === true;
    const due = [...this.#watched.values()].filter((watched) => !isAnnounced || watched.isDue(now));
    const readers = Array.from({ length: Math.min(READ_TOGETHER, due.length) }, async () => {
      for (let watched = due.pop(); watched !== undefined; watched = due.pop()) {
        await watched.check().catch(() => {}); // reported by the resilient store; a store that is down ends no session
      }
    });
    await Promise.all(readers);
  }
}
