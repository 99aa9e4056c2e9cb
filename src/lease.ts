import { setTimeout as sleep } from "node:timers/promises";
import { Bell } from "./bell.ts";
import type { Committed } from "./commits.ts";
import type { SessionContext } from "./context.ts";
import { LeaseLostError, LockTimeoutError, StoreError } from "./errors.ts";
import { Lifetime } from "./lifetime.ts";
import { type HandedOn, type Leaving, Lines, type Place } from "./line.ts";
import { SessionRecord } from "./record.ts";
import type { Version } from "./store.ts";
import { type Found, sealed, swap } from "./stored-record.ts";
import { type Sent, settle, unsettled } from "./unsettled.ts";
import type { RecordWriter } from "./writes.ts";

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
  /** When it was there for certain: what shows it was asked of the store then. */
  readonly aliveAt: number;
}

type Context = Omit<SessionContext, "leases">;
type Find = () => Promise<Found | undefined>;

// A process with many requests for one session hands the claim on among them; after so long others get a chance. Never
// for so long that the lease might run out on the way.
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
      const atOnce = await this.#claimAtOnce(place.handed, find, began);
      const claim = atOnce ?? (await this.#claimWhenFree(key, find, began + this.#limits.maxWait, client));
      if (claim === "gone") {
        place.leave();
        return undefined;
      }
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

  /** Undefined: another has the session. */
  async #claimAtOnce(handed: HandedOn<Claim>, find: Find, began: number): Promise<Claim | "gone" | undefined> {
    const claim = typeof handed === "object" ? handed.claim : undefined;
    if (claim !== undefined && claim.aliveAt >= began) return claim;
    // What was handed on may be older than this request, and ended since: a session that is gone must not be seen.
    const aliveAt = performance.now();
    const found = await find();
    if (found === undefined) return "gone";
    if (found.version === claim?.version) return { ...found, since: claim.since, aliveAt };
    return found.record.lease === undefined ? this.#claim(found) : undefined;
  }

  async #claimWhenFree(
    key: string,
    find: Find,
    giveUpAt: number,
    client: Leaving | undefined,
  ): Promise<Claim | "gone"> {
    const watcher = this.#bell.watch(key);
    let left: unknown;
    const stopListening = client?.((error) => {
      left = error;
      watcher.ring();
    });
    try {
      let seen: { version: Version; since: number } | undefined;
      for (;;) {
        if (left !== undefined) throw left;
        const found = await find();
        if (found === undefined) return "gone";
        const { version, record } = found;
        const now = performance.now();
        if (seen?.version !== version) seen = { version, since: now };
        const freeAt = record.lease === undefined ? now : seen.since + record.lease;
        if (freeAt <= now) {
          const claim = await this.#claim(found);
          if (claim !== undefined) {
            if (record.lease !== undefined) this.#context.events.emit("takeover", { id: key });
            return claim;
          }
        }
        if (now >= giveUpAt) throw new LockTimeoutError(key, this.#limits.maxWait);
        await watcher.wait(Math.min(freeAt, giveUpAt) - now + 1);
      }
    } finally {
      stopListening?.();
      watcher.stop();
    }
  }

  /** Writes the lease into the record. Undefined: somebody else was first. */
  async #claim(found: Found): Promise<Claim | undefined> {
    const { ticket } = found;
    const record = withLease(found.record, this.#limits.lease);
    const expiresAt = new Lifetime(this.#context, found).latestExpiry();
    const since = performance.now();
    const write = sealed(this.#context, record, ticket, expiresAt);
    const version = await this.#context.commits.track(swap(this.#context, ticket, write, found.version));
    if (version === "conflict" || version === "gone") return undefined;
    return { ticket, record, version, expiresAt, since, aliveAt: since };
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
  #renewal: Promise<void> | undefined;
  /** What the store said when the claim was found to be over: it is not asked again. */
  #over: "gone" | "conflict" | undefined;
  /** Of these, all over one version, one may have been done. */
  #unsettled: readonly Sent[] = [];

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
    // Nobody waits for the answer any more. If the handler does not commit soon, the lease runs out.
    this.#stopListening = client?.(() => {
      this.#holdUntil = 0;
    });
    this.#renewals = setInterval(() => this.#renew(), lease / 3).unref();
  }

  get found(): Found {
    return this.#claim;
  }

  /** Writes, and keeps the session. Undefined: it is gone. @throws LeaseLostError, StoreError */
  write(writer: RecordWriter): Promise<Committed | undefined> {
    // After `maxHold` it is free with this, for those who wait.
    return this.#put(writer, () => !this.#place.isLeft);
  }

  /** What holds after a write that may have been done. Undefined: the claim is over, and nobody can tell. @throws StoreError */
  settle(): Promise<Committed | "gone" | undefined> {
    return this.#inTurn(async () => {
      await this.#settle();
      if (this.#over === undefined) return this.#claim;
      return this.#over === "gone" ? "gone" : undefined;
    });
  }

  /** Nothing of what may have been done is to be done late: in its place the session is sent as it was before. */
  giveUp(): void {
    if (this.#unsettled.length === 0) return;
    const { ticket, record, version, expiresAt } = this.#claim;
    const write = sealed(this.#context, record, ticket, expiresAt);
    this.#unsettled = [...this.#unsettled, { record, write, ifVersion: version }];
  }

  /** Writes, and lets the next request have the session. Undefined: it is gone. @throws LeaseLostError, StoreError */
  async finish(writer: RecordWriter): Promise<Committed | undefined> {
    this.#stop();
    try {
      return await this.#put(writer, () => this.#canHandOn());
    } catch (error) {
      if (error instanceof StoreError) this.#end("conflict"); // it may have been done: whoever is next looks
      throw error;
    } finally {
      await this.release();
    }
  }

  /** Lets the next request have the session as it is. */
  async release(): Promise<void> {
    this.#stop();
    const handed = this.#inTurn(async (): Promise<HandedOn<Claim>> => {
      if (this.#canHandOn()) return { claim: this.#claim };
      if (this.#claim.record.lease !== undefined) await this.#swap((record) => withLease(record, undefined));
      return this.#isStreakOver() ? "yield" : undefined;
    });
    // Lost, or the store is down and has reported it: the lease runs out by itself.
    this.#place.leave(await handed.catch(() => undefined));
  }

  /** For a change that ends the record: nothing is left to let go of in the store. If it fails, the request keeps it. */
  async end<Result>(change: (latest: Committed) => Promise<Result>): Promise<Result> {
    const result = await this.#inTurn(() => change(this.#claim));
    this.#end("gone");
    return result;
  }

  #canHandOn(): boolean {
    return this.#claim.record.lease !== undefined && this.#place.isWaitedFor && !this.#isStreakOver();
  }

  #isStreakOver(): boolean {
    return performance.now() - this.#claim.since > Math.min(LONGEST_STREAK, this.#lease / 3);
  }

  #end(how: "gone" | "conflict"): void {
    this.#over ??= how;
    this.#letGo();
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
    // One at a time, or they would pile up before a store that is slow. A failure is reported by the guard, or noticed by
    // the commit, which is then refused.
    const done = () => {
      this.#renewal = undefined;
    };
    this.#renewal ??= this.#inTurn(() => this.#swap((record) => record)).then(done, done);
  }

  #put(writer: RecordWriter, staysLeased: () => boolean): Promise<Committed | undefined> {
    return this.#inTurn(() =>
      this.#swap(
        (base) => writer.record(base, staysLeased() ? this.#lease : undefined),
        () => writer.expiry(),
      ),
    );
  }

  async #swap(
    change: (base: SessionRecord) => SessionRecord,
    expiry = () => this.#latestExpiry(),
  ): Promise<Committed | undefined> {
    await this.#settle();
    const { ticket, record: base, version: before, since } = this.#claim;
    const record = change(base);
    const expiresAt = expiry();
    const aliveAt = performance.now();
    const version = this.#over ?? (await this.#send(record, expiresAt, before));
    if (version === "gone") {
      this.#end("gone");
      return undefined;
    }
    if (version === "conflict") {
      this.#lose();
      throw new LeaseLostError(ticket.key);
    }
    this.#claim = { ticket, record, version, expiresAt, since, aliveAt };
    return this.#claim;
  }

  async #send(record: SessionRecord, expiresAt: number, ifVersion: Version): Promise<Version | "conflict" | "gone"> {
    const { ticket } = this.#claim;
    const write = sealed(this.#context, record, ticket, expiresAt);
    try {
      return await this.#context.commits.track(swap(this.#context, ticket, write, ifVersion));
    } catch (error) {
      const sent = { record, write, ifVersion };
      this.#unsettled = [sent];
      throw unsettled(error, sent);
    }
  }

  /** A renewal would otherwise find the version moved by what may have been done, and take it for another's. */
  async #settle(): Promise<void> {
    if (this.#unsettled.length === 0 || this.#over !== undefined) return;
    const { ticket } = this.#claim;
    const aliveAt = performance.now();
    const left = await this.#context.commits.track(settle(this.#context, ticket, this.#unsettled));
    this.#unsettled = [];
    if (left === "gone") this.#end("gone");
    else if (left === undefined) this.#lose();
    else this.#claim = { ...this.#claim, ...left, aliveAt };
  }

  #lose(): void {
    if (this.#over === undefined) this.#context.events.emit("leaseLost", { id: this.#claim.ticket.key });
    this.#end("conflict");
  }

  /** A session that a request has to itself is in use. */
  #latestExpiry(): number {
    return new Lifetime(this.#context, this.#claim).latestExpiry();
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#turn.then(work, work);
    this.#turn = turn;
    return turn;
  }
}

/** The same session, claimed or free. Its revision stays: a copy without the lease is as good as one with it. */
function withLease(record: SessionRecord, lease: number | undefined): SessionRecord {
  const { createdAt, renewedAt, revision, owner } = record;
  return SessionRecord.write({ createdAt, renewedAt, revision, lease, owner }, record, []);
}
