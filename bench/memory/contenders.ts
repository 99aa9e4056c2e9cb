// The contenders of the memory benchmark: stores that keep sessions in the process.
import { createRequire } from "node:module";
import { memory } from "../../src/stores/memory/index.ts";

/** A store as the benchmark calls it. `text` is the session's data as JSON. */
export interface Contender {
  create(key: string, text: string, expiresAt: number): Promise<unknown>;
  read(key: string): Promise<unknown>;
  update(key: string, text: string, expiresAt: number): Promise<unknown>;
  delete(key: string): Promise<unknown>;
  /**
   * Removes expired sessions and returns their number, or `SWEPT` if there may be more. Left out if the store removes
   * only those that are read.
   */
  sweep?(now: number): Promise<number>;
  /** True if its README sweeps once a day. */
  daily?: true;
}

export const SWEPT = 100;

/** coatcheck's store gets bytes, as from its core; the others get objects. */
export const contenders: Record<string, { name: string; open(): Contender }> = {
  coatcheck: { name: "coatcheck memory", open: coatcheck },
  "express-session": { name: "express-session MemoryStore", open: () => fromExpressStore(new MemoryStore()) },
  memorystore: { name: "memorystore", open: memorystore },
  map: { name: "a Map of objects", open: mapOfObjects },
};

function coatcheck(): Contender {
  const store = memory();
  return {
    create: (key, text, expiresAt) => store.create(key, { value: Buffer.from(text), expiresAt }),
    read: (key) => store.read(key),
    async update(key, text, expiresAt) {
      const found = await store.read(key);
      if (found) await store.update(key, { value: Buffer.from(text), expiresAt }, found.version);
    },
    delete: (key) => store.delete(key),
    sweep: async (now) => (await store.claimExpired!(now, SWEPT)).length,
  };
}

const require = createRequire(import.meta.url);
const expressSession = require("express-session") as { MemoryStore: new () => ExpressStore };
const { MemoryStore } = expressSession;

interface ExpressStore {
  get(key: string, done: (error: unknown, session: unknown) => void): void;
  set(key: string, session: ExpressSession, done: () => void): void;
  destroy(key: string, done: () => void): void;
}

interface ExpressSession {
  cookie: { expires: Date };
}

function fromExpressStore(store: ExpressStore): Contender {
  const set = (key: string, text: string, expiresAt: number) =>
    new Promise<void>((done) => {
      const session = { cookie: { expires: new Date(expiresAt) }, ...JSON.parse(text) };
      store.set(key, session, done);
    });
  return {
    create: set,
    update: set,
    read: (key) => new Promise((done) => store.get(key, (_error, session) => done(session))),
    delete: (key) => new Promise<void>((done) => store.destroy(key, done)),
  };
}

type Memorystore = new (options: {
  ttl(options: unknown, session: ExpressSession): number;
}) => ExpressStore & { length(done: (error: unknown, count: number) => void): void; prune(): void };

function memorystore(): Contender {
  const Store = (require("memorystore") as (session: unknown) => Memorystore)(expressSession);
  const store = new Store({ ttl: (_, { cookie }) => Number(cookie.expires) - Date.now() });
  const length = () => new Promise<number>((done) => store.length((_error, count) => done(count)));
  return {
    ...fromExpressStore(store),
    daily: true,
    async sweep(now) {
      const before = await length();
      pruneAt(store, now);
      return before - (await length());
    },
  };
}

/** memorystore's `prune` takes no time, so the clock is replaced during the call. */
function pruneAt(store: { prune(): void }, now: number): void {
  const clock = Date.now;
  Date.now = () => now;
  store.prune();
  Date.now = clock;
}

function mapOfObjects(): Contender {
  const sessions = new Map<string, { data: unknown; expiresAt: number }>();
  const set = async (key: string, text: string, expiresAt: number) =>
    sessions.set(key, { data: JSON.parse(text), expiresAt });
  return {
    create: set,
    update: set,
    async read(key) {
      const found = sessions.get(key);
      return found && found.expiresAt > Date.now() ? found.data : undefined;
    },
    delete: async (key) => sessions.delete(key),
    async sweep(now) {
      const before = sessions.size;
      for (const [key, { expiresAt }] of sessions) if (expiresAt <= now) sessions.delete(key);
      return before - sessions.size;
    },
  };
}
