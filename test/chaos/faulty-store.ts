// Stores that break their contract in one chosen way.
import { setTimeout as sleep } from "node:timers/promises";
import type { SessionStore, StoredSession } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { randomFrom } from "./random.ts";

/** How the store breaks its contract from time to time. */
export type StoreFault =
  /** Compare-and-swap does not compare. */
  | "no comparison"
  /** A read returns the state before the last write. */
  | "stale cache"
  /** A write to a deleted session creates it again. */
  | "revival by update"
  /** A deleted session is created again. */
  | "revival after delete"
  /** A write is acknowledged, but not made. */
  | "forgotten write"
  /** A read finds nothing, although the session exists. */
  | "false absence"
  /** A write is made twice, and the second time overwrites later writes. */
  | "repeated write";

/** A memory store that several servers can use, and for which they seal their values, as with a database. */
export function sharedMemory(): SessionStore {
  const { inProcess: _, ...store } = memory();
  // A server that stops closes its connections, and not the database.
  return { ...store, close: async () => {} };
}

/** Has one fault, or none. */
export function faultyStore(fault: StoreFault | undefined): SessionStore {
  const store = sharedMemory();
  const random = randomFrom(1);
  const strikes = (what: StoreFault, share: number) => fault === what && random() < share;
  const previous = new Map<string, StoredSession>();

  return {
    ...store,

    async read(key, touchUntil) {
      if (strikes("false absence", 0.01)) return undefined;
      const old = previous.get(key);
      if (old !== undefined && strikes("stale cache", 0.1)) return old;
      const found = await store.read(key, touchUntil);
      // Other requests write meanwhile.
      if (fault === "no comparison") await sleep(2);
      return found;
    },

    async update(key, session, ifVersion) {
      const before = await store.read(key);
      if (before === undefined && strikes("revival by update", 0.5)) return store.create(key, session);
      if (before !== undefined && strikes("no comparison", 0.7)) return store.update(key, session, before.version);
      if (before?.version === ifVersion && strikes("forgotten write", 0.05)) return ifVersion;
      const version = await store.update(key, session, ifVersion);
      if (before !== undefined) previous.set(key, before);
      if (strikes("repeated write", 0.1)) {
        setTimeout(async () => {
          const newer = await store.read(key);
          if (newer !== undefined) await store.update(key, session, newer.version);
        }, 20);
      }
      return version;
    },

    async delete(key, ifVersion) {
      const before = await store.read(key);
      const removed = await store.delete(key, ifVersion);
      if (removed && before !== undefined && strikes("revival after delete", 0.3)) {
        setTimeout(() => store.create(key, before), 5);
      }
      return removed;
    },
  };
}

/**
 * A store as it is for a server whose clock is `ahead` milliseconds ahead (behind, if negative), if sessions go by the
 * clocks of servers.
 */
export function byServersClock(store: SessionStore, ahead: number): SessionStore {
  return {
    ...store,
    async read(key, touchUntil) {
      const found = await store.read(key);
      if (found === undefined || found.expiresAt <= Date.now() + ahead) return undefined;
      if (touchUntil !== undefined) await store.touch(key, touchUntil + ahead);
      return found;
    },
    create: (key, session) => store.create(key, { ...session, expiresAt: session.expiresAt + ahead }),
    update: (key, session, ifVersion) =>
      store.update(key, { ...session, expiresAt: session.expiresAt + ahead }, ifVersion),
    touch: (key, expiresAt) => store.touch(key, expiresAt + ahead),
    claimExpired: (now, limit) => store.claimExpired!(now + ahead, limit),
  };
}

/** Answers that a session lasts longer, and does nothing about it: only writes renew sessions. */
export function withoutRenewal(store: SessionStore): SessionStore {
  return {
    ...store,
    read: (key) => store.read(key),
    touch: async (key) => (await store.read(key)) !== undefined,
  };
}

/**
 * A store whose standby has everything when it takes over, as two servers see it: the first one uses the standby from then
 * on, and the second one goes on with the former primary. What it writes there is acknowledged or, with
 * `refusesWrites: true`, goes to the standby.
 */
export function splitStore({ refusesWrites }: { refusesWrites: boolean }) {
  const [primary, standby] = [sharedMemory(), sharedMemory()];
  let isOver = false;
  const view = (reads: () => SessionStore, writes: () => SessionStore): SessionStore => ({
    ...primary,
    read: (key, touchUntil) => reads().read(key, touchUntil),
    create: (key, session) => writes().create(key, session),
    update: (key, session, ifVersion) => writes().update(key, session, ifVersion),
    delete: (key, ifVersion) => writes().delete(key, ifVersion),
    touch: (key, expiresAt) => writes().touch(key, expiresAt),
    list: (query) => reads().list!(query),
    claimExpired: (now, limit) => writes().claimExpired!(now, limit),
  });
  const current = () => (isOver ? standby : primary);
  return {
    stores: [view(current, current), view(() => primary, refusesWrites ? current : () => primary)],
    async failOver() {
      for await (const { key } of primary.list!({})) {
        const session = await primary.read(key);
        if (session !== undefined) await standby.create(key, session);
      }
      isOver = true;
    },
  };
}
