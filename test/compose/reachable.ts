// A store that can be cut off, as by a network.

import type { SessionStore } from "../../src/store.ts";

/** The store, as long as `isUp` gives true. Otherwise every call fails. */
export function reachable(store: SessionStore, isUp: () => boolean): SessionStore {
  function check(): void {
    if (!isUp()) throw new Error("down");
  }
  return {
    async read(key, touchUntil) {
      check();
      return store.read(key, touchUntil);
    },
    async create(key, session) {
      check();
      return store.create(key, session);
    },
    async update(key, session, ifVersion) {
      check();
      return store.update(key, session, ifVersion);
    },
    async delete(key, ifVersion) {
      check();
      return store.delete(key, ifVersion);
    },
    async touch(key, expiresAt) {
      check();
      return store.touch(key, expiresAt);
    },
    async *list(query) {
      check();
      yield* store.list!(query);
    },
    ...(store.time && {
      async time() {
        check();
        return store.time!();
      },
    }),
    close: () => store.close(),
  };
}
