import { createRequire } from "node:module";
import { memory } from "../../src/stores/memory.ts";

/** A place that keeps sessions in a process. */
export interface Keeper {
  create(key: string, text: string, expiresAt: number): Promise<unknown>;
  read(key: string): Promise<unknown>;
  update(key: string, text: string, expiresAt: number): Promise<unknown>;
  delete(key: string): Promise<unknown>;
  /** Removes what has expired by then, and says how many, if it can without being asked for each. `SWEPT`: there may be more. */
  sweep?(now: number): Promise<number>;
  /** True if it is made to be swept once a day, by its README. */
  daily?: true;
}

export const SWEPT = 100;

/** `text`: what is in the session, as JSON. coatcheck's stores are given bytes by its core, the others objects. */
export const keepers: Record<string, { name: string; open(): Keeper }> = {
  coatcheck: { name: "coatcheck memory", open: coatcheck },
  "express-session": { name: "express-session MemoryStore", open: () => keeperOf(new MemoryStore()) },
  memorystore: { name: "memorystore", open: memorystore },
  map: { name: "a Map of objects", open: mapOfObjects },
};

function coatcheck(): Keeper {
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

function keeperOf(store: ExpressStore): Keeper {
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

function memorystore(): Keeper {
  const Store = (require("memorystore") as (session: unknown) => Memorystore)(expressSession);
  const store = new Store({ ttl: (_, { cookie }) => Number(cookie.expires) - Date.now() });
  const length = () => new Promise<number>((done) => store.length((_error, count) => done(count)));
  return {
    ...keeperOf(store),
    daily: true,
    async sweep(now) {
      const before = await length();
      pruneAt(store, now);
      return before - (await length());
    },
  };
}

/** It can't be told the time. */
function pruneAt(store: { prune(): void }, now: number): void {
  const clock = Date.now;
  Date.now = () => now;
  store.prune();
  Date.now = clock;
}

function mapOfObjects(): Keeper {
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
