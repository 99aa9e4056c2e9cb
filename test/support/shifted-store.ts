// A store whose clock differs from this process's, as a database server's may.

import type { SessionStore } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";

/**
 * A memory store whose clock is `ahead` milliseconds ahead of this process's (behind, if negative). It is not `inProcess`, so
 * the core treats it as a database. `times` counts how often it was asked for its time.
 */
export function shiftedStore(ahead: number, inner: SessionStore = memory()): SessionStore & { times: number } {
  const here = (instant: number) => instant - ahead;
  const there = (instant: number) => instant + ahead;
  const store: SessionStore & { times: number } = {
    times: 0,
    async time() {
      store.times++;
      return there(Date.now());
    },
    async read(key) {
      const found = await inner.read(key);
      return found && { ...found, expiresAt: there(found.expiresAt) };
    },
    create: (key, session) => inner.create(key, { ...session, expiresAt: here(session.expiresAt) }),
    update: (key, session, ifVersion) =>
      inner.update(key, { ...session, expiresAt: here(session.expiresAt) }, ifVersion),
    delete: (key, ifVersion) => inner.delete(key, ifVersion),
    touch: (key, expiresAt) => inner.touch(key, here(expiresAt)),
    async *list(query) {
      for await (const entry of inner.list!(query)) yield { ...entry, expiresAt: there(entry.expiresAt) };
    },
    async claimExpired(now, limit) {
      const claimed = await inner.claimExpired!(here(now), limit);
      return claimed.map((session) => ({ ...session, expiresAt: there(session.expiresAt) }));
    },
    close: () => inner.close(),
  };
  return store;
}
