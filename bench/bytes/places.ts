import { statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createPool, type RowDataPacket } from "mysql2/promise";
import pg from "pg";
import type { SessionStore } from "../../src/index.ts";
import { mysql } from "../../src/stores/mysql.ts";
import { postgres } from "../../src/stores/postgres.ts";
import { redis } from "../../src/stores/redis/index.ts";
import { sqlite } from "../../src/stores/sqlite.ts";
import { startMariadb } from "../../test/servers/mariadb.ts";
import { startPostgres } from "../../test/servers/postgres.ts";
import { tempDir } from "../../test/servers/process.ts";
import { startRedis } from "../../test/servers/redis.ts";

/** A database of its own, whose bytes can be counted. */
export interface Place {
  /** Its version. */
  readonly version: string;
  /** The store, with nothing in it. */
  emptyStore(): Promise<SessionStore>;
  /** Makes room of what ended or was replaced, where the database would do so by itself now and then. */
  tidy(): Promise<void>;
  /** What all sessions take now, with indexes and with the room that is free for more. */
  bytes(): Promise<number>;
  stop(): Promise<void>;
}

/** Each is measured by what counts there: memory in Redis, on the disk in the others, without their logs. */
export const places = {
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
    // It is vacuumed by `tidy`, so that the result does not depend on how fast this machine is.
    const server = await startPostgres({ autovacuum: "off" });
    const pool = new pg.Pool({ connectionString: server.url, max: 1 });
    // A server that stops may end its connections before they are closed here; unheard, the event would end the run.
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
} satisfies Record<string, () => Promise<Place>>;

export type PlaceName = keyof typeof places;

// The file has room for more, in steps that would be much of a small table.
const TABLE_BYTES =
  "SELECT data_length + index_length FROM information_schema.tables WHERE table_name = 'coatcheck_sessions'";

/** Without the name of who packaged it. */
function numbers(version: unknown): string {
  return /^[\d.]+/.exec(String(version))![0];
}
