// A session store on top of a plain key-value store, which has no compare-and-swap.

import { randomBytes } from "node:crypto";
import { StoreError, storeTimeoutError, toStoreError } from "../../errors.ts";
import { collectClaimed, type SessionStore, type SessionWrite, withOwner } from "../../store.ts";
import { withTimeout } from "../../util/timeout.ts";

/** What a key-value store has to do. A missing record is undefined or null. */
export interface KeyValueStore {
  /** The store's name, for messages. */
  name: string;
  get(key: string): Promise<unknown>;
  set(key: string, record: KeyValueRecord): Promise<void>;
  remove(key: string): Promise<void>;
  /** All values, in pages. Values that are not a session of coatcheck are left out later. */
  all?(): AsyncIterable<unknown[]>;
  /** True if expired sessions stay until they are removed. */
  keepsExpired?: boolean;
  close(): Promise<void>;
}

/** A session as the key-value store has it. It survives JSON. */
export interface KeyValueRecord {
  key: string;
  version: string;
  /** The value, in base64. */
  value: string;
  expiresAt: number;
  owner?: string;
}

/** A store that is not atomic between processes: the last writer wins. */
export type LastWriterWins = SessionStore & { readonly atomic: false };

/**
 * Makes a session store of a key-value store. Within this process, calls for one session run one after the other, so that
 * each is atomic. A call of another process can fall between a call's read and its write.
 *
 * @param shared identifies the key-value store in this process. Session stores with the same `shared` queue together.
 * @param timeout milliseconds after which a pending call fails, and stops blocking the session's queue.
 */
export function keyValueSessionStore(backend: KeyValueStore, shared: object, timeout: number): LastWriterWins {
  const inTurn = turnsOf(shared);

  /** @throws StoreError if the call fails or takes too long. */
  async function call<T>(operation: string, send: () => Promise<T>): Promise<T> {
    try {
      return await withTimeout(send(), timeout, () => storeTimeoutError(backend.name, operation, timeout));
    } catch (error) {
      throw toStoreError(backend.name, operation, error);
    }
  }

  async function load(operation: string, key: string): Promise<KeyValueRecord | undefined> {
    const found = await call(operation, () => backend.get(key));
    if (found === undefined || found === null) return undefined;
    if (isRecord(found) && found.key === key) return found;
    throw new StoreError(
      `coatcheck: what ${backend.name} has under the key "${key}" is not a session of coatcheck. Give coatcheck keys that nothing else uses.`,
    );
  }

  /** The record, if its session has not expired. */
  async function loadLive(operation: string, key: string): Promise<KeyValueRecord | undefined> {
    const found = await load(operation, key);
    return found !== undefined && found.expiresAt > Date.now() ? found : undefined;
  }

  async function write(operation: string, key: string, { value, expiresAt, owner }: SessionWrite): Promise<string> {
    const version = randomBytes(12).toString("base64url");
    const base64 = Buffer.from(value.buffer, value.byteOffset, value.length).toString("base64");
    const record = withOwner({ key, version, value: base64, expiresAt }, owner);
    await call(operation, () => backend.set(key, record));
    return version;
  }

  const store: LastWriterWins = {
    name: backend.name,
    atomic: false,

    read: (key) =>
      inTurn(key, async () => {
        const found = await loadLive("read", key);
        return found && { ...contentOf(found), version: found.version };
      }),

    create: (key, session) =>
      inTurn(key, async () => ((await loadLive("create", key)) ? "exists" : write("create", key, session))),

    update: (key, session, ifVersion) =>
      inTurn(key, async () => {
        const found = await loadLive("update", key);
        if (found === undefined) return "gone";
        return found.version === ifVersion ? write("update", key, session) : "conflict";
      }),

    delete: (key, ifVersion) =>
      inTurn(key, async () => {
        const found = await loadLive("delete", key);
        if (found === undefined || (ifVersion !== undefined && found.version !== ifVersion)) return false;
        await call("delete", () => backend.remove(key));
        return true;
      }),

    touch: (key, expiresAt) =>
      inTurn(key, async () => {
        const found = await loadLive("touch", key);
        if (found === undefined) return false;
        await call("touch", () => backend.set(key, { ...found, expiresAt }));
        return true;
      }),

    close: () => backend.close(),
  };

  const { all } = backend;
  if (all === undefined) return store;

  async function* records(operation: string): AsyncGenerator<KeyValueRecord> {
    const pages = all!.call(backend)[Symbol.asyncIterator]();
    for (;;) {
      const page = await call(operation, () => pages.next());
      if (page.done) return;
      for (const record of page.value) if (isRecord(record)) yield record;
    }
  }

  store.list = async function* ({ owner }) {
    for await (const record of records("list")) {
      if (record.expiresAt <= Date.now() || (owner !== undefined && record.owner !== owner)) continue;
      yield withOwner({ key: record.key, expiresAt: record.expiresAt }, record.owner);
    }
  };
  if (!backend.keepsExpired) return store;

  store.claimExpired = (now, limit) =>
    collectClaimed(async (claimed) => {
      for await (const { key, expiresAt } of records("claimExpired")) {
        if (claimed.length === limit) return;
        if (expiresAt > now) continue;
        await inTurn(key, async () => {
          const found = await load("claimExpired", key);
          if (found === undefined || found.expiresAt > now) return;
          await call("claimExpired", () => backend.remove(key));
          claimed.push({ key, ...contentOf(found) });
        });
      }
    });
  return store;
}

function contentOf({ value, expiresAt, owner }: KeyValueRecord): SessionWrite {
  return withOwner({ value: Buffer.from(value, "base64"), expiresAt }, owner);
}

function isRecord(found: unknown): found is KeyValueRecord {
  if (typeof found !== "object" || found === null) return false;
  const { key, version, value, expiresAt, owner } = found as Partial<Record<keyof KeyValueRecord, unknown>>;
  return (
    [key, version, value].every((text) => typeof text === "string") &&
    Number.isFinite(expiresAt) &&
    (owner === undefined || typeof owner === "string")
  );
}

/** For each key-value store, the last call of each key. */
const lastCalls = new WeakMap<object, Map<string, Promise<unknown>>>();

/** Gives a function that runs the calls for one key one after the other. */
function turnsOf(shared: object): <T>(key: string, call: () => Promise<T>) => Promise<T> {
  const last = lastCalls.get(shared) ?? new Map<string, Promise<unknown>>();
  lastCalls.set(shared, last);
  return (key, call) => {
    const result = (last.get(key) ?? Promise.resolve()).then(call);
    const done = result
      .catch(() => {})
      .then(() => {
        if (last.get(key) === done) last.delete(key);
      });
    last.set(key, done);
    return result;
  };
}
