import { setTimeout as sleep } from "node:timers/promises";
import { Bell, type Watcher } from "./bell.ts";
import type { Committed } from "./commits.ts";
import type { SessionContext } from "./context.ts";
import { LeaseLostError, LockTimeoutError } from "./errors.ts";
import { type Leaving, Lines, type Place } from "./line.ts";
import { SessionRecord } from "./record.ts";
import type { Version } from "./store.ts";
import { type Found, type RecordWriter, sealed } from "./writes.ts";

/** The bounds of exclusive mode: milliseconds, and with `maxQueue` a number of requests. */
export interface LeaseLimits {
  readonly lease: number;
  readonly maxHold: number;
  readonly maxWait: number;
  readonly maxQueue: number;
}

/** A claim that goes from one request of this process to the next. */
interface Claim extends Found {
  /** When this process claimed the session, by `performance.now()`. */
  readonly since: number;
}

type Context = Omit<SessionContext, "leases">;
type Find = () => Promise<Found | undefined>;

// A process with many requests for one session hands the claim on among them; after so long others get a chance.
const LONGEST_STREAK = 1_000;
// How long it then stands back: longer than others' pauses.
const STAND_BACK = 100;

/**
 * Whole sessions for one request at a time. The lock is a lease in the session's own record. Taking it is a
 * compare-and-swap, so the version moves and the commit of a holder who has lost it is refused: the version is the
 * fencing token (Kleppmann, "How to do distributed locking", 2016). Who waits takes a lease over only after seeing the
 * same version for as long as the lease says, so clocks need not agree.
 */
export class Leases {
  readonly #context: Context;
  readonly #limits: LeaseLimits;
  readonly #lines: Lines<Claim>;
  readonly #bell: Bell;

  constructor(context: Context, limits: LeaseLimits) {
    this.#context = context;
    this.#limits = limits;
    this.#lines = new Lines(limits.maxQueue);
    this.#bell = new Bell(context.store);
  }

  /**
   * Claims the session that `find` finds, once it is free. Undefined if there is none.
   * @throws LockTimeoutError, QueueFullError, StoreError, or what `client` says when it has left.
   */
  async take(key: string, find: Find, client?: Leaving): Promise<Lease | undefined> {
    const began = performance.now();
    const place = await this.#lines.join(key, this.#limits.maxWait, client);
    try {
      if (place.handed === "yield") await sleep(STAND_BACK * (0.5 + Math.random()));
      const atOnce = typeof place.handed === "object" ? place.handed.claim : await this.#claimAtOnce(find);
      if (atOnce === "gone") return this.#leave(place);
      const claim = atOnce ?? (await this.#claimWhenFree(key, find, began, client));
      if (claim === undefined) return this.#leave(place);
      if (place.waited || atOnce === undefined) {
        this.#context.events.emit("wait", { id: key, waited: performance.now() - began });
      }
      return new Lease(this.#context, this.#limits, claim, place, client);
    } catch (error) {
      place.leave();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#bell.close();
  }

  #leave(place: Place<Claim>): undefined {
    place.leave();
  }

  async #claimAtOnce(find: Find): Promise<Claim | "gone" | undefined> {
    const found = await find();
    if (found === undefined) return "gone";
    return found.record.lease === undefined ? this.#claim(found) : undefined;
  }

  async #claimWhenFree(key: string, find: Find, began: number, client: Leaving | undefined) {
    const watcher = this.#bell.watch(key);
    let left: { error: unknown } | undefined;
    const stopListening = client?.((error) => {
      left = { error };
      watcher.ring();
    });
    try {
      const isLeft = () => {
        if (left !== undefined) throw left.error;
      };
      return await this.#watchUntilFree(key, find, began + this.#limits.maxWait, watcher, isLeft);
    } finally {
      stopListening?.();
      watcher.stop();
    }
  }

  async #watchUntilFree(
    key: string,
    find: Find,
    giveUpAt: number,
    watcher: Watcher,
    checkClient: () => void,
  ): Promise<Claim | undefined> {
    let seen: { version: Version; since: number } | undefined;
    for (;;) {
      checkClient();
      const found = await find();
      if (found === undefined) return undefined;
      const { record, version } = found;
      const now = performance.now();
      if (seen?.version !== version) seen = { version, since: now };
      const freeAt = record.lease === undefined ? now : seen.since + record.lease;
      if (freeAt > now) {
        if (now >= giveUpAt) throw new LockTimeoutError(key, this.#limits.maxWait);
        await watcher.wait(Math.min(freeAt, giveUpAt) - now + 1);
        continue;
      }
      const claim = await this.#claim(found);
      if (claim === undefined) continue;
      if (record.lease !== undefined) this.#context.events.emit("takeover", { id: key });
      return claim;
    }
  }

  /** Writes the lease into the record. Undefined: somebody else was first. */
  async #claim(found: Found): Promise<Claim | undefined> {
    const { ticket, expiresAt } = found;
    const record = withLease(found.record, this.#limits.lease);
    const since = performance.now();
    const { store, commits } = this.#context;
    const write = sealed(this.#context, record, ticket, expiresAt);
    const version = await commits.track(store.update(ticket.key, write, found.version));
    if (version === "conflict" || version === "gone") return undefined;
    return { ticket, record, version, expiresAt, since };
  }
}

/** One request's claim to a whole session. It is renewed until the request finishes, or `maxHold` is over. */
export class Lease {
  readonly #context: Context;
  readonly #lease: number;
  readonly #place: Place<Claim>;
  readonly #stopListening: (() => void) | undefined;
  readonly #renewals: NodeJS.Timeout;
  #claim: Claim;
  #holdUntil: number;
  /** Writes and renewals take turns: each needs the version that the one before has left. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    context: Context,
    { lease, maxHold }: LeaseLimits,
    claim: Claim,
    place: Place<Claim>,
    client: Leaving | undefined,
  ) {
    this.#context = context;
    this.#lease = lease;
    this.#claim = claim;
    this.#place = place;
    this.#holdUntil = performance.now() + maxHold;
    this.#renewals = setInterval(() => this.#renew(), lease / 3).unref();
    // Nobody waits for the answer any more. If the handler does not commit soon, the lease runs out.
    this.#stopListening = client?.(() => {
      this.#holdUntil = 0;
    });
  }

  get found(): Found {
    return this.#claim;
  }

  /** Writes, and keeps the session. Undefined: it is gone. @throws LeaseLostError, StoreError */
  write(writer: RecordWriter): Promise<Committed | undefined> {
    return this.#put(writer.record(this.#claim.record, this.#lease), writer.expiry());
  }

  /** Writes, and lets the next request have the session. Undefined: it is gone. @throws LeaseLostError, StoreError */
  async finish(writer: RecordWriter): Promise<Committed | undefined> {
    this.#stop();
    const handsOn = this.#canHandOn();
    let record: SessionRecord;
    try {
      record = writer.record(this.#claim.record, handsOn ? this.#lease : undefined);
    } catch (error) {
      await this.release();
      throw error;
    }
    try {
      const left = await this.#put(record, writer.expiry());
      this.#leave(handsOn && left !== undefined);
      return left;
    } catch (error) {
      this.#letGo();
      throw error;
    }
  }

  /** Lets the next request have the session as it is. */
  async release(): Promise<void> {
    this.#stop();
    if (this.#canHandOn()) {
      this.#leave(true);
      return;
    }
    try {
      await this.#put(withLease(this.#claim.record, undefined), this.#claim.expiresAt);
      this.#leave(false);
    } catch {
      this.#letGo(); // lost, or the store is down and has reported it: the lease runs out by itself
    }
  }

  /** For a change that ends the record: nothing is left to let go of in the store. */
  async end<Result>(change: (latest: Committed) => Promise<Result>): Promise<Result> {
    try {
      return await this.#inTurn(() => change(this.#claim));
    } finally {
      this.#letGo();
    }
  }

  #canHandOn(): boolean {
    return this.#place.isWaitedFor && !this.#isStreakOver();
  }

  #isStreakOver(): boolean {
    return performance.now() - this.#claim.since > LONGEST_STREAK;
  }

  #leave(handOn: boolean): void {
    if (handOn) this.#place.leave({ claim: this.#claim });
    else this.#place.leave(this.#isStreakOver() ? "yield" : undefined);
  }

  #letGo(): void {
    this.#stop();
    this.#place.leave();
  }

  #stop(): void {
    clearInterval(this.#renewals);
    this.#stopListening?.();
  }

  #renew(): void {
    if (performance.now() > this.#holdUntil) {
      this.#letGo();
      return;
    }
    const renewal = this.#inTurn(async () => void (await this.#swap(this.#claim.record, this.#claim.expiresAt)));
    // A failure is reported by the guard, or noticed by the commit, which is then refused.
    renewal.catch(() => {});
  }

  #put(record: SessionRecord, expiresAt: number): Promise<Committed | undefined> {
    return this.#inTurn(() => this.#swap(record, expiresAt));
  }

  async #swap(record: SessionRecord, expiresAt: number): Promise<Committed | undefined> {
    const { ticket, version: before, since } = this.#claim;
    const { store, events, commits } = this.#context;
    const write = sealed(this.#context, record, ticket, expiresAt);
    const version = await commits.track(store.update(ticket.key, write, before));
    if (version === "gone") return undefined;
    if (version === "conflict") {
      events.emit("leaseLost", { id: ticket.key });
      throw new LeaseLostError(ticket.key);
    }
    this.#claim = { ticket, record, version, expiresAt, since };
    return this.#claim;
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#turn.then(work, work);
    this.#turn = turn;
    return turn;
  }
}

const NOTHING = new Map<string, never>();

/** The same session, claimed or free. Its revision stays: a copy without the lease is as good as one with it. */
function withLease(record: SessionRecord, lease: number | undefined): SessionRecord {
  const { createdAt, renewedAt, revision, owner } = record;
  return SessionRecord.write({ createdAt, renewedAt, revision, lease, owner }, record, NOTHING);
}
