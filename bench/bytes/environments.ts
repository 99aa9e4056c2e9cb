// The databases whose bytes are counted.
import { statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createPool, type RowDataPacket } from "mysql2/promise";
import pg from "pg";
import type { SessionStore } from "../../src/index.ts";
import { mysql } from "../../src/stores/mysql/index.ts";
import { postgres } from "../../src/stores/postgres/index.ts";
import { redis } from "../../src/stores/redis/index.ts";
import { sqlite } from "../../src/stores/sqlite/index.ts";
import { startMariadb } from "../../test/servers/mariadb.ts";
import { startPostgres } from "../../test/servers/postgres.ts";
import { tempDir } from "../../test/servers/process.ts";
import { startRedis } from "../../test/servers/redis.ts";

/** A database that holds nothing but the sessions, so that its bytes can be counted. */
export interface Environment {
  /** The version of the database. */
  readonly version: string;
  /** An empty store. */
  emptyStore(): Promise<SessionStore>;
  /** Frees the room of deleted and replaced rows, where the database does so by itself from time to time. */
  tidy(): Promise<void>;
  /** The bytes of all sessions, with indexes and with the room that is free for more. */
  bytes(): Promise<number>;
  stop(): Promise<void>;
}

/** Redis is measured by its memory, the others by their bytes on the disk, without logs. */
export const environments = {
  async redis() {
    const server = await startRedis();
    const info = async (section: string, field: string) =>
      new RegExp(`^${field}:(\\S+)`, "m").exec(await server.cli("info", section))![1]!;
    return {
      version: `Redis ${await info("server", "redis_version")}`,
      async emptyStore() {
        await server.cli("flushall", "sync");
        return redis({ url: server.url });
      },
      async tidy() {},
      bytes: async () => Number(await info("memory", "used_memory")),
      stop: () => server.stop(),
    };
  },

  async postgres() {
    // Only `tidy` vacuums, so that the result does not depend on the speed of this machine.
    const server = await startPostgres({ autovacuum: "off" });
    const pool = new pg.Pool({ connectionString: server.url, max: 1 });
    // A stopping server may end its connections before they are closed here. Without a listener, that would end the run.
    pool.on("error", () => {});
    const value = async (sql: string) => Object.values((await pool.query(sql)).rows[0])[0];
    return {
      version: `PostgreSQL ${numbers(await value("SHOW server_version"))}`,
      async emptyStore() {
        await pool.query("DROP TABLE IF EXISTS coatcheck_sessions");
        return postgres({ url: server.url, createTable: true });
      },
      tidy: async () => void (await pool.query("VACUUM coatcheck_sessions")),
      bytes: async () => Number(await value("SELECT pg_total_relation_size('coatcheck_sessions')")),
      async stop() {
        await pool.end();
        await server.stop();
      },
    };
  },

  async mysql() {
    const server = await startMariadb({ "innodb-buffer-pool-size": "256M", "innodb-log-file-size": "256M" });
    const pool = createPool({ uri: server.url, connectionLimit: 1 });
    const value = async (sql: string) => Object.values((await pool.query<RowDataPacket[]>(sql))[0][0]!)[0];
    return {
      version: `MariaDB ${numbers(await value("SELECT version()"))}`,
      async emptyStore() {
        await pool.query("DROP TABLE IF EXISTS coatcheck_sessions");
        return mysql({ url: server.url, createTable: true });
      },
      async tidy() {},
      async bytes() {
        await pool.query("ANALYZE TABLE coatcheck_sessions");
        return Number(await value(TABLE_BYTES));
      },
      async stop() {
        await pool.end();
        await server.stop();
      },
    };
  },

  async sqlite() {
    let path: string;
    const ask = <Answer>(question: (database: DatabaseSync) => Answer) => {
      const database = new DatabaseSync(path);
      const answer = question(database);
      database.close();
      return answer;
    };
    return {
      version: `SQLite ${process.versions.sqlite}`,
      async emptyStore() {
        path = join(tempDir("bytes"), "sessions.db");
        return sqlite({ path, durability: "normal" });
      },
      async tidy() {},
      async bytes() {
        ask((database) => database.exec("PRAGMA wal_checkpoint(TRUNCATE)"));
        return statSync(path).size;
      },
      async stop() {},
    };
  },
} satisfies Record<string, () => Promise<Environment>>;

export type EnvironmentName = keyof typeof environments;

// Not the size of the file: that grows in steps, which would be a large part of a small table.
const TABLE_BYTES =
  "SELECT data_length + index_length FROM information_schema.tables WHERE table_name = 'coatcheck_sessions'";

/** The numbers alone, without the packager's name. */
function numbers(version: unknown): string {
  return /^[\d.]+/.exec(String(version))![0];
}
