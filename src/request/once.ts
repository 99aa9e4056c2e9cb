// `session.once`: one of all parallel requests makes a key's value, and the others wait for it.

import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type KeyRules, NO_CHANGES, valueIn } from "../commit/merge.ts";
import { recordBuilder } from "../commit/record-builder.ts";
import { type TakeLease, takePastQueue, updateRecord } from "../commit/update.ts";
import type { Ticket } from "../cookies/ticket.ts";
import {
  CapabilityError,
  CoatcheckError,
  LeaseLostError,
  LockTimeoutError,
  OptionError,
  UnstorableValueError,
  ValueNotStoredError,
} from "../errors.ts";
import type { Lease } from "../locking/lease.ts";
import { SessionExpiry } from "../records/expiry.ts";
import { type OnceClaim, type OnceEntry, onceEntry, onceName, onceText } from "../records/once-entry.ts";
import type { SessionRecord } from "../records/record.ts";
import type { NewText } from "../records/record-shape.ts";
import { type LoadedRecord, type RecordBuilder, type RecordVersion, readRecord } from "../records/record-store.ts";
import { encode } from "../records/value-codec.ts";
import type { OnceOptions } from "../session.ts";
import type { Version } from "../store.ts";
import { milliseconds } from "../util/duration.ts";
import { checkNames } from "../util/option-names.ts";
import { unref } from "../util/timers.ts";
import type { SessionContext } from "./context.ts";
import { endedError } from "./request-errors.ts";
import { checkedKey } from "./working-copy.ts";

// Pauses between attempts to store what is made while the store fails.
const BASE_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 1_000;

/** Tells whether a value is good. */
type Freshness = (value: unknown, entry: OnceEntry) => boolean;

/** A call of `once`, checked. */
export interface OnceRequest {
  readonly key: string;
  readonly make: (former: unknown) => unknown;
  readonly isFresh: Freshness;
  /** True if the instant at which a value is made has to be noted. */
  readonly isTimed: boolean;
}

/** @throws OptionError, CapabilityError, UnstorableValueError */
export function onceRequest(
  { store, rules }: SessionContext,
  key: string,
  make: (former: unknown) => unknown,
  options: OnceOptions<never>,
): OnceRequest {
  if (store.inCookie) {
    throw new CapabilityError(
      "session.once()",
      "update",
      "sealedCookie() keeps sessions only in the browser, so that servers share no state: use a server-side store",
    );
  }
  if (typeof make !== "function")
    throw new OptionError("make", make, 'give a function: once("tokens", refresh, { … }).');
  checkedKey(key);
  checkNames("once()", options, { ttl: true, isFresh: true });
  const { ttl, isFresh } = options as { ttl?: never; isFresh?: (value: unknown) => boolean };
  if (isFresh === undefined) {
    const span = milliseconds("ttl", ttl!);
    const isYoung: Freshness = (_, { madeAt }) => madeAt !== undefined && rules.now() - madeAt < span;
    return { key, make, isTimed: true, isFresh: isYoung };
  }
  if (ttl !== undefined) throw new OptionError("ttl", ttl, "give ttl or isFresh, and not both.");
  if (typeof isFresh !== "function") throw new OptionError("isFresh", isFresh, "give a function of the value.");
  return { key, make, isTimed: false, isFresh };
}

/** True if the request need not make the value. */
export function isFreshIn(record: SessionRecord | undefined, value: unknown, { key, isFresh }: OnceRequest): boolean {
  return value !== undefined && isFresh(value, record === undefined ? {} : onceEntry(record, key));
}

/** Thrown by a builder: the state is not the one that its change is for. */
class Refused extends Error {}

/** One call, from the state in which its request has the session. */
export class OnceCall {
  readonly #context: SessionContext;
  readonly #request: OnceRequest;
  readonly #ticket: Ticket;
  readonly #lease: Lease | undefined;
  readonly #expiry: SessionExpiry;
  readonly #deadline: number;
  /** The state from which it begins. */
  readonly before: Version;
  #latest: RecordVersion;

  /** `lease`: the request has the session to itself. */
  constructor(context: SessionContext, request: OnceRequest, loaded: LoadedRecord, lease: Lease | undefined) {
    this.#context = context;
    this.#request = request;
    this.#ticket = loaded.ticket;
    this.#lease = lease;
    this.before = loaded.version;
    this.#latest = loaded;
    this.#expiry = new SessionExpiry(context, loaded);
    this.#deadline = performance.now() + context.leaseLimits.maxWait;
  }

  /** The state in which the key's value is fresh. @throws as `session.once` says */
  async run(): Promise<RecordVersion> {
    const { onceCalls } = this.#context;
    // A request that has the session to itself would wait for those that wait for it.
    if (this.#lease !== undefined) return this.#makeOrWait();
    const name = `${this.#ticket.key} ${this.#request.key}`;
    for (let other = onceCalls.get(name); other !== undefined; other = onceCalls.get(name)) {
      const left = await this.#waitFor(other);
      if (left !== undefined && this.#isFresh(left.record)) return left;
    }
    const call = this.#makeOrWait();
    const settled = call.catch(() => undefined).finally(() => onceCalls.delete(name));
    onceCalls.set(name, settled);
    return call;
  }

  /** What another request of this process leaves. */
  async #waitFor(other: Promise<RecordVersion | undefined>): Promise<RecordVersion | undefined> {
    const timeout = new AbortController();
    const wait = sleep(Math.max(0, this.#deadline - performance.now()), "late" as const, timeout).catch(
      () => undefined,
    );
    const first = await Promise.race([other, wait]);
    timeout.abort();
    if (first === "late") throw this.#timeout();
    return first;
  }

  /** Waits until no request of any process makes the value; makes it, if it is not fresh then. */
  async #makeOrWait(): Promise<RecordVersion> {
    const { leases, events } = this.#context;
    const waiter = leases.notifier.watch(this.#ticket.key);
    let seen: { claim: string; since: number } | undefined;
    try {
      for (;;) {
        const { record } = this.#latest;
        if (this.#isFresh(record)) return this.#latest;
        const now = performance.now();
        const { claim } = this.#entryIn(record);
        const text = claim && JSON.stringify(claim);
        // As with exclusive mode's leases: a claim that was not renewed for a whole lease, by this server's clock, is over.
        if (text !== undefined && seen?.claim !== text) seen = { claim: text, since: now };
        const freeAt = claim === undefined ? now : seen!.since + claim.lease;
        if (freeAt <= now) {
          const own = await this.#claim(text);
          if (own !== undefined) {
            if (claim !== undefined) events.emit("takeover", { id: this.#ticket.key });
            waiter.stop();
            return await this.#context.inFlight.track(this.#make(own));
          }
        } else {
          if (now >= this.#deadline) throw this.#timeout();
          await waiter.wait(Math.min(freeAt, this.#deadline) - now + 1);
        }
        this.#latest = await this.#read();
      }
    } finally {
      waiter.stop();
    }
  }

  /** Undefined: another request was first. `abandoned`: the claim to take over. */
  async #claim(abandoned: string | undefined): Promise<OnceClaim | undefined> {
    const own = { id: randomBytes(9).toString("base64url"), renewals: 0, lease: this.#context.leaseLimits.lease };
    const claimed = await this.#write((record) => {
      const { claim } = this.#entryIn(record);
      if (this.#isFresh(record) || (claim && JSON.stringify(claim)) !== abandoned) throw new Refused();
      return [this.#entryText({ claim: own })];
    });
    if (claimed === undefined) return undefined;
    this.#latest = claimed;
    return own;
  }

  async #make(claim: OnceClaim): Promise<RecordVersion> {
    const { key, make } = this.#request;
    const { record } = this.#latest;
    const stopRenewing = this.#renew(claim);
    try {
      let value: unknown;
      try {
        value = await make(this.valueIn(record));
      } catch (error) {
        await this.#release(claim);
        throw error;
      }
      try {
        return await this.#store(claim, value, record);
      } catch (error) {
        await this.#release(claim);
        throw new ValueNotStoredError(this.#ticket.key, key, value, error);
      }
    } finally {
      stopRenewing();
    }
  }

  /** Keeps the claim until `maxHold` is over. Returns a function that stops it. */
  #renew(claim: OnceClaim): () => void {
    const { lease, maxHold } = this.#context.leaseLimits;
    const until = performance.now() + maxHold;
    let renewals = 0;
    let isBusy = false;
    const timer = setInterval(async () => {
      if (isBusy) return;
      if (performance.now() > until) clearInterval(timer);
      else {
        isBusy = true;
        // A failed renewal is reported by the resilient store; a lost claim is noticed when the value is stored.
        await this.#writeOwn(claim, { claim: { ...claim, renewals: ++renewals } }).catch(() => {});
        isBusy = false;
      }
    }, lease / 3);
    unref(timer);
    return () => clearInterval(timer);
  }

  /** Stores the value, for as long as others wait for it. `former`: the state from which it was made. */
  async #store(claim: OnceClaim, value: unknown, former: SessionRecord): Promise<RecordVersion> {
    const { key, isTimed } = this.#request;
    const { leaseLimits, maxSize, events } = this.#context;
    if (value === undefined) throw new UnstorableValueError(key, "the function that makes it gave undefined");
    const after = encode(key, value, maxSize);
    const madeAt = isTimed ? this.#rules.now() : undefined;
    const until = performance.now() + leaseLimits.maxWait;
    let isLost = false;
    const texts = (record: SessionRecord): NewText[] => {
      const entry = this.#entryIn(record);
      isLost = entry.claim?.id !== claim.id;
      if (!isLost) return [{ key, after }, this.#entryText({ madeAt })];
      // Another request has taken over, and runs or has failed: nothing newer is there, so that this is still the best.
      const isAsBefore = record.owner === former.owner && record.text(key) === former.text(key);
      if (!isAsBefore || (former.text(key) === undefined && entry.claim === undefined)) throw new Refused();
      return [{ key, after }, this.#entryText({ ...entry, madeAt })];
    };
    for (let pause = BASE_BACKOFF_MS; ; pause = Math.min(2 * pause, MAX_BACKOFF_MS)) {
      try {
        const stored = await this.#write(texts, takePastQueue);
        const left = stored ?? (await this.#read());
        // Without an answer to an earlier attempt, the value may be there already.
        const isThere = stored === undefined && left.record.text(key) === after;
        if (isLost && !isThere) events.emit("leaseLost", { id: this.#ticket.key });
        if (stored !== undefined || (left.record.owner === former.owner && left.record.has(key))) return left;
        throw endedError();
      } catch (error) {
        if (!isTransient(error) || performance.now() + pause > until) throw error;
        await sleep(pause);
      }
    }
  }

  /** Lets the next request try. If it fails, the claim runs out. */
  async #release(claim: OnceClaim): Promise<void> {
    await this.#writeOwn(claim, {}).catch(() => {});
  }

  /** Replaces the key's entry, if the claim in it is this one. */
  #writeOwn(claim: OnceClaim, entry: OnceEntry): Promise<unknown> {
    return this.#write((record) => {
      if (this.#entryIn(record).claim?.id !== claim.id) throw new Refused();
      return [this.#entryText(entry)];
    }, takePastQueue);
  }

  /**
   * Writes what `texts` makes of the state that the store has. Undefined: it throws Refused for that state. `take`: how it
   * waits for a request that has the session to itself; default: in the queue. It is not in the queue of the session's
   * commits: one of them may be a `regenerate`, which waits for this.
   * @throws CoatcheckError if the session has ended
   */
  async #write(texts: (record: SessionRecord) => NewText[], take?: TakeLease): Promise<RecordVersion | undefined> {
    const context = this.#context;
    const builder: RecordBuilder = {
      record: (base, lease) => {
        const keys = texts(base!).map((text) => ({ ...text, before: base!.text(text.key), updates: undefined }));
        return recordBuilder(context, { ...NO_CHANGES, keys }, this.#expiry, false, this.#ticket).record(base, lease);
      },
      expiry: () => this.#expiry.extendTo(this.#expiry.latest()),
    };
    try {
      const written = await (this.#lease?.write(builder) ??
        context.inFlight.track(updateRecord(context, this.#ticket, this.#latest, builder, take)));
      if (written === undefined) throw endedError();
      return written;
    } catch (error) {
      if (error instanceof Refused) return undefined;
      throw error;
    }
  }

  /** @throws CoatcheckError if the session has ended. */
  async #read(): Promise<RecordVersion> {
    const loaded = await readRecord(this.#context, this.#ticket);
    if (loaded === undefined) throw endedError();
    return loaded;
  }

  /** The key's value in a record. */
  valueIn(record: SessionRecord): unknown {
    return valueIn(this.#request.key, record.text(this.#request.key), this.#rules);
  }

  get #rules(): KeyRules {
    return this.#context.rules;
  }

  #isFresh(record: SessionRecord): boolean {
    return isFreshIn(record, this.valueIn(record), this.#request);
  }

  #entryIn(record: SessionRecord): OnceEntry {
    return onceEntry(record, this.#request.key);
  }

  #entryText(entry: OnceEntry): NewText {
    return { key: onceName(this.#request.key), after: onceText(entry) };
  }

  #timeout(): LockTimeoutError {
    return new LockTimeoutError(this.#ticket.key, this.#context.leaseLimits.maxWait, this.#request.key);
  }
}

/** True if the same write may succeed later. */
function isTransient(error: unknown): boolean {
  const isOver =
    error instanceof LeaseLostError || (error instanceof CoatcheckError && error.code === "COATCHECK_GONE");
  return error instanceof CoatcheckError && (error.status === 503 || error.status === 429) && !isOver;
}
