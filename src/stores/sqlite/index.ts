// The SQLite store.

import { resolve } from "node:path";
import { setImmediate as endOfTurn } from "node:timers/promises";
import { OptionError, toStoreError } from "../../errors.ts";
import { collectClaimed, type SessionStore, type StoredSession, withSync } from "../../store.ts";
import { milliseconds } from "../../util/duration.ts";
import { checkNames } from "../../util/option-names.ts";
import { createLazyClient, preload } from "../shared/lazy-client.ts";
import { importPeer } from "../shared/peer-dependency.ts";
import { SessionCache } from "../shared/session-cache.ts";
import { missingTable, notSent } from "../shared/sql/errors.ts";
import {
  assertFits,
  firstVersion,
  listPages,
  PAGE_SIZE,
  type Row,
  toBuffer,
  toClaimed,
  toSession,
} from "../shared/sql/rows.ts";
import { tableNames } from "../shared/sql/table.ts";
import { retryWhileBusy } from "./busy.ts";
import type { SqliteDatabase } from "./database.ts";
import { exists, OpenFile, secureFiles } from "./database-file.ts";
import { failureOf, isMissingTable, LostFileError } from "./errors.ts";
import { NAMES, type SqliteOptions } from "./options.ts";
import { LIMIT_WAL_SIZE, ReaderLock } from "./reader-lock.ts";
import { prepareStatements, QUOTING, type Statements, schema } from "./statements.ts";
import { WriteQueue } from "./write-queue.ts";

export type { SqliteDatabase, SqliteStatement, SqliteValue } from "./database.ts";
export type { SqliteOptions } from "./options.ts";
export { schema };

/** What opens and holds the database. */
interface Connection {
  database: SqliteDatabase;
  sql: Statements;
  writes: WriteQueue;
  /** Undefined if the database is in memory. */
  file: OpenFile | undefined;
  readerLock: ReaderLock | undefined;
}

/** The path of a database without a file. */
const IN_MEMORY = ":memory:";

/** A sweep deletes this many sessions with one statement, and goes on for this long in one transaction, in milliseconds. */
const CLAIMED_TOGETHER = 10;
const MAX_CLAIM_MS = 4;

/** The most bytes that cached sessions take in each process. */
const MAX_CACHE_BYTES = 64 * 1024 * 1024;

/**
 * Keeps sessions in a file of SQLite 3.37 or later, which all processes of one machine can share. It uses `node:sqlite`, so
 * no package is needed. The file is opened on first use. Concurrent writes share a transaction.
 *
 * @throws OptionError if an option is wrong, or unless exactly one of `path` and `database` is given.
 */
export function sqlite(options: SqliteOptions): SessionStore {
  checkNames("sqlite()", options, NAMES);
  const { database: given, createTable = given === undefined, durability = "full" } = options;
  if ((options.path === undefined) === (given === undefined)) {
    throw new OptionError("path", options.path, 'give the "path" of a file, or instead of it a "database".');
  }
  if (given === undefined && !isPath(options.path)) {
    throw new OptionError("path", options.path, 'give the path of a file, such as "./sessions.db".');
  }
  if (durability !== "full" && durability !== "normal") {
    throw new OptionError("durability", durability, 'give "full" or "normal".');
  }
  const timeout = milliseconds("timeout", options.timeout ?? "5s");
  const table = options.table === undefined ? {} : { table: options.table };
  const names = tableNames(table, QUOTING);
  // Absolute: the process may change its directory later.
  const path = options.path === undefined || options.path === IN_MEMORY ? options.path : resolve(options.path);

  const nodeSqlite = preload(() => importPeer("node:sqlite", () => import("node:sqlite")));
  const cache = new SessionCache(MAX_CACHE_BYTES);
  /** Undefined unless the database is open. */
  let current: Connection | undefined;
  /** The file that was lost while it was open. An empty file in its place would end all sessions without a word. */
  let lostFile: OpenFile | undefined;

  const client = createLazyClient(async () => {
    current = given === undefined ? await open(path!) : await adopt(given);
    lostFile = undefined;
    return current;
  }, shut);

  async function open(path: string): Promise<Connection> {
    const { DatabaseSync } = await nodeSqlite();
    const hasFile = path !== IN_MEMORY;
    if (hasFile) {
      if (lostFile !== undefined && !exists(path)) throw new LostFileError(path);
      lostFile?.removeStaleLog();
      secureFiles(path);
    }
    const database = new DatabaseSync(path);
    try {
      const sql = await retryWhileBusy(timeout, () => {
        // WAL: a writer does not block readers. The query makes SQLite open the log.
        database.exec(
          `PRAGMA journal_mode = wal; PRAGMA synchronous = ${durability}; ${LIMIT_WAL_SIZE}; SELECT 1 FROM sqlite_schema`,
        );
        // Again, now that the files are open: nothing is written into one that was planted meanwhile.
        if (hasFile) secureFiles(path);
        return prepare(database);
      });
      return await connected(database, sql, hasFile ? path : undefined);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  async function adopt(database: SqliteDatabase): Promise<Connection> {
    const sql = await retryWhileBusy(timeout, () => prepare(database));
    return connected(database, sql, database.location?.() ?? undefined);
  }

  function prepare(database: SqliteDatabase): Statements {
    if (createTable) database.exec(schema(table));
    const sql = prepareStatements(database, names);
    if ((sql.time.get() as { time: unknown }).time === null) throw new Error("SQLite 3.42 or later is needed");
    return sql;
  }

  async function connected(database: SqliteDatabase, sql: Statements, path: string | undefined): Promise<Connection> {
    const { DatabaseSync } = await nodeSqlite();
    const file = path === undefined ? undefined : new OpenFile(path);
    const readerLock =
      given === undefined && path !== undefined ? new ReaderLock(path, new DatabaseSync(path)) : undefined;
    return { database, sql, writes: new WriteQueue(sql, timeout, () => file?.check()), file, readerLock };
  }

  async function shut({ database, writes, readerLock }: Connection): Promise<void> {
    await writes.idle();
    current = undefined;
    cache.clear();
    readerLock?.close();
    if (given === undefined) database.close();
  }

  async function run<Result>(
    operation: string,
    work: (connection: Connection) => Promise<Result> | Result,
  ): Promise<Result> {
    let connection: Connection;
    try {
      connection = await client();
    } catch (error) {
      throw notSent("SQLite", operation, error, reasonFor(error));
    }
    try {
      return await work(connection);
    } catch (error) {
      if (error instanceof LostFileError && given === undefined) abandon(connection);
      throw toStoreError("SQLite", operation, error, reasonFor(error), failureOf(error, operation));
    }
  }

  function reasonFor(error: unknown): string | undefined {
    return isMissingTable(error) ? missingTable(names.label) : undefined;
  }

  /** Closes a database whose file was lost. The next call opens the file that is then there. */
  function abandon(connection: Connection): void {
    if (connection !== current) return;
    lostFile = connection.file;
    current = undefined;
    client.discard(connection);
  }

  /** Reads the state that the last transaction has left. */
  function query<Result>(operation: string, work: (connection: Connection) => Result): Promise<Result> {
    return run(operation, (connection) => retryWhileBusy(timeout, () => work(connection)));
  }

  /** Runs a write in the next transaction. Resolves when that is committed. */
  function write<Result>(operation: string, work: (sql: Statements) => Result, bytes?: number): Promise<Result> {
    return run(operation, ({ sql, writes }) => writes.run(() => work(sql), bytes));
  }

  /**
   * The session as the file has it now. For a cached one only the row's version is compared, since equal versions mean
   * equal bytes; so a session that is used often is read and unsealed once.
   *
   * @param isInUse false leaves the cache as it is. A walk through all sessions would evict those in use.
   */
  function find({ sql, file, readerLock }: Connection, key: string, isInUse: boolean): StoredSession | undefined {
    const cached = cache.get(key);
    file?.checkNowAndThen();
    readerLock?.hold();
    if (cached !== undefined) {
      const { version, expiresAt } = cached.session;
      if (sql.changed.get(key, version as number, expiresAt) === undefined) return cached.session;
    }
    const row = sql.read.get(key) as Row | undefined;
    if (row === undefined) {
      cache.delete(key);
      return undefined;
    }
    const session = toSession(row);
    if (cached?.session.version !== session.version) return isInUse ? cache.put(key, session, 0) : session;
    cached.extend(session.expiresAt);
    return cached.session;
  }

  /** Deletes some of the sessions that have expired. `isLast`: there are no more. */
  function claimSome(sql: Statements, now: number, limit: number): { rows: Row[]; isLast: boolean } {
    const rows: Row[] = [];
    const end = performance.now() + MAX_CLAIM_MS;
    while (rows.length < limit && performance.now() < end) {
      const wanted = Math.min(CLAIMED_TOGETHER, limit - rows.length);
      const found = sql.claim.all(now, wanted) as unknown as Row[];
      rows.push(...found);
      if (found.length < wanted) return { rows, isLast: true };
    }
    return { rows, isLast: rows.length === limit };
  }

  const store: SessionStore = {
    name: "sqlite",

    // A request passes `touchUntil`; a walk through all sessions does not.
    read: (key, touchUntil) => query("read", (connection) => find(connection, key, touchUntil !== undefined)),

    async create(key, { value, expiresAt, owner }) {
      assertFits(key, owner);
      const version = firstVersion();
      const values = [key, version, expiresAt, owner ?? null, toBuffer(value)];
      const { changes } = await write("create", ({ create }) => create.run(...values), value.length);
      return changes === 1 ? version : "exists";
    },

    async update(key, session, ifVersion) {
      const { value, expiresAt, owner } = session;
      assertFits(key, owner);
      const values = [expiresAt, owner ?? null, toBuffer(value), key, ifVersion];
      const result = await write(
        "update",
        ({ update, read }) => {
          if (update.run(...values).changes === 1) return Number(ifVersion) + 1;
          return read.get(key) ? "conflict" : "gone";
        },
        value.length,
      );
      // Cached only after the commit: if that fails, another write may get the same version with other bytes.
      if (typeof result === "number") cache.put(key, { ...session, version: result }, 0);
      return result;
    },

    async delete(key, ifVersion) {
      return (await write("delete", (sql) => sql.delete.run(key, ifVersion ?? null))).changes === 1;
    },

    async touch(key, expiresAt) {
      return (await write("touch", (sql) => sql.touch.run(expiresAt, key))).changes === 1;
    },

    time: () => query("give its time", ({ sql }) => (sql.time.get() as { time: number }).time),

    close: client.close,

    list({ owner }) {
      return listPages(async (after) => {
        await endOfTurn(); // between the pages, others have their turn
        return query("list", ({ sql }) => {
          const rows =
            owner === undefined ? sql.list.all(after, PAGE_SIZE) : sql.listOwner.all(after, owner, PAGE_SIZE);
          return rows as Row[];
        });
      });
    },

    claimExpired: (now, limit) =>
      collectClaimed(async (claimed) => {
        for (let left = limit, isDone = false; !isDone; ) {
          const { rows, isLast } = await write("claimExpired", (sql) => claimSome(sql, now, left));
          claimed.push(...toClaimed(rows));
          left -= rows.length;
          isDone = isLast;
        }
      }),
  };

  return withSync(store, {
    read(key, touchUntil) {
      try {
        return current && find(current, key, touchUntil !== undefined);
      } catch {
        return undefined; // `read` waits for the lock, and reports the error.
      }
    },
  });
}

function isPath(path: unknown): path is string {
  // SQLite would take an empty text for a temporary file, and "file:" for the beginning of a URL with options.
  return typeof path === "string" && path !== "" && !path.startsWith("file:");
}
