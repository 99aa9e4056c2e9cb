// Extends sessions while long requests run, up to a limit.

import { type Delayed, DelayQueue } from "../util/delay-queue.ts";

/** A session that a request has open. Its `dueAt` is 0 before it is renewed, and Infinity after. */
export interface Renewable extends Delayed<Renewable> {
  /** Extends the session's life in the store. */
  renew(): void;
}

// A request that runs for longer has to call save(), or its session may end. Otherwise a request that hangs, or an
// application that opens a session and never commits it, would keep a user logged in for ever.
const MAX_REQUEST_MS = 600_000;
// The share of the idle timeout between renewals. A session has at least half of its time left when it is opened (see
// records/renewal.ts), so a renewal may be late.
const RENEW_EVERY = 1 / 3;

/**
 * A handler may run for longer than the idle timeout: its session must not expire meanwhile. So each open session is
 * renewed after a third of that time, and again, for ten minutes or two idle timeouts, whichever is longer. An application that
 * opens sessions and never commits them leaks nothing: after the first third, a session is renewed only as long as somebody
 * refers to it.
 */
export class Renewals {
  readonly #delay: number;
  readonly #fresh: DelayQueue<Renewable>;
  readonly #lasting: DelayQueue<LastingRenewal>;

  constructor(idleTimeout: number) {
    this.#delay = RENEW_EVERY * idleTimeout;
    this.#fresh = new DelayQueue(this.#delay, (session) => {
      this.#renew(session, performance.now() + Math.max(2 * idleTimeout, MAX_REQUEST_MS));
    });
    this.#lasting = new DelayQueue(this.#delay, ({ session, until }) => {
      const referred = session.deref();
      if (referred !== undefined) this.#renew(referred, until);
    });
  }

  /** Renews the session until `stop` is called. */
  start(session: Renewable): void {
    if (session.dueAt !== 0) return;
    session.dueAt = performance.now() + this.#delay;
    this.#fresh.add(session);
  }

  stop(session: Renewable): void {
    session.dueAt = Infinity;
    this.#fresh.remove(session);
  }

  #renew(session: Renewable, until: number): void {
    const now = performance.now();
    if (session.dueAt === Infinity || now > until) return;
    session.renew();
    const dueAt = now + this.#delay;
    this.#lasting.add({ session: new WeakRef(session), until, dueAt, before: undefined, after: undefined });
  }
}

interface LastingRenewal extends Delayed<LastingRenewal> {
  readonly session: WeakRef<Renewable>;
  /** The last time for a renewal, by `performance.now()`. */
  readonly until: number;
}
