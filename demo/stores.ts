// The stores that the demo can use, and how to start what they need.
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { migrating } from "../src/compose/index.ts";
import { fromConfig, fromWebConfig } from "../src/config/index.ts";
import { readStoreChoice } from "../src/config/json.ts";
import { readWebConfig } from "../src/config/web/read.ts";
import type { SessionStore, SessionsOptions } from "../src/index.ts";
import { azureTable } from "../src/stores/azure-table/index.ts";
import { cosmos } from "../src/stores/cosmos/index.ts";
import { file } from "../src/stores/file/index.ts";
import { memory } from "../src/stores/memory/index.ts";
import { mysql } from "../src/stores/mysql/index.ts";
import { postgres } from "../src/stores/postgres/index.ts";
import { redis } from "../src/stores/redis/index.ts";
import { sqlite } from "../src/stores/sqlite/index.ts";
import { startAzurite } from "../test/servers/azurite.ts";
import { startMariadb } from "../test/servers/mariadb.ts";
import { startPostgres } from "../test/servers/postgres.ts";
import { run, tempDir } from "../test/servers/process.ts";
import { startRedis } from "../test/servers/redis.ts";

/** A store, and what has to run for it. The farm prepares it once, every server opens it, and the shop does not depend on it. */
export interface Environment {
  /** For the page: where sessions are, in one sentence. */
  readonly where: string;
  /** For the page: what goes wrong with this store, and why. */
  readonly warning?: string;
  /** The store that the sessions can move to while the shop is open. Undefined: none. */
  readonly next?: string;
  /** Starts what has to run, and resolves with its address. Servers and data end with this process. */
  prepare(): Promise<Prepared>;
  /** The one line in which applications with different stores differ. */
  open(address: string): { store: SessionStore };
}

export interface Prepared {
  readonly address: string;
  /** The database server that this process has started for it. Undefined: none. */
  readonly server?: StoreServer;
  /** Stops what would keep this process from ending by itself. */
  stop?(): Promise<unknown>;
}

/** A database server. It keeps its data while it is stopped. */
export interface StoreServer {
  stop(): Promise<unknown>;
  start(): Promise<unknown>;
}

/** The values of `--store`. */
export const environments: Readonly<Record<string, Environment>> = {
  file: {
    where: "A directory on this machine, which all servers share. No database server is needed.",
    next: "redis",
    prepare: async () => ({ address: join(tempDir("cloakroom"), "sessions") }),
    open: (path) => ({ store: file({ path }) }),
  },

  redis: {
    where: "A Redis server that all servers share.",
    next: "postgres",
    prepare: async () => (process.env.REDIS_URL ? { address: process.env.REDIS_URL } : preparedRedis()),
    open: (url) => ({ store: redis({ url }) }),
  },

  postgres: {
    where: "A table in PostgreSQL that all servers share.",
    next: "redis",
    async prepare() {
      const server = await installed("postgresql", startPostgres);
      return { address: server.url, server };
    },
    open: (url) => ({ store: postgres({ url, createTable: true }) }),
  },

  mysql: {
    where: "A table in MariaDB that all servers share.",
    next: "redis",
    async prepare() {
      const server = await installed("mariadb-server", startMariadb);
      return { address: server.url, server };
    },
    open: (url) => ({ store: mysql({ url, createTable: true }) }),
  },

  sqlite: {
    where: "A table in an SQLite file on this machine, which all servers share.",
    next: "redis",
    prepare: async () => ({ address: join(tempDir("cloakroom"), "sessions.db") }),
    open: (path) => ({ store: sqlite({ path }) }),
  },

  "azure-table": {
    where: "A table in Azure Table storage, here the emulator Azurite, that all servers share.",
    next: "redis",
    async prepare() {
      const server = await startAzurite();
      return { address: server.connectionString, server };
    },
    open: (connectionString) => ({ store: azureTable({ connectionString }) }),
  },

  cosmos: {
    where: "A container in Azure Cosmos DB, here an emulator, that all servers share.",
    next: "redis",
    async prepare() {
      // The emulator takes a while to load, and servers need only `open`.
      const { startCosmos } = await import("../test/servers/cosmos.ts");
      const server = await startCosmos();
      return { address: server.endpoint, server, stop: server.close };
    },
    open: (endpoint) => ({ store: cosmos({ endpoint, key: "YW55", endpointDiscovery: false }) }),
  },

  memory: {
    where: "The memory of the server that gave you the ticket. It is lost when that server ends.",
    warning:
      "Each server knows only its own sessions: watch the rail flicker. The other servers do not know your ticket, and " +
      "your things are lost when your server dies. A shared store prevents both.",
    prepare: async () => ({ address: "" }),
    open: () => ({ store: memory() }),
  },
};

/** A kind of configuration file. */
export interface Configuration {
  /** Starts what the demo's file of this kind refers to, and sets the environment variables that the file reads. */
  prepare(): Promise<StoreServer | undefined>;
  load(path: string): Promise<SessionsOptions<object>>;
  /** The kind of store that the file names: `"redis"`. */
  storeIn(path: string): Promise<string | undefined>;
}

/** The kinds of files that `--config` and `--web-config` take. */
export const configurations: Readonly<Record<"config" | "web-config", Configuration>> = {
  config: {
    async prepare() {
      if (process.env.REDIS_URL) return undefined;
      const { address, server } = await preparedRedis();
      process.env.REDIS_URL = address;
      return server;
    },
    load: (path) => fromConfig(path),
    storeIn: async (path) => (await readStoreChoice(path, process.env))?.type,
  },

  "web-config": {
    async prepare() {
      if (process.env.APPSETTING_CacheHost) return undefined;
      const password = "the-access-key-of-one-run";
      const server = await installed("redis-server", () => startRedis({ password, config: KEEPS_DATA }));
      // App settings come from the environment, as in Azure App Service.
      Object.assign(process.env, {
        APPSETTING_CacheHost: "127.0.0.1",
        APPSETTING_CachePort: String(server.port),
        APPSETTING_CacheKey: password,
        APPSETTING_CacheTls: "false",
      });
      return server;
    },
    load: (path) => fromWebConfig(path),
    storeIn: async (path) => (await readWebConfig(path, process.env)).store?.type,
  },
};

/** Where a server keeps its sessions. */
export type StoreLocation = PlainLocation | ConfiguredLocation | MovingLocation;

/** The name of an environment and its address. */
export interface PlainLocation {
  readonly environment: string;
  readonly address: string;
}

/** A configuration file. */
export interface ConfiguredLocation {
  readonly configuration: keyof typeof configurations;
  readonly file: string;
}

/** Two stores, while sessions move from one to the other. */
export interface MovingLocation {
  readonly from: PlainLocation;
  readonly to: PlainLocation;
  readonly phase: "prepare" | "move";
}

/** What the command line asks for. */
export type WantedStore = Pick<PlainLocation, "environment"> | ConfiguredLocation;

/** For the page: the store's name, where it keeps sessions, and a warning about that. */
export interface StoreDescription {
  readonly name: string;
  readonly where: string;
  readonly warning?: string | undefined;
}

export async function describeStore(location: StoreLocation): Promise<StoreDescription> {
  if ("from" in location) {
    const [from, to] = [location.from.environment, location.to.environment];
    return { name: `${from} and ${to}`, where: `Sessions move from ${from} to ${to}. Servers look in both.` };
  }
  if ("file" in location) {
    const name = await configurations[location.configuration].storeIn(location.file);
    return { name: name ?? "memory", where: `The file ${basename(location.file)} names this store.` };
  }
  const { where, warning } = environments[location.environment]!;
  return { name: location.environment, where, warning };
}

/** Starts what has to run for a store. */
export async function prepareStore(
  wanted: WantedStore,
): Promise<{ location: PlainLocation | ConfiguredLocation; server?: StoreServer | undefined }> {
  if ("environment" in wanted) {
    const { address, server } = await environments[wanted.environment]!.prepare();
    return { location: { environment: wanted.environment, address }, server };
  }
  const server = await configurations[wanted.configuration].prepare();
  return { location: { ...wanted, file: resolve(wanted.file) }, server };
}

/** Opens a store: the options of its sessions. */
export async function openStore(location: StoreLocation): Promise<SessionsOptions<object>> {
  if ("file" in location) return configurations[location.configuration].load(location.file);
  if ("environment" in location) return { store: openPlain(location) };
  const { from, to, phase } = location;
  return { store: migrating({ from: openPlain(from), to: openPlain(to), phase }) };
}

export function openPlain({ environment, address }: PlainLocation): SessionStore {
  return environments[environment]!.open(address).store;
}

/** Redis then writes changes to disk, and the last ones when it stops. */
const KEEPS_DATA = ["appendonly yes"];

async function preparedRedis(): Promise<Prepared> {
  const server = await installed("redis-server", () => startRedis({ config: KEEPS_DATA }));
  return { address: server.url, server };
}

/** Starts a database server. Installs its package first if it is missing. */
async function installed<Server>(name: string, start: () => Promise<Server>): Promise<Server> {
  await run("sh", [fileURLToPath(import.meta.resolve("../scripts/install-servers.sh")), name]);
  return start();
}
