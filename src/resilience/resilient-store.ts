// A store that fails as a StoreError and in bounded time, and is not asked while it is known to be down.

import type { Events } from "../events.ts";
import { type ClaimedSession, collectClaimed, readFresh, type SessionStore, withSync } from "../store.ts";
import { CallPolicy } from "./call-policy.ts";
import { outcomeOfCreate, outcomeOfDelete, outcomeOfUpdate } from "./write-outcome.ts";

export interface ResilienceOptions {
  /** Milliseconds that an operation may take, retries included. */
  timeout: number;
  /** True if no two writes ever have the same bytes. */
  uniqueValues: boolean;
}

/**
 * The same store with time limits, retries and a circuit breaker. Reads, touches and deletes are tried again, since
 * running them twice does no harm. A create or update whose answer is lost is resolved by reading.
 *
 * Each part of a composed store has its own circuit breaker: a part that is down must not stop the others.
 */
export function resilient(store: SessionStore, options: ResilienceOptions, events: Events): SessionStore {
  const made = new Map<SessionStore, SessionStore>();
  function wrap(part: SessionStore): SessionStore {
    if (part.withParts) return part.withParts(wrap);
    const wrapped = made.get(part) ?? resilientPart(part, options, events);
    made.set(part, wrapped);
    return wrapped;
  }
  return wrap(store);
}

function resilientPart(
  store: SessionStore,
  { timeout, uniqueValues }: ResilienceOptions,
  events: Events,
): SessionStore {
  const policy = new CallPolicy(timeout, events);
  // A cached entry tells nothing of the outcome of a write.
  const readBack = (key: string) => () => readFresh(store, key);

  const wrapped: SessionStore = {
    ...(store.name !== undefined && { name: store.name }),
    ...(store.atomic === false && { atomic: false }),

    read: (key, touchUntil) => policy.repeatable("read", () => store.read(key, touchUntil)),

    ...(store.refresh && {
      refresh: (key, touchUntil) => policy.repeatable("read", () => store.refresh!(key, touchUntil)),
    }),

    create: (key, session) =>
      policy.oneTime("create", {
        run: () => store.create(key, session),
        read: readBack(key),
        outcome: (found) => outcomeOfCreate(found, session),
      }),

    update: (key, session, ifVersion) =>
      policy.oneTime("update", {
        run: () => store.update(key, session, ifVersion),
        read: readBack(key),
        outcome: (found) => outcomeOfUpdate(found, session, ifVersion, uniqueValues),
        refusals: ["conflict", "gone"],
      }),

    // If the first attempt deleted it and the answer was lost, the next one says false: no caller learns that it did the
    // delete.
    delete: (key, ifVersion) =>
      ifVersion === undefined
        ? policy.repeatable("delete", () => store.delete(key))
        : policy.oneTime("delete", {
            run: () => store.delete(key, ifVersion),
            read: readBack(key),
            outcome: (found) => outcomeOfDelete(found, ifVersion),
            refusals: [false],
          }),

    touch: (key, expiresAt) => policy.repeatable("touch", () => store.touch(key, expiresAt)),

    close: () => policy.close(() => store.close()),

    ...(store.time && { time: () => policy.repeatable("give its time", () => store.time!()) }),

    ...(store.list && { list: resilientList(store.list.bind(store), policy) }),

    ...(store.claimExpired && { claimExpired: resilientClaim(store.claimExpired.bind(store), policy) }),

    ...(store.watch && {
      watch: (listener, onListening) => policy.once("watch", () => store.watch!(listener, onListening)),
    }),
  };
  // Synchronous answers need no time limit, and come from no server that may be down.
  return withSync(wrapped, store.sync);
}

/** Each step is a call of its own. */
function resilientList(list: NonNullable<SessionStore["list"]>, policy: CallPolicy): NonNullable<SessionStore["list"]> {
  return async function* (query) {
    const entries = list(query)[Symbol.asyncIterator]();
    let isDone = false;
    try {
      for (;;) {
        const next = await policy.once("list", () => entries.next());
        isDone = next.done === true;
        if (next.done) return;
        yield next.value;
      }
    } finally {
      // A pending `next()` may never settle, so `return()` is called but not awaited.
      if (!isDone) entries.return?.().catch(() => {});
    }
  };
}

/** Sessions that a late answer brings are handed to the next sweep: no other caller will get them. */
function resilientClaim(
  claimExpired: NonNullable<SessionStore["claimExpired"]>,
  policy: CallPolicy,
): NonNullable<SessionStore["claimExpired"]> {
  const late: ClaimedSession[] = [];
  return (now, limit) =>
    collectClaimed(async (claimed) => {
      claimed.push(...late.splice(0, limit));
      if (claimed.length === limit) return;
      let claiming: Promise<ClaimedSession[]> | undefined;
      const claim = () => {
        claiming = claimExpired(now, limit - claimed.length);
        return claiming;
      };
      const found = await policy.once("claimExpired", claim, async (error) => {
        claiming?.then((found) => late.push(...found), () => {}); // biome-ignore format: one line
        throw error;
      });
      claimed.push(...found);
    });
}
