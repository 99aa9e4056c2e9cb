// A held lease: renewal, writes under it, handover and release.

import type { OnClientGone } from "../cookies/request-source.ts";
import { LeaseLostError, StoreError } from "../errors.ts";
import { lifetimeOf, SessionExpiry } from "../records/expiry.ts";
import {
  IndeterminateWriteError,
  indeterminate,
  type ResolveContext,
  resolveWrite,
  type SentWrite,
} from "../records/indeterminate-write.ts";
import { claimsIn } from "../records/once-entry.ts";
import type { SessionRecord } from "../records/record.ts";
import {
  type LoadedRecord,
  type RecordBuilder,
  type RecordContext,
  type RecordVersion,
  sealRecord,
  swap,
} from "../records/record-store.ts";
import { resealed } from "../records/renew-on-open.ts";
import type { Version } from "../store.ts";
import type { InFlight } from "../util/in-flight.ts";
import { unref } from "../util/timers.ts";
import type { Handover, Turn } from "./wait-queue.ts";

/** The bounds of exclusive mode: milliseconds, and with `maxQueue` a number of requests. */
export interface LeaseLimits {
  readonly lease: number;
  readonly maxHold: number;
  readonly maxWait: number;
  readonly maxQueue: number;
}

/** What leases need of the application. */
export interface LeaseContext extends RecordContext, ResolveContext {
  readonly inFlight: InFlight;
}

/** The state of a lease that this process holds. One request hands it to the next. */
export interface HeldLease extends LoadedRecord {
  /** When this process took the lease, by `performance.now()`. */
  readonly since: number;
  /** When the request was sent that last confirmed the session exists, by `performance.now()`. */
  readonly confirmedAt: number;
}

// A process with many requests for one session hands the lease from one to the next. After this long, in milliseconds,
// other servers get a chance; earlier if the lease could run out on the way.
const MAX_STREAK_MS = 1_000;

/** A lease is renewed until its request finishes, or `maxHold` is over. */
export class Lease {
  readonly #context: LeaseContext;
  readonly #lease: number;
  readonly #turn: Turn<HeldLease>;
  readonly #stopListening: (() => void) | undefined;
  readonly #renewals: NodeJS.Timeout;
  #held: HeldLease;
  #holdUntil: number;
  /** Writes and renewals run one after the other: each needs the version that the one before has left. */
  #lastStep: Promise<unknown> = Promise.resolve();
  #renewal: Promise<void> | undefined;
  /** The store's answer by which the lease turned out to be over. The store is not asked again. */
  #over: "gone" | "conflict" | undefined;
  /** Writes over the held version of which one may have been applied. */
  #pending: readonly SentWrite[] = [];

  constructor(
    context: LeaseContext,
    { lease, maxHold }: LeaseLimits,
    held: HeldLease,
    turn: Turn<HeldLease>,
    onClientGone: OnClientGone | undefined,
  ) {
    this.#context = context;
    this.#lease = lease;
    this.#held = held;
    this.#turn = turn;
    this.#holdUntil = performance.now() + maxHold;
    // Without a client nobody waits for the answer. If the handler does not commit soon, the lease runs out.
    this.#stopListening = onClientGone?.(() => {
      this.#holdUntil = 0;
    });
    // A renewal extends the session, too, which must not expire meanwhile.
    this.#renewals = unref(
      setInterval(() => this.#renew(), Math.min(lease, lifetimeOf(context, held.record.terms).idleTimeout) / 3),
    );
  }

  get loaded(): LoadedRecord {
    return this.#held;
  }

  /** Writes, and keeps the session. Undefined: it is gone. @throws LeaseLostError, StoreError */
  write(builder: RecordBuilder): Promise<RecordVersion | undefined> {
    // After `maxHold` the write frees the session for other requests.
    return this.#put(builder, () => !this.#turn.hasEnded);
  }

  /** The state after a write that may have been applied. Undefined: the lease is over, and it stays unknown. @throws StoreError */
  resolvePending(): Promise<RecordVersion | "gone" | undefined> {
    return this.#inOrder(async () => {
      await this.#resolvePending();
      if (this.#over === undefined) return this.#held;
      return this.#over === "gone" ? "gone" : undefined;
    });
  }

  /** Overwrites pending writes with the last known state, so that none can land late. */
  abandonPending(): void {
    if (this.#pending.length === 0) return;
    const { ticket, record, version, expiresAt } = this.#held;
    const write = sealRecord(this.#context, record, ticket, expiresAt);
    this.#pending = [...this.#pending, { record, write, ifVersion: version }];
  }

  /** Writes, and lets the next request have the session. Undefined: it is gone. @throws LeaseLostError, StoreError */
  async finish(builder: RecordBuilder): Promise<RecordVersion | undefined> {
    this.#stop();
    try {
      return await this.#put(builder, () => this.#canHandOver());
    } catch (error) {
      if (error instanceof StoreError) this.#end("conflict"); // it may have been applied: the next request reads
      throw error;
    } finally {
      await this.release();
    }
  }

  /** Lets the next request have the session as it is. */
  async release(): Promise<void> {
    this.#stop();
    const handover = this.#inOrder(async (): Promise<Handover<HeldLease>> => {
      if (this.#canHandOver()) return { held: this.#held };
      if (this.#held.record.lease !== undefined) await this.#swap((record) => this.#resealed(record, undefined));
      return this.#isStreakOver() ? "yield" : undefined;
    });
    // If it fails, the lease is lost or the store is down, both of which are reported. The lease then runs out.
    this.#turn.end(await handover.catch(() => undefined));
  }

  /** Runs a change that ends the record, and with it the lease. If the change fails, the request keeps the lease. */
  async end<Result>(change: (latest: RecordVersion) => Promise<Result>): Promise<Result> {
    const result = await this.#inOrder(() => change(this.#held));
    this.#end("gone");
    return result;
  }

  #canHandOver(): boolean {
    const { record } = this.#held;
    if (record.lease === undefined || !this.#turn.isAwaited || this.#isStreakOver()) return false;
    return claimsIn(record) === undefined; // the next one may have to wait for it
  }

  #isStreakOver(): boolean {
    return performance.now() - this.#held.since > Math.min(MAX_STREAK_MS, this.#lease / 3);
  }

  #end(how: "gone" | "conflict"): void {
    this.#over ??= how;
    this.#stopAndEndTurn();
  }

  #stopAndEndTurn(): void {
    this.#stop();
    this.#turn.end();
  }

  #stop(): void {
    clearInterval(this.#renewals);
    this.#stopListening?.();
  }

  #renew(): void {
    if (performance.now() > this.#holdUntil) {
      this.#stopAndEndTurn();
      return;
    }
    // One at a time, or renewals would pile up before a slow store. A failed renewal is reported by the resilient store;
    // a lost lease is noticed by the commit, which the store then refuses.
    const done = () => {
      this.#renewal = undefined;
    };
    this.#renewal ??= this.#inOrder(() => this.#swap((record) => this.#resealed(record, record.lease))).then(
      done,
      done,
    );
  }

  #put(builder: RecordBuilder, staysLeased: () => boolean): Promise<RecordVersion | undefined> {
    return this.#inOrder(() =>
      this.#swap(
        (base) => builder.record(base, staysLeased() ? this.#lease : undefined),
        () => builder.expiry(),
      ),
    );
  }

  async #swap(
    change: (base: SessionRecord) => SessionRecord,
    expiry = () => this.#latestExpiry(),
  ): Promise<RecordVersion | undefined> {
    await this.#resolvePending();
    const { ticket, record: base, version: before, since } = this.#held;
    const record = change(base);
    const expiresAt = expiry();
    const confirmedAt = performance.now();
    const version = this.#over ?? (await this.#send(record, expiresAt, before));
    if (version === "gone") {
      this.#end("gone");
      return undefined;
    }
    if (version === "conflict") {
      this.#markLost();
      throw new LeaseLostError(ticket.key);
    }
    this.#held = { ticket, record, version, expiresAt, since, confirmedAt };
    return this.#held;
  }

  async #send(record: SessionRecord, expiresAt: number, ifVersion: Version): Promise<Version | "conflict" | "gone"> {
    const { ticket } = this.#held;
    const write = sealRecord(this.#context, record, ticket, expiresAt);
    try {
      return await this.#context.inFlight.track(swap(this.#context, ticket, write, ifVersion));
    } catch (error) {
      const failure = indeterminate(error, { record, write, ifVersion });
      const sent = IndeterminateWriteError.sentBy(failure);
      if (sent !== undefined) this.#pending = [sent];
      throw failure;
    }
  }

  /** Without it, a renewal would find the version moved by an own write, and take that for another request's. */
  async #resolvePending(): Promise<void> {
    if (this.#pending.length === 0 || this.#over !== undefined) return;
    const { ticket } = this.#held;
    const confirmedAt = performance.now();
    const resolved = await this.#context.inFlight.track(resolveWrite(this.#context, ticket, this.#pending));
    this.#pending = [];
    if (resolved === "gone") this.#end("gone");
    else if (resolved === undefined) this.#markLost();
    else this.#held = { ...this.#held, ...resolved, confirmedAt };
  }

  #markLost(): void {
    if (this.#over === undefined) this.#context.events.emit("leaseLost", { id: this.#held.ticket.key });
    this.#end("conflict");
  }

  /** A session that is held is in use. */
  #latestExpiry(): number {
    return new SessionExpiry(this.#context, this.#held).latest();
  }

  #resealed(record: SessionRecord, lease: number | undefined): SessionRecord {
    return resealed(record, new SessionExpiry(this.#context, this.#held), lease);
  }

  #inOrder<Result>(work: () => Promise<Result>): Promise<Result> {
    const step = this.#lastStep.then(work, work);
    this.#lastStep = step;
    return step;
  }
}
