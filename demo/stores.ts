import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { fromConfig, fromWebConfig } from "../src/config/index.ts";
import type { SessionData, SessionsOptions } from "../src/index.ts";
import { azureTable } from "../src/stores/azure-table.ts";
import { cosmos } from "../src/stores/cosmos.ts";
import { file } from "../src/stores/file.ts";
import { memory } from "../src/stores/memory.ts";
import { mysql } from "../src/stores/mysql.ts";
import { postgres } from "../src/stores/postgres.ts";
import { redis } from "../src/stores/redis/index.ts";
import { sqlite } from "../src/stores/sqlite.ts";
import { startAzurite } from "../test/servers/azurite.ts";
import { startCosmos } from "../test/servers/cosmos.ts";
import { startMariadb } from "../test/servers/mariadb.ts";
import { startPostgres } from "../test/servers/postgres.ts";
import { run, tempDir } from "../test/servers/process.ts";
import { startRedis } from "../test/servers/redis.ts";

/** A place to keep sessions. The farm prepares it once, every server opens it, and the shop never sees which it is. */
export interface Place {
  /** For the page: where a session is, in one sentence. */
  readonly where: string;
  /** For the page: what goes wrong here, and why. Left out: nothing. */
  readonly warning?: string;
  /** Starts what has to run, and gives its address. What it starts and writes ends with this process. */
  prepare(): Promise<Prepared>;
  /** The one line in which the stores differ. */
  open(address: string): SessionsOptions<SessionData>;
}

interface Prepared {
  readonly address: string;
  /** Ends earlier what keeps this process from ending by itself. */
  stop?(): Promise<unknown>;
}

/** What `--store` takes. */
export const places: Readonly<Record<string, Place>> = {
  file: {
    where: "One file on this machine, open in all servers at once. Nothing else to run.",
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
    where: "A table in an SQLite file on this machine, open in all servers at once.",
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
    where: "The memory of whichever server gave you the ticket. It ends with that server.",
    warning:
      "Each server knows its own sessions only: watch the rail flicker. The other servers have never heard of your " +
      "ticket, and when yours dies, your things are gone. This is what a shared store is for.",
    prepare: async () => ({ address: "" }),
    open: () => ({ store: memory() }),
  },
};

/** A file that says where sessions are kept, and how. */
export interface Configuration {
  /** Starts what the demo's own file of this kind refers to, and puts its address where that file looks for it. */
  prepare(): Promise<void>;
  load(path: string): Promise<SessionsOptions<object>>;
}

/** What `--config` and `--web-config` take. */
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
      // As Azure App Service does it: app settings come from the environment.
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

/** What a server is told of where sessions are kept: the name of a place and its address, or a configuration's file. */
export type Kept =
  | { readonly place: string; readonly address: string }
  | { readonly configuration: keyof typeof configurations; readonly file: string };

/** For the page: where sessions are, in a word and in a sentence, and what goes wrong there. */
export function describePlace(kept: Kept): { name: string; where: string; warning?: string } {
  if ("file" in kept) return { name: basename(kept.file), where: `Where ${kept.file} says.` };
  const { where, warning } = places[kept.place]!;
  return { name: kept.place, where, ...(warning !== undefined && { warning }) };
}

/** Starts what has to run for it. */
export async function preparePlace(wanted: { store: string } | Extract<Kept, { file: string }>): Promise<Kept> {
  if ("store" in wanted) {
    const { address } = await places[wanted.store]!.prepare();
    return { place: wanted.store, address };
  }
  await configurations[wanted.configuration].prepare();
  return { ...wanted, file: resolve(wanted.file) };
}

/** The options of the sessions that are kept there. */
export async function openPlace(kept: Kept): Promise<SessionsOptions<object>> {
  if ("file" in kept) return configurations[kept.configuration].load(kept.file);
  return places[kept.place]!.open(kept.address);
}

/** Starts a server, after its package is installed if it is missing. */
async function installed<Server>(name: string, start: () => Promise<Server>): Promise<Server> {
  await run("sh", [fileURLToPath(import.meta.resolve("../scripts/install-servers.sh")), name]);
  return start();
}
