// Acquires leases: waits until a session is free, or takes an abandoned lease over.

import { setTimeout as sleep } from "node:timers/promises";
import type { OnClientGone } from "../cookies/request-source.ts";
import { LockTimeoutError } from "../errors.ts";
import { SessionExpiry } from "../records/expiry.ts";
import { claimsIn } from "../records/once-entry.ts";
import { type LoadedRecord, sealRecord, swap } from "../records/record-store.ts";
import { resealed } from "../records/renew-on-open.ts";
import type { Version } from "../store.ts";
import { ChangeNotifier } from "./change-notifier.ts";
import { type HeldLease, Lease, type LeaseContext, type LeaseLimits } from "./lease.ts";
import { type Handover, WaitQueue } from "./wait-queue.ts";

/** Reads the session; undefined if there is none. */
export type Find = () => Promise<LoadedRecord | undefined>;

// How long a process yields to other servers: longer than their pauses between two tries.
const YIELD_MS = 100;

/**
 * Gives whole sessions to one request at a time. The lock is a lease in the session's own record. Taking it is a
 * compare-and-swap, so the version moves and the commit of a holder that has lost it is refused: the version is the
 * fencing token (Kleppmann, "How to do distributed locking", 2016). A waiter takes a lease over only after it has seen
 * the same version for as long as the lease lasts, so clocks need not agree.
 */
export class LeaseManager {
  readonly #context: LeaseContext;
  readonly #limits: LeaseLimits;
  readonly #queue: WaitQueue<HeldLease>;
  readonly notifier: ChangeNotifier;

  constructor(context: LeaseContext, limits: LeaseLimits) {
    this.#context = context;
    this.#limits = limits;
    this.#queue = new WaitQueue(limits.maxQueue);
    this.notifier = new ChangeNotifier(context.store);
  }

  /**
   * Waits until the session that `find` gives is free, and takes its lease. Undefined if there is no session. A single write
   * need not wait for calls of `once`: `ignoresClaims`.
   * @throws LockTimeoutError, QueueFullError, StoreError, or the error of `onClientGone`.
   */
  async take(key: string, find: Find, onClientGone?: OnClientGone, ignoresClaims = false): Promise<Lease | undefined> {
    const began = performance.now();
    const turn = await this.#queue.join(key, this.#limits.maxWait, onClientGone);
    try {
      if (turn.handover === "yield") await sleep(YIELD_MS * (0.5 + Math.random()));
      const holdOn = ignoresClaims ? leaseOn : leaseOrClaimOn;
      const free = await this.#takeIfFree(turn.handover, find, holdOn, began);
      const held = free ?? (await this.#takeWhenFree(key, find, holdOn, began + this.#limits.maxWait, onClientGone));
      if (held === "gone") {
        turn.end();
        return undefined;
      }
      if (turn.waited || free === undefined) {
        this.#context.events.emit("wait", { id: key, waited: performance.now() - began });
      }
      return new Lease(this.#context, this.#limits, held, turn, onClientGone);
    } catch (error) {
      turn.end();
      throw error;
    }
  }

  /** The same for a call of `once` that stores its value, past the queue: a request in there may wait for this very call. */
  async takePastQueue(key: string, find: Find): Promise<Lease | undefined> {
    const held = await this.#takeWhenFree(key, find, leaseOn, performance.now() + this.#limits.maxWait, undefined);
    if (held === "gone") return undefined;
    const turn = await new WaitQueue<HeldLease>(0).join(key, 0, undefined);
    return new Lease(this.#context, this.#limits, held, turn, undefined);
  }

  close(): Promise<void> {
    return this.notifier.close();
  }

  /** Undefined: another request holds the session. */
  async #takeIfFree(
    handover: Handover<HeldLease>,
    find: Find,
    holdOn: HoldOn,
    began: number,
  ): Promise<HeldLease | "gone" | undefined> {
    const held = typeof handover === "object" ? handover.held : undefined;
    if (held !== undefined && held.confirmedAt >= began) return held;
    // A lease that was handed over may be older than this request, and its session may have ended since.
    const confirmedAt = performance.now();
    const loaded = await find();
    if (loaded === undefined) return "gone";
    if (loaded.version === held?.version) return { ...loaded, since: held.since, confirmedAt };
    return holdOn(loaded) === undefined ? this.#acquire(loaded) : undefined;
  }

  async #takeWhenFree(
    key: string,
    find: Find,
    holdOn: HoldOn,
    deadline: number,
    onClientGone: OnClientGone | undefined,
  ): Promise<HeldLease | "gone"> {
    const waiter = this.notifier.watch(key);
    let clientGone: unknown;
    const stopListening = onClientGone?.((error) => {
      clientGone = error;
      waiter.notify();
    });
    try {
      let seen: { hold: Version | undefined; since: number } | undefined;
      for (;;) {
        if (clientGone !== undefined) throw clientGone;
        const loaded = await find();
        if (loaded === undefined) return "gone";
        const hold = holdOn(loaded);
        const now = performance.now();
        if (seen?.hold !== hold?.state) seen = { hold: hold?.state, since: now };
        const freeAt = hold === undefined ? now : seen!.since + hold.lease;
        if (freeAt <= now) {
          const held = await this.#acquire(loaded);
          if (held !== undefined) {
            if (hold !== undefined) this.#context.events.emit("takeover", { id: key });
            return held;
          }
        }
        if (now >= deadline) throw new LockTimeoutError(key, this.#limits.maxWait);
        // After a lost takeover that time has passed: the next read shows who won.
        await waiter.wait(Math.max(0, Math.min(freeAt, deadline) - now) + 1);
      }
    } finally {
      stopListening?.();
      waiter.stop();
    }
  }

  /** Writes the lease into the record. Undefined: another request was first. */
  async #acquire(loaded: LoadedRecord): Promise<HeldLease | undefined> {
    const { ticket } = loaded;
    const expiry = new SessionExpiry(this.#context, loaded);
    const record = resealed(loaded.record, expiry, this.#limits.lease);
    const expiresAt = expiry.latest();
    const since = performance.now();
    const write = sealRecord(this.#context, record, ticket, expiresAt);
    const version = await this.#context.inFlight.track(swap(this.#context, ticket, write, loaded.version));
    if (version === "conflict" || version === "gone") return undefined;
    return { ticket, record, version, expiresAt, since, confirmedAt: since };
  }
}

/** What keeps a session from being taken. A caller that has seen the same `state` for `lease` ms may take it. */
type HoldOn = (loaded: LoadedRecord) => { state: Version; lease: number } | undefined;

/** A request that has the session to itself. */
const leaseOn: HoldOn = ({ version, record: { lease } }) =>
  lease === undefined ? undefined : { state: version, lease };

/** The same, or a call of `once`, whose result must find the session where it was. */
const leaseOrClaimOn: HoldOn = (loaded) => {
  const claims = claimsIn(loaded.record);
  return leaseOn(loaded) ?? (claims && { state: claims.text, lease: claims.lease });
};
