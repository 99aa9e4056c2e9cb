import { randomBytes } from "node:crypto";
import { handedOver } from "../claims.ts";
import { StoreError } from "../errors.ts";
import type { SessionEntry, SessionStore, SessionWrite } from "../store.ts";

/** A place that keeps records under names, without compare-and-swap. */
export interface Shelf {
  /** What messages call it. */
  name: string;
  get(key: string): Promise<unknown>;
  set(key: string, record: ShelfRecord): Promise<void>;
  remove(key: string): Promise<void>;
  /** All that is there, in parts. What is not a session's record is passed over. */
  all?(): AsyncIterable<unknown[]>;
  /** Whether ended sessions stay until they are removed. */
  keepsEnded?: boolean;
  close(): Promise<void>;
}

/** A session as it lies there. It survives JSON. */
export interface ShelfRecord {
  key: string;
  version: string;
  /** The value, in base64. */
  value: string;
  expiresAt: number;
  owner?: string;
}

/** A store that is not atomic between processes: the last one that writes wins. */
export type LastWriterWins = SessionStore & { readonly atomic: false };

/**
 * A store on a shelf. In this process, calls for one session come one after the other, so that each is atomic; calls of
 * other processes can fall between reading and writing.
 *
 * @param shared what identifies the shelf in this process, so that all stores on it queue together.
 * @param timeout milliseconds after which a call of the shelf that has not ended no longer holds others up.
 */
export function onShelf(shelf: Shelf, shared: object, timeout: number): LastWriterWins {
  const inTurn = turnsOf(shared);

  async function ask<T>(what: string, call: () => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new StoreError(`coatcheck: ${shelf.name} did not ${what} within ${timeout} ms`)),
        timeout,
      );
    });
    try {
      return await Promise.race([call(), late]);
    } catch (error) {
      if (error instanceof StoreError) throw error;
      throw new StoreError(
        `coatcheck: ${shelf.name} failed to ${what}: ${error instanceof Error ? error.message : error}`,
        error,
      );
    } finally {
      clearTimeout(timer);
    }
  }

  async function look(what: string, key: string): Promise<ShelfRecord | undefined> {
    const found = await ask(what, () => shelf.get(key));
    if (found === undefined || found === null) return undefined;
    if (isRecord(found) && found.key === key) return found;
    throw new StoreError(`coatcheck: what ${shelf.name} has for "${key}" is not a session of coatcheck`);
  }

  /** The record, if its session is alive. */
  async function find(what: string, key: string): Promise<ShelfRecord | undefined> {
    const found = await look(what, key);
    return found !== undefined && found.expiresAt > Date.now() ? found : undefined;
  }

  async function write(what: string, key: string, { value, expiresAt, owner }: SessionWrite): Promise<string> {
    const version = randomBytes(12).toString("base64url");
    const base64 = Buffer.from(value.buffer, value.byteOffset, value.length).toString("base64");
    const record = { key, version, value: base64, expiresAt, ...(owner !== undefined && { owner }) };
    await ask(what, () => shelf.set(key, record));
    return version;
  }

  const store: LastWriterWins = {
    atomic: false,

    read: (key) =>
      inTurn(key, async () => {
        const found = await find("read", key);
        return found && { ...contentOf(found), version: found.version };
      }),

    create: (key, session) =>
      inTurn(key, async () => ((await find("create", key)) ? "exists" : write("create", key, session))),

    update: (key, session, ifVersion) =>
      inTurn(key, async () => {
        const found = await find("update", key);
        if (found === undefined) return "gone";
        return found.version === ifVersion ? write("update", key, session) : "conflict";
      }),

    delete: (key, ifVersion) =>
      inTurn(key, async () => {
        const found = await find("delete", key);
        if (found === undefined || (ifVersion !== undefined && found.version !== ifVersion)) return false;
        await ask("delete", () => shelf.remove(key));
        return true;
      }),

    touch: (key, expiresAt) =>
      inTurn(key, async () => {
        const found = await find("touch", key);
        if (found === undefined) return false;
        await ask("touch", () => shelf.set(key, { ...found, expiresAt }));
        return true;
      }),

    close: () => shelf.close(),
  };

  const { all } = shelf;
  if (all === undefined) return store;

  async function* records(what: string): AsyncGenerator<ShelfRecord> {
    const parts = all!.call(shelf)[Symbol.asyncIterator]();
    for (;;) {
      const part = await ask(what, () => parts.next());
      if (part.done) return;
      for (const record of part.value) if (isRecord(record)) yield record;
    }
  }

  store.list = async function* ({ owner }) {
    for await (const record of records("list")) {
      if (record.expiresAt <= Date.now() || (owner !== undefined && record.owner !== owner)) continue;
      const entry: SessionEntry = { key: record.key, expiresAt: record.expiresAt };
      yield record.owner === undefined ? entry : { ...entry, owner: record.owner };
    }
  };
  if (!shelf.keepsEnded) return store;

  store.claimExpired = (now, limit) =>
    handedOver(async (claimed) => {
      for await (const { key, expiresAt } of records("claimExpired")) {
        if (claimed.length === limit) return;
        if (expiresAt > now) continue;
        await inTurn(key, async () => {
          const found = await look("claimExpired", key);
          if (found === undefined || found.expiresAt > now) return;
          await ask("claimExpired", () => shelf.remove(key));
          claimed.push({ key, ...contentOf(found) });
        });
      }
    });
  return store;
}

function contentOf({ value, expiresAt, owner }: ShelfRecord): SessionWrite {
  const content = { value: Buffer.from(value, "base64"), expiresAt };
  return owner === undefined ? content : { ...content, owner };
}

function isRecord(found: unknown): found is ShelfRecord {
  if (typeof found !== "object" || found === null) return false;
  const { key, version, value, expiresAt, owner } = found as Partial<Record<keyof ShelfRecord, unknown>>;
  return (
    [key, version, value].every((text) => typeof text === "string") &&
    Number.isFinite(expiresAt) &&
    (owner === undefined || typeof owner === "string")
  );
}

const queues = new WeakMap<object, Map<string, Promise<unknown>>>();

/** What runs calls for one key one after the other. */
function turnsOf(shared: object): <T>(key: string, call: () => Promise<T>) => Promise<T> {
  const last = queues.get(shared) ?? new Map<string, Promise<unknown>>();
  queues.set(shared, last);
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
