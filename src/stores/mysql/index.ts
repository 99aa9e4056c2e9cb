// The MySQL store.

import { OptionError, StoreError, storeTimeoutError, toStoreError } from "../../errors.ts";
import type { SessionStore, SessionWrite, Version } from "../../store.ts";
import { milliseconds } from "../../util/duration.ts";
import { checkNames } from "../../util/option-names.ts";
import { withTimeout } from "../../util/timeout.ts";
import { createLazyClient, preload } from "../shared/lazy-client.ts";
import { loadMysql2 } from "../shared/optional-packages.ts";
import { importPeer } from "../shared/peer-dependency.ts";
import { batchedDelete, batchedRead, batchedWrite, bytesOf, type Write } from "../shared/sql/batch.ts";
import { missingTable, notSent, retryOnDeadlock } from "../shared/sql/errors.ts";
import {
  assertFits,
  firstVersion,
  listPages,
  longestFullList,
  padList,
  type Row,
  toBuffer,
  toClaimed,
  toSession,
} from "../shared/sql/rows.ts";
import { tableNames } from "../shared/sql/table.ts";
import { valueTooLarge } from "../shared/value-too-large.ts";
import { Connections } from "./connections.ts";
import {
  failureOf,
  isDeadlock,
  isDuplicateKey,
  isMissingTable,
  isReadOnly,
  isRefusal,
  isServerAnswer,
} from "./errors.ts";
import { HINTS, type MysqlConnection, type MysqlOptions, type MysqlPool, NAMES } from "./options.ts";
import { createStatements, QUOTING, schema } from "./statements.ts";

export type { MysqlConnection, MysqlOptions, MysqlPool, MysqlQuery } from "./options.ts";
export { schema };

/** What the store uses of the package. */
interface Mysql2 {
  createPool(config: object): MysqlPool;
}

/** What the server answers to a statement that changes rows. */
interface ChangeResult {
  affectedRows: number;
  info?: string;
}

interface Insert extends Write {
  version: number;
}

interface Update extends Write {
  ifVersion: Version;
}

/** The most rows that a sweep deletes with one statement. */
const MAX_DELETED_ROWS = 128;

const MAX_CREATE_ATTEMPTS = 3;

/** How much of a statement a batch may fill. A list in a statement is padded by up to half of its length. */
const MAX_BATCH_SHARE = 0.5;

/** The largest statement that the server takes, in bytes, if it does not tell. All versions take this much by default. */
const DEFAULT_MAX_PACKET = 1_048_576;

/** What the store does on first use, for the message if it fails. */
const CREATE_TABLE = "create its table";

/** Overrides what an application has set in its pool for its own queries. */
const PLAIN_RESULTS = { rowsAsArray: false, nestTables: false, typeCast: (_: unknown, next: () => unknown) => next() };

/**
 * Keeps sessions in MySQL 8 or MariaDB 10.6, or later, with the package `mysql2`. It connects on first use.
 *
 * @throws OptionError if an option is wrong, or if `pool` is given together with `url` or `connection`, or none of them.
 */
export function mysql(options: MysqlOptions): SessionStore {
  checkNames("mysql()", options, NAMES, HINTS);
  const { url, connection, pool: given, createTable = false } = options;
  if ((given === undefined) === (url === undefined && connection === undefined)) {
    throw new OptionError("url", url, 'give "url", "connection" or both, or instead of them a "pool".');
  }
  if (url !== undefined && !(url.includes("://") && URL.canParse(url))) {
    throw new OptionError(
      "url",
      url,
      "give a URL such as mysql://user:password@host:3306/name, with the password percent-encoded.",
    );
  }
  const timeout = milliseconds("timeout", options.timeout ?? "5s");
  const names = tableNames(options, QUOTING);
  const sql = createStatements(names);
  /** The most bytes that several writes take in one statement. */
  let largestBatch = Infinity;

  const mysql2 = given === undefined ? preload(importMysql) : importMysql;
  const connections = new Connections(timeout, canNewConnectionWrite);
  const timeoutError = (operation: string) => () => storeTimeoutError("MySQL", operation, timeout);

  const client = createLazyClient(
    async () => {
      const pool = given ?? (await mysql2()).createPool(config());
      const promisePool = "promise" in pool ? pool.promise() : pool;
      try {
        if (createTable) await use(promisePool, CREATE_TABLE, createTableIfMissing);
        return { pool: promisePool, maxPacket: await use(promisePool, "connect", readMaxPacket) };
      } catch (error) {
        shut(promisePool).catch(ignore);
        throw notSent("MySQL", CREATE_TABLE, error);
      }
    },
    ({ pool }) => shut(pool),
  );

  async function shut(pool: MysqlPool): Promise<void> {
    if (given === undefined) await pool.end();
  }

  function config(): object {
    return {
      ...(url !== undefined && { uri: url }),
      connectTimeout: timeout,
      // A stack trace for each call would cost more than the rest of the call.
      trace: false,
      ...connection,
    };
  }

  /** Looks for the table first, so that an account without the right to create tables can use one that is there. */
  async function createTableIfMissing(connection: MysqlConnection): Promise<void> {
    try {
      await connection.query({ sql: sql.readNothing });
    } catch (error) {
      if (!isMissingTable(error)) throw error;
      await connection.query({ sql: schema(options) });
    }
  }

  /** The largest statement that the server takes, in bytes. It ends the connection of a client that sends a larger one. */
  async function readMaxPacket(connection: MysqlConnection): Promise<number> {
    try {
      const [row] = (await execute(connection, sql.maxPacket, [])) as { bytes: number | string }[];
      return Number(row!.bytes);
    } catch (error) {
      if (isServerAnswer(error)) return DEFAULT_MAX_PACKET;
      throw error;
    }
  }

  /** Whether a new connection leads to a server that takes writes. */
  async function canNewConnectionWrite(): Promise<boolean> {
    // A given pool's connections are all made again, since nothing tells where a single one would lead.
    if (given !== undefined) return true;
    const pool = (await mysql2()).createPool({ ...config(), connectionLimit: 1 });
    try {
      const write = pool.getConnection().then((connection) => connection.query({ sql: sql.writeNothing }));
      await withTimeout(write, timeout, timeoutError("connect"));
      return true;
    } catch (error) {
      if (isReadOnly(error)) return false;
      throw error;
    } finally {
      pool.end().catch(ignore);
    }
  }

  /** Opens the store, if it is not yet open. */
  async function opened(operation: string): Promise<{ pool: MysqlPool; maxPacket: number }> {
    try {
      return await client();
    } catch (error) {
      throw notSent("MySQL", operation, error);
    }
  }

  /** Runs `work` on one connection. A connection that may be broken does not go back to the pool. */
  async function withConnection<Result>(
    operation: string,
    work: (connection: MysqlConnection) => Promise<Result>,
  ): Promise<Result> {
    const { pool } = await opened(operation);
    try {
      return await retryOnDeadlock(isDeadlock, () => use(pool, operation, work));
    } catch (error) {
      const reason = isMissingTable(error) ? missingTable(names.label) : undefined;
      throw toStoreError("MySQL", operation, error, reason, failureOf(error, operation));
    }
  }

  function use<Result>(
    pool: MysqlPool,
    operation: string,
    work: (connection: MysqlConnection) => Promise<Result>,
  ): Promise<Result> {
    return connections.use(pool, operation, work, timeoutError(operation));
  }

  /** @throws if the server would end the connection, because the statement is too large. */
  async function assertFitsIntoPacket(operation: string, write: Write): Promise<void> {
    const { maxPacket } = await opened(operation);
    largestBatch = maxPacket * MAX_BATCH_SHARE;
    if (bytesOf(write) > maxPacket) {
      const { length } = write.session.value;
      throw valueTooLarge("a statement of this server (its max_allowed_packet)", maxPacket, length);
    }
  }

  async function execute(connection: MysqlConnection, text: string, values: unknown[]): Promise<unknown> {
    return (await connection.execute({ sql: text, values, ...(given && PLAIN_RESULTS) }))[0];
  }

  async function run<Result = ChangeResult>(operation: string, text: string, values: unknown[]): Promise<Result> {
    return withConnection(operation, (connection) => execute(connection, text, values) as Promise<Result>);
  }

  const readRow = batchedRead((keys) => {
    const padded = padList(keys.map((key) => Buffer.from(key)));
    return run<Row[]>("read", sql.read(padded.length), padded);
  });

  const insert = batchedWrite<Insert>({
    isRefusal,
    async writeOne({ key, version, session }) {
      try {
        await run("create", sql.create(1), columnsOf(key, version, session));
        return true;
      } catch (error) {
        if (isDuplicateKey(error)) return false;
        throw error;
      }
    },
    // A repeated row would be a duplicate key.
    batchSize: longestFullList,
    maxBytes: () => largestBatch,
    async writeMany(inserts) {
      const rows = inserts.map(({ key, version, session }) => columnsOf(key, version, session));
      await run("create", sql.create(rows.length), rows.flat());
      return inserts.map(({ key }) => key);
    },
  });

  const replace = batchedWrite<Update>({
    isRefusal,
    async writeOne({ key, ifVersion, session }) {
      const [, , ...values] = columnsOf(key, ifVersion, session);
      const { affectedRows } = await run("update", sql.update, [...values, Buffer.from(key), ifVersion]);
      return affectedRows === 1;
    },
    maxBytes: () => largestBatch,
    // An UPDATE of many rows returns how many it changed, but not which, so the rows are locked and read first. Locked
    // rows are skipped, so that a batch never waits and never deadlocks.
    writeMany: (updates) =>
      withConnection("update", (connection) =>
        transaction(connection, async () => {
          const keys = padList(updates.map(({ key }) => Buffer.from(key)));
          const locked = (await execute(connection, sql.lockMany(keys.length), keys)) as Row[];
          const versions = new Map(locked.map(({ key, version }) => [String(key), Number(version)]));
          const current = updates.filter(({ key, ifVersion }) => versions.get(key) === Number(ifVersion));
          if (current.length > 0) {
            // The last row may be repeated: writing it twice changes nothing. So the smallest is the last.
            current.sort((one, other) => other.session.value.length - one.session.value.length);
            const rows = padList(
              current.map(({ key, ifVersion, session }) => columnsOf(key, Number(ifVersion) + 1, session)),
            );
            await execute(connection, sql.updateMany(rows.length), rows.flat());
          }
          return current.map(({ key }) => key);
        }),
      ),
  });

  const deleteRow = batchedDelete({
    isRefusal,
    deleteOne: async (key) => (await run("delete", sql.delete, [Buffer.from(key)])).affectedRows === 1,
    // A DELETE of MySQL does not return which rows it deletes either.
    deleteMany: (keys) =>
      withConnection("delete", (connection) =>
        transaction(connection, async () => {
          const padded = padList(keys.map((key) => Buffer.from(key)));
          const locked = ((await execute(connection, sql.lockMany(padded.length), padded)) as Row[]).map(
            ({ key }) => key,
          );
          if (locked.length > 0) {
            const found = padList(locked);
            await execute(connection, sql.deleteMany(found.length), found);
          }
          return locked.map(String);
        }),
      ),
    exists: async (key) => (await readRow(key)) !== undefined,
  });

  return {
    name: "mysql",

    async read(key) {
      const row = await readRow(key);
      return row && toSession(row);
    },

    async create(key, session) {
      assertFits(key, session.owner);
      await assertFitsIntoPacket("create", { key, session });
      const version = firstVersion();
      for (let attempt = 1; attempt <= MAX_CREATE_ATTEMPTS; attempt++) {
        if (await insert({ key, session, version })) return version;
        // The key is taken, perhaps by a session that has expired and is not swept yet.
        const [, ...values] = columnsOf(key, version, session);
        const { affectedRows } = await run("create", sql.replaceExpired, [...values, Buffer.from(key)]);
        if (affectedRows === 1) return version;
        if (await readRow(key)) return "exists";
        // That session ended between the two statements, so the key should be free now.
      }
      throw new StoreError(
        `coatcheck: MySQL failed to create: the key was taken and freed by others ${MAX_CREATE_ATTEMPTS} times in a row. Try again.`,
      );
    },

    async update(key, session, ifVersion) {
      assertFits(key, session.owner);
      await assertFitsIntoPacket("update", { key, session });
      if (await replace({ key, session, ifVersion })) return Number(ifVersion) + 1;
      return (await readRow(key)) ? "conflict" : "gone";
    },

    async delete(key, ifVersion) {
      if (ifVersion === undefined) return deleteRow(key);
      return (await run("delete", sql.deleteVersion, [Buffer.from(key), ifVersion])).affectedRows === 1;
    },

    async touch(key, expiresAt) {
      return matchedRows(await run("touch", sql.touch, [expiresAt, Buffer.from(key)])) === 1;
    },

    async time() {
      return Number((await run<{ time: number | string }[]>("give its time", sql.time, []))[0]!.time);
    },

    close: client.close,

    list({ owner }) {
      return listPages(async (after) => {
        const values = [Buffer.from(after)];
        return owner === undefined
          ? run("list", sql.list, values)
          : run("list", sql.listOwner, [...values, Buffer.from(owner)]);
      });
    },

    // A DELETE of MySQL can't return the rows that it deletes, so they are locked and read first.
    async claimExpired(now, limit) {
      const rows = await withConnection("claimExpired", async (connection) => {
        // By default InnoDB also locks the gaps between the rows, which blocks sessions that are alive.
        await connection.query({ sql: "SET TRANSACTION ISOLATION LEVEL READ COMMITTED" });
        return transaction(connection, async () => {
          const expired = (await execute(connection, sql.lockExpired(Math.floor(limit)), [now])) as Row[];
          for (let start = 0; start < expired.length; start += MAX_DELETED_ROWS) {
            const keys = padList(expired.slice(start, start + MAX_DELETED_ROWS).map(({ key }) => key));
            await execute(connection, sql.deleteMany(keys.length), keys);
          }
          return expired;
        });
      });
      return toClaimed(rows);
    },
  };
}

/** The columns of a row, in the order of the table. */
function columnsOf(key: string, version: Version, { expiresAt, owner, value }: SessionWrite): unknown[] {
  return [Buffer.from(key), version, expiresAt, owner === undefined ? null : Buffer.from(owner), toBuffer(value)];
}

/** Runs statements as one transaction. After an answer of the server, the connection can be used again. */
async function transaction<Result>(connection: MysqlConnection, work: () => Promise<Result>): Promise<Result> {
  await connection.query({ sql: "START TRANSACTION" });
  try {
    const result = await work();
    await connection.query({ sql: "COMMIT" });
    return result;
  } catch (error) {
    if (isServerAnswer(error)) await connection.query({ sql: "ROLLBACK" });
    throw error;
  }
}

async function importMysql(): Promise<Mysql2> {
  return (await importPeer("mysql2", loadMysql2)) as unknown as Mysql2;
}

function ignore(): void {}

/** How many rows an UPDATE found. A flag of the connection decides whether `affectedRows` counts unchanged ones. */
function matchedRows({ affectedRows, info = "" }: ChangeResult): number {
  return Number(/matched: (\d+)/.exec(info)?.[1] ?? affectedRows);
}
