import { type Duration, milliseconds } from "../duration.ts";
import { OptionError, StoreError } from "../errors.ts";
import type { SessionStore, SessionWrite, Version } from "../store.ts";
import { importPeer } from "./peer.ts";
import { batchedRead, batchedWrite, type Write } from "./sql/batch.ts";
import { despiteDeadlock, onFirstUse, storeError, within } from "./sql/client.ts";
import {
  binary,
  claimed,
  firstVersion,
  longestList,
  mustFit,
  PAGE,
  padToFewLengths,
  pages,
  type Row,
  stored,
} from "./sql/rows.ts";
import { type Names, type Quoting, type TableOptions, tableNames } from "./sql/table.ts";

export interface MysqlOptions extends TableOptions {
  /** The database, as in `"mysql://user:password@host:3306/name"`. */
  url?: string;
  /** Further options of mysql2's `createPool`, such as `{ connectionLimit: 20, ssl: { ca } }`. Default limit: 10. */
  connection?: Record<string, unknown>;
  /** A pool of `mysql2` or `mysql2/promise` to use instead, which stays yours to end. */
  pool?: MysqlPool | { promise(): MysqlPool };
  /** Creates the table and its indexes on first use if they are missing. Default: false; see `schema`. */
  createTable?: boolean;
  /** How long making a connection or a statement may take. Default: `"5s"`. */
  timeout?: Duration;
}

/** What is needed of a pool of `mysql2/promise`. */
export interface MysqlPool {
  getConnection(): Promise<MysqlConnection>;
  end(): Promise<void>;
}

export interface MysqlConnection {
  execute(query: MysqlQuery): Promise<[unknown, unknown]>;
  query(query: MysqlQuery): Promise<[unknown, unknown]>;
  release(): void;
  destroy(): void;
}

export interface MysqlQuery {
  sql: string;
  values?: unknown[];
  rowsAsArray?: boolean;
  nestTables?: boolean;
  typeCast?: (field: unknown, next: () => unknown) => unknown;
}

/** What the server answers to a statement that changes rows. */
interface Changed {
  affectedRows: number;
  info?: string;
}

interface Insert extends Write {
  version: number;
}

interface Update extends Write {
  ifVersion: Version;
}

/** Rows that one statement removes at the most; a sweep may take several. */
const LARGEST_SWEEP = 128;

const QUOTING: Quoting = { quote: "`", longest: 64 };

/**
 * Keeps sessions in MySQL 8 or MariaDB 10.6, or later, with the package `mysql2`. Connects on first use.
 *
 * @throws OptionError if a name can't be one, or unless exactly one way to the database is given.
 */
export function mysql(options: MysqlOptions): SessionStore {
  const { url, connection, pool: given, createTable = false } = options;
  if ((given === undefined) === (url === undefined && connection === undefined)) {
    throw new OptionError("url", url, 'give "url", "connection" or both, or instead of them a "pool".');
  }
  const timeout = milliseconds("timeout", options.timeout ?? "5s");
  const names = tableNames(options, QUOTING);
  const sql = statements(names);

  const client = onFirstUse(
    async () => {
      const pool = given ?? (await newPool());
      const promised = "promise" in pool ? pool.promise() : pool;
      if (createTable) await create(promised, options, names);
      return promised;
    },
    (pool) => given ?? pool.end(),
  );

  async function newPool(): Promise<MysqlPool> {
    const { createPool } = await importPeer("mysql2", () => import("mysql2/promise"));
    return createPool({
      ...(url !== undefined && { uri: url }),
      connectTimeout: timeout,
      // Traces of where a call came from cost more than the rest of it.
      trace: false,
      ...connection,
    }) as unknown as MysqlPool;
  }

  /** Runs what needs one connection, which goes back to the pool only if it is in order. */
  async function onConnection<Result>(work: (connection: MysqlConnection) => Promise<Result>): Promise<Result> {
    try {
      const pool = await client();
      return await despiteDeadlock(isDeadlock, async () => {
        const connection = await acquire(pool);
        try {
          const result = await within(timeout, work(connection));
          connection.release();
          return result;
        } catch (error) {
          if (isAnswer(error)) connection.release();
          else connection.destroy();
          throw error;
        }
      });
    } catch (error) {
      throw storeError("mysql", error, errnoOf(error) === NO_SUCH_TABLE, names.plain);
    }
  }

  async function acquire(pool: MysqlPool): Promise<MysqlConnection> {
    const acquired = pool.getConnection();
    try {
      return await within(timeout, acquired);
    } catch (error) {
      acquired.then((connection) => connection.release()).catch(() => {});
      throw error;
    }
  }

  async function execute(connection: MysqlConnection, text: string, values: unknown[]): Promise<unknown> {
    return (await connection.execute({ sql: text, values, ...(given && PLAIN) }))[0];
  }

  async function run<Result = Changed>(text: string, values: unknown[]): Promise<Result> {
    return onConnection((connection) => execute(connection, text, values) as Promise<Result>);
  }

  const read = batchedRead((keys) => {
    const padded = padToFewLengths(keys.map((key) => Buffer.from(key)));
    return run<Row[]>(sql.read(padded.length), [Date.now(), ...padded]);
  });

  const insert = batchedWrite<Insert>({
    isRefusal,
    async alone({ key, version, session }) {
      try {
        await run(sql.create(1), rowOf(key, version, session));
        return true;
      } catch (error) {
        if (errnoOf(error) === DUPLICATE_KEY) return false;
        throw error;
      }
    },
    // A row that is repeated would be refused.
    fitting: longestList,
    async together(inserts) {
      const rows = inserts.map(({ key, version, session }) => rowOf(key, version, session));
      await run(sql.create(rows.length), rows.flat());
      return inserts.map(({ key }) => key);
    },
  });

  const replace = batchedWrite<Update>({
    isRefusal,
    async alone({ key, ifVersion, session }) {
      const [, , ...values] = rowOf(key, ifVersion, session);
      const { affectedRows } = await run(sql.update, [...values, Buffer.from(key), ifVersion, Date.now()]);
      return affectedRows === 1;
    },
    // An UPDATE of many rows tells how many it changed, but not which. Rows that somebody holds are left alone, so that a
    // batch never waits, and never dies in a deadlock.
    together: (updates) =>
      onConnection((connection) =>
        transaction(connection, async () => {
          const keys = padToFewLengths(updates.map(({ key }) => Buffer.from(key)));
          const free = (await execute(connection, sql.lock(keys.length), [Date.now(), ...keys])) as Row[];
          const versions = new Map(free.map(({ key, version }) => [String(key), Number(version)]));
          const current = updates.filter(({ key, ifVersion }) => versions.get(key) === Number(ifVersion));
          if (current.length > 0) {
            // To repeat a row changes nothing: all that is in it is absolute.
            const rows = padToFewLengths(
              current.map(({ key, ifVersion, session }) => rowOf(key, Number(ifVersion) + 1, session)),
            );
            await execute(connection, sql.overwrite(rows.length), rows.flat());
          }
          return current.map(({ key }) => key);
        }),
      ),
  });

  return {
    async read(key) {
      const row = await read(key);
      return row && stored(row);
    },

    async create(key, session) {
      mustFit(key, session.owner);
      const version = firstVersion();
      for (let tries = 1; tries <= 3; tries++) {
        if (await insert({ key, session, version })) return version;
        // An expired session that nobody has swept yet makes room.
        const [, ...values] = rowOf(key, version, session);
        const { affectedRows } = await run(sql.replace, [...values, Buffer.from(key), Date.now()]);
        if (affectedRows === 1) return version;
        if (await read(key)) return "exists";
        // It ended between the two: the key should be free now.
      }
      throw new StoreError("coatcheck: mysql: a session's key was taken and free in turns, three times.");
    },

    async update(key, session, ifVersion) {
      mustFit(key, session.owner);
      if (await replace({ key, session, ifVersion })) return Number(ifVersion) + 1;
      return (await read(key)) ? "conflict" : "gone";
    },

    async delete(key, ifVersion) {
      const values = [Buffer.from(key), Date.now()];
      const { affectedRows } = await (ifVersion === undefined
        ? run(sql.delete, values)
        : run(sql.deleteVersion, [...values, ifVersion]));
      return affectedRows === 1;
    },

    async touch(key, expiresAt) {
      return matched(await run(sql.touch, [expiresAt, Buffer.from(key), Date.now()])) === 1;
    },

    close: client.close,

    list({ owner }) {
      return pages(async (after) => {
        const values = [Buffer.from(after), Date.now()];
        return owner === undefined ? run(sql.list, values) : run(sql.listOwner, [...values, Buffer.from(owner)]);
      });
    },

    // DELETE can't give what it deletes in MySQL, so rows are locked and read first. Those that another server is
    // sweeping are skipped.
    async claimExpired(now, limit) {
      const rows = await onConnection(async (connection) => {
        // Else InnoDB locks the gaps between the rows, too, and with them sessions that are alive.
        await connection.query({ sql: "SET TRANSACTION ISOLATION LEVEL READ COMMITTED" });
        return transaction(connection, async () => {
          const found = (await execute(connection, sql.expired(Math.floor(limit)), [now])) as Row[];
          for (let start = 0; start < found.length; start += LARGEST_SWEEP) {
            const keys = padToFewLengths(found.slice(start, start + LARGEST_SWEEP).map(({ key }) => key));
            await execute(connection, sql.sweep(keys.length), keys);
          }
          return found;
        });
      });
      return claimed(rows);
    },
  };
}

/** The statement that makes the table, for people who run migrations. Takes the same names as the store. */
export function schema(options: TableOptions = {}): string {
  const { table } = tableNames(options, QUOTING);
  // Binary columns: texts would compare without case, or without spaces at the end.
  return `CREATE TABLE IF NOT EXISTS ${table} (
  \`key\` varbinary(255) NOT NULL PRIMARY KEY,
  version bigint NOT NULL,
  expires_at bigint NOT NULL COMMENT 'milliseconds since 1970',
  owner varbinary(1024),
  value longblob NOT NULL,
  INDEX expires_at (expires_at),
  INDEX owner (owner)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
`;
}

function statements({ table }: Names) {
  const entries = `SELECT \`key\`, expires_at, owner FROM ${table} WHERE \`key\` > ? AND expires_at > ?`;
  const create = (rows: number) =>
    `INSERT INTO ${table} (\`key\`, version, expires_at, owner, value) VALUES ${Array(rows).fill("(?, ?, ?, ?, ?)").join(", ")}`;
  return {
    read: (keys: number) =>
      `SELECT \`key\`, version, expires_at, owner, value FROM ${table}
      WHERE expires_at > ? AND \`key\` IN (${Array(keys).fill("?").join(", ")})`,
    create,
    // Rows that are there, and held: none is inserted.
    overwrite: (rows: number) =>
      `${create(rows)} ON DUPLICATE KEY UPDATE version = VALUES(version), expires_at = VALUES(expires_at),
        owner = VALUES(owner), value = VALUES(value)`,
    lock: (keys: number) =>
      `SELECT \`key\`, version FROM ${table} FORCE INDEX (PRIMARY)
      WHERE expires_at > ? AND \`key\` IN (${Array(keys).fill("?").join(", ")}) FOR UPDATE SKIP LOCKED`,
    replace: `UPDATE ${table} SET version = ?, expires_at = ?, owner = ?, value = ? WHERE \`key\` = ? AND expires_at <= ?`,
    update: `UPDATE ${table} SET version = version + 1, expires_at = ?, owner = ?, value = ?
      WHERE \`key\` = ? AND version = ? AND expires_at > ?`,
    delete: `DELETE FROM ${table} WHERE \`key\` = ? AND expires_at > ?`,
    deleteVersion: `DELETE FROM ${table} WHERE \`key\` = ? AND expires_at > ? AND version = ?`,
    touch: `UPDATE ${table} SET expires_at = ? WHERE \`key\` = ? AND expires_at > ?`,
    list: `${entries} ORDER BY \`key\` LIMIT ${PAGE}`,
    listOwner: `${entries} AND owner = ? ORDER BY \`key\` LIMIT ${PAGE}`,
    expired: (limit: number) =>
      `SELECT \`key\`, expires_at, owner, value FROM ${table}
      WHERE expires_at <= ? ORDER BY expires_at LIMIT ${limit} FOR UPDATE SKIP LOCKED`,
    // Joined, because for IN a small table is scanned, and the scan waits for rows that others hold.
    sweep: (keys: number) => {
      const found = Array(keys).fill("SELECT CAST(? AS BINARY) AS name").join(" UNION ALL ");
      return `DELETE swept FROM (${found}) AS found
        STRAIGHT_JOIN ${table} AS swept FORCE INDEX (PRIMARY) ON swept.\`key\` = found.name`;
    },
  };
}

/** Creates the table unless it is there: so that an account without the right to create works once it is. */
async function create(pool: MysqlPool, options: TableOptions, { table }: Names): Promise<void> {
  const connection = await pool.getConnection();
  try {
    await connection.query({ sql: `SELECT 1 FROM ${table} LIMIT 0` }).catch(async (error) => {
      if (errnoOf(error) !== NO_SUCH_TABLE) throw error;
      await connection.query({ sql: schema(options) });
    });
    connection.release();
  } catch (error) {
    connection.destroy();
    throw error;
  }
}

/** A row's columns, in the order of the table. */
function rowOf(key: string, version: Version, { expiresAt, owner, value }: SessionWrite): unknown[] {
  return [Buffer.from(key), version, expiresAt, owner === undefined ? null : Buffer.from(owner), binary(value)];
}

/** Runs statements that take effect together, or not at all. */
async function transaction<Result>(connection: MysqlConnection, work: () => Promise<Result>): Promise<Result> {
  await connection.query({ sql: "START TRANSACTION" });
  try {
    const result = await work();
    await connection.query({ sql: "COMMIT" });
    return result;
  } catch (error) {
    // With the connection ends the transaction.
    connection.destroy();
    throw error;
  }
}

/** The rows that an UPDATE met. Whether `affectedRows` leaves out those that were so already, is a connection's flag. */
function matched({ affectedRows, info = "" }: Changed): number {
  return Number(/matched: (\d+)/.exec(info)?.[1] ?? affectedRows);
}

const DUPLICATE_KEY = 1062;
const NO_SUCH_TABLE = 1146;

/** A server that ended a deadlock, or that (as MariaDB may) will not change a row that changed since it was read. */
function isDeadlock(error: unknown): boolean {
  return errnoOf(error) === 1213 || errnoOf(error) === 1020;
}

/** True for an answer of the server, after which the connection is in order; false for one that broke or is late. */
function isAnswer(error: unknown): boolean {
  return (error as { sqlState?: string } | null)?.sqlState !== undefined;
}

/**
 * True if the server did not want a statement, undid it whole, and goes on: for its data, a constraint, or its text. Other
 * answers may come when a change is made fast, too, and it is not known what became of it.
 */
function isRefusal(error: unknown): boolean {
  return /^(22|23|42)/.test((error as { cause?: { sqlState?: string } }).cause?.sqlState ?? "");
}

/** The server's number of an error, also behind the store's own. */
function errnoOf(error: unknown): number | undefined {
  const { errno, cause } = (error ?? {}) as { errno?: number; cause?: { errno?: number } };
  return errno ?? cause?.errno;
}

/** Settings of a pool that are for its application's own queries. */
const PLAIN = { rowsAsArray: false, nestTables: false, typeCast: (_: unknown, next: () => unknown) => next() };
