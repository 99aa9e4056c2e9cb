// The database servers of a run.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createPool } from "mysql2/promise";
import pg from "pg";
import { startMariadb } from "../test/servers/mariadb.ts";
import { startPostgres } from "../test/servers/postgres.ts";
import { tempDir } from "../test/servers/process.ts";
import { type RedisServer, startRedis } from "../test/servers/redis.ts";
import { CPUS, pin } from "./child.ts";
import type { StoreName } from "./contender.ts";

/** A database server that all contenders share. */
export interface Database {
  readonly port: number;
  readonly pid: number;
  readonly url: string;
  /** Deletes all sessions of all contenders, and keeps their tables. */
  clear(): Promise<void>;
  stop(): Promise<void>;
}

export type DatabaseName = "redis" | "postgres" | "mysql";

const DATABASE_OF: Partial<Record<StoreName, DatabaseName>> = {
  redis: "redis",
  cached: "redis",
  postgres: "postgres",
  mysql: "mysql",
};

export function databaseOf(store: StoreName): DatabaseName | undefined {
  return DATABASE_OF[store];
}

const starters = {
  async redis() {
    const server = await startRedis();
    return {
      ...pick(server),
      server,
      clear: async () => void (await server.cli("flushall")),
      stop: () => server.stop(),
    };
  },

  async postgres() {
    const server = await startPostgres();
    const pool = new pg.Pool({ connectionString: server.url, max: 1 });
    // A stopping server may end its connections before they are closed here. Without a listener, that would end the run.
    pool.on("error", () => {});
    return {
      ...pick(server),
      async clear() {
        const { rows } = await pool.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'");
        for (const { tablename } of rows) await pool.query(`TRUNCATE "${tablename}"`);
      },
      async stop() {
        await pool.end();
        await server.stop();
      },
    };
  },

  async mysql() {
    const server = await startMariadb();
    const pool = createPool({ uri: server.url, connectionLimit: 1 });
    return {
      ...pick(server),
      async clear() {
        const [rows] = await pool.query(
          "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'test'",
        );
        for (const { name } of rows as { name: string }[]) await pool.query("DELETE FROM ??", [name]);
      },
      async stop() {
        await pool.end();
        await server.stop();
      },
    };
  },
} satisfies Record<DatabaseName, () => Promise<Database & { server?: RedisServer }>>;

function pick({ port, pid, url }: { port: number; pid: number; url: string }) {
  return { port, pid, url };
}

/** Those that a run needs. */
export class Databases {
  readonly #running: ReadonlyMap<DatabaseName, Database>;
  readonly redis: RedisServer | undefined;

  private constructor(running: ReadonlyMap<DatabaseName, Database>, redis: RedisServer | undefined) {
    this.#running = running;
    this.redis = redis;
  }

  /** Starts the databases of these stores, off the measured server's CPU. */
  static async start(stores: Iterable<StoreName>): Promise<Databases> {
    const names = new Set([...stores].flatMap((store) => databaseOf(store) ?? []));
    const running = new Map<DatabaseName, Database>();
    let redis: RedisServer | undefined;
    for (const name of names) {
      const database: Database & { server?: RedisServer } = await starters[name]();
      pin(database.pid, CPUS.database);
      running.set(name, database);
      redis ??= database.server;
    }
    return new Databases(running, redis);
  }

  of(store: StoreName): Database | undefined {
    const name = databaseOf(store);
    return name && this.#running.get(name);
  }

  /** The address that a contender gets: where its sessions go. */
  addressFor(store: StoreName): string {
    if (store === "file") return join(tempDir("bench"), "sessions");
    return this.of(store)?.url ?? "";
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#running.values()].map((one) => one.stop()));
  }
}

/**
 * CPU microseconds of a process and its children so far, in all threads, by the kernel's accounting. Always 0 except on
 * Linux.
 */
export function cpuOf(pid: number): number {
  if (process.platform !== "linux") return 0;
  let total = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const task = `/proc/${pid}/task/${thread}`;
    try {
      total += Number(readFileSync(`${task}/schedstat`, "utf8").split(" ")[0]) / 1000;
      const children = readFileSync(`${task}/children`, "utf8").trim();
      for (const child of children === "" ? [] : children.split(" ")) total += cpuOf(Number(child));
    } catch {
      // The thread has ended.
    }
  }
  return total;
}
