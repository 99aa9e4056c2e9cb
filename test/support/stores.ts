import type { SessionStore } from "../../src/store.ts";
import { memory } from "../../src/stores/memory.ts";

export const SECRET = "a secret of the tests, long enough to be taken";
export const OTHER_SECRET = "another secret of the tests, just as long as it";

export type Operation = "read" | "create" | "update" | "delete" | "touch" | "list" | "claimExpired";

export interface WatchedStore extends SessionStore {
  /** Every call, in order. */
  readonly calls: Operation[];
  /** Runs before the call reaches the store: may wait, or throw. */
  before: ((operation: Operation, key: string) => unknown) | undefined;
  /** Runs after the store has done it, before the answer is given: may wait, or throw. */
  after: ((operation: Operation, key: string) => unknown) | undefined;
  /** The bytes of each session, as the store got them last. */
  readonly rows: Map<string, Uint8Array>;
}

/**
 * A memory store that is not `inProcess`, so the core seals what it keeps and guards its calls, as with a database.
 * It does not extend the expiry on a read, as most databases do not.
 */
export function watched(inner: SessionStore = memory()): WatchedStore {
  const rows = new Map<string, Uint8Array>();
  const calls: Operation[] = [];

  async function call<T>(operation: Operation, key: string, run: () => Promise<T>): Promise<T> {
    calls.push(operation);
    await store.before?.(operation, key);
    const answer = await run();
    await store.after?.(operation, key);
    return answer;
  }

  const store: WatchedStore = {
    calls,
    rows,
    before: undefined,
    after: undefined,
    read: (key) => call("read", key, () => inner.read(key)),
    create: (key, session) =>
      call("create", key, async () => {
        const answer = await inner.create(key, session);
        // Without bytes it is no session, but a note; see replaced.ts.
        if (answer !== "exists" && session.value.length > 0) rows.set(key, new Uint8Array(session.value));
        return answer;
      }),
    update: (key, session, ifVersion) =>
      call("update", key, async () => {
        const answer = await inner.update(key, session, ifVersion);
        if (answer !== "gone" && answer !== "conflict") rows.set(key, new Uint8Array(session.value));
        return answer;
      }),
    delete: (key, ifVersion) =>
      call("delete", key, async () => {
        const removed = await inner.delete(key, ifVersion);
        if (removed) rows.delete(key);
        return removed;
      }),
    touch: (key, expiresAt) => call("touch", key, () => inner.touch(key, expiresAt)),
    close: () => inner.close(),
    async *list(query) {
      calls.push("list");
      for await (const entry of inner.list!(query)) {
        await store.before?.("list", entry.key);
        yield entry;
      }
    },
    claimExpired: (now, limit) => call("claimExpired", "", () => inner.claimExpired!(now, limit)),
  };
  return store;
}
