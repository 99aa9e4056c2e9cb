// A store for tests: its calls are recorded, and can be delayed or made to fail.
import type { SessionStore } from "../../src/store.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { isSessionKey } from "../../src/util/side-records.ts";

export const SECRET = "a secret of the tests, long enough to be taken";
export const OTHER_SECRET = "another secret of the tests, just as long as it";

export type Operation = "read" | "create" | "update" | "delete" | "touch" | "list" | "claimExpired";

export interface WatchedStore extends SessionStore {
  /** Every call, in order. */
  readonly calls: Operation[];
  /** Runs before the call reaches the store. It may wait or throw. */
  before: ((operation: Operation, key: string) => unknown) | undefined;
  /** Runs after the store's answer, before the call resolves. It may wait or throw. */
  after: ((operation: Operation, key: string) => unknown) | undefined;
  /** The last bytes of each session that the store accepted. */
  readonly rows: Map<string, Uint8Array>;
}

/**
 * A memory store that is not `inProcess`, so the core seals its values and limits the time of its calls, as with a database.
 * Like most databases, it does not extend the expiry on a read.
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
        if (answer !== "exists" && isSessionKey(key)) rows.set(key, new Uint8Array(session.value));
        return answer;
      }),
    update: (key, session, ifVersion) =>
      call("update", key, async () => {
        const answer = await inner.update(key, session, ifVersion);
        if (answer !== "gone" && answer !== "conflict" && isSessionKey(key))
          rows.set(key, new Uint8Array(session.value));
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
