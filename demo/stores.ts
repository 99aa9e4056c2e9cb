// The stores that the demo can use, and how to start what they need.
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { fromConfig, fromWebConfig } from "../src/config/index.ts";
import type { SessionData, SessionsOptions } from "../src/index.ts";
import { azureTable } from "../src/stores/azure-table/index.ts";
import { cosmos } from "../src/stores/cosmos/index.ts";
import { file } from "../src/stores/file/index.ts";
import { memory } from "../src/stores/memory/index.ts";
import { mysql } from "../src/stores/mysql/index.ts";
import { postgres } from "../src/stores/postgres/index.ts";
import { redis } from "../src/stores/redis/index.ts";
import { sqlite } from "../src/stores/sqlite/index.ts";
import { startAzurite } from "../test/servers/azurite.ts";
import { startCosmos } from "../test/servers/cosmos.ts";
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
  /** Starts what has to run, and resolves with its address. Servers and data end with this process. */
  prepare(): Promise<Prepared>;
  /** The one line in which applications with different stores differ. */
  open(address: string): SessionsOptions<SessionData>;
}

interface Prepared {
  readonly address: string;
  /** Stops what would keep this process from ending by itself. */
  stop?(): Promise<unknown>;
}

/** The values of `--store`. */
export const environments: Readonly<Record<string, Environment>> = {
  file: {
    where: "A directory on this machine, which all servers share. No database server is needed.",
    prepare: async () => ({ address: join(tempDir("cloakroom"), "sessions") }),
    open: (path) => ({ store: file({ path }) }),
  },

  redis: {
    where: "A Redis server that all servers share.",
    prepare: async () => ({ address: process.env.REDIS_URL || (await installed("redis-server", startRedis)).url }),
    open: (url) => ({ store: redis({ url }) }),
  },

  postgres: {
    where: "A table in PostgreSQL that all servers share.",
    prepare: async () => ({ address: (await installed("postgresql", startPostgres)).url }),
    open: (url) => ({ store: postgres({ url, createTable: true }) }),
  },

  mysql: {
    where: "A table in MariaDB that all servers share.",
    prepare: async () => ({ address: (await installed("mariadb-server", startMariadb)).url }),
    open: (url) => ({ store: mysql({ url, createTable: true }) }),
  },

  sqlite: {
    where: "A table in an SQLite file on this machine, which all servers share.",
    prepare: async () => ({ address: join(tempDir("cloakroom"), "sessions.db") }),
    open: (path) => ({ store: sqlite({ path }) }),
  },

  "azure-table": {
    where: "A table in Azure Table storage, here the emulator Azurite, that all servers share.",
    prepare: async () => ({ address: (await startAzurite()).connectionString }),
    open: (connectionString) => ({ store: azureTable({ connectionString }) }),
  },

  cosmos: {
    where: "A container in Azure Cosmos DB, here an emulator, that all servers share.",
    async prepare() {
      const { endpoint, close } = await startCosmos();
      return { address: endpoint, stop: close };
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
  prepare(): Promise<void>;
  load(path: string): Promise<SessionsOptions<object>>;
}

/** The kinds of files that `--config` and `--web-config` take. */
export const configurations: Readonly<Record<"config" | "web-config", Configuration>> = {
  config: {
    async prepare() {
      process.env.REDIS_URL ||= (await installed("redis-server", startRedis)).url;
    },
    load: (path) => fromConfig(path),
  },

  "web-config": {
    async prepare() {
      if (process.env.APPSETTING_CacheHost) return;
      const password = "the-access-key-of-one-run";
      const { port } = await installed("redis-server", () => startRedis({ password }));
      // App settings come from the environment, as in Azure App Service.
      Object.assign(process.env, {
        APPSETTING_CacheHost: "127.0.0.1",
        APPSETTING_CachePort: String(port),
        APPSETTING_CacheKey: password,
        APPSETTING_CacheTls: "false",
      });
    },
    load: (path) => fromWebConfig(path),
  },
};

/** Where a server keeps its sessions: the name of an environment and its address, or a configuration file. */
export type StoreLocation =
  | { readonly environment: string; readonly address: string }
  | { readonly configuration: keyof typeof configurations; readonly file: string };

/** For the page: the store's name, where it keeps sessions, and a warning about that. */
export function describeStore(location: StoreLocation): { name: string; where: string; warning?: string } {
  if ("file" in location)
    return { name: basename(location.file), where: `The store that ${location.file} configures.` };
  const { where, warning } = environments[location.environment]!;
  return { name: location.environment, where, ...(warning !== undefined && { warning }) };
}

/** Starts what has to run for a store. */
export async function prepareStore(
  wanted: { environment: string } | Extract<StoreLocation, { file: string }>,
): Promise<StoreLocation> {
  if ("environment" in wanted) {
    const { address } = await environments[wanted.environment]!.prepare();
    return { ...wanted, address };
  }
  await configurations[wanted.configuration].prepare();
  return { ...wanted, file: resolve(wanted.file) };
}

/** Opens a store: the options of its sessions. */
export async function openStore(location: StoreLocation): Promise<SessionsOptions<object>> {
  if ("file" in location) return configurations[location.configuration].load(location.file);
  return environments[location.environment]!.open(location.address);
}

/** Starts a database server. Installs its package first if it is missing. */
async function installed<Server>(name: string, start: () => Promise<Server>): Promise<Server> {
  await run("sh", [fileURLToPath(import.meta.resolve("../scripts/install-servers.sh")), name]);
  return start();
}
