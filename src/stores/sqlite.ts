import { setTimeout as sleep } from "node:timers/promises";
import { type Duration, milliseconds } from "../duration.ts";
import { OptionError } from "../errors.ts";
import type { SessionStore, StoreAtOnce, StoredSession } from "../store.ts";
import { Copies } from "./copies.ts";
import { importPeer } from "./peer.ts";
import { onFirstUse, storeError } from "./sql/client.ts";
import { binary, claimed, firstVersion, mustFit, PAGE, pages, type Row, stored } from "./sql/rows.ts";
import { type Names, type Quoting, type TableOptions, tableNames } from "./sql/table.ts";
import { LIMIT_LOG, ReaderLock } from "./sqlite-lock.ts";

export interface SqliteOptions extends Pick<TableOptions, "table"> {
  /** The database's file, made if it is missing. On a disk of this machine: file locks don't work over a network. */
  path?: string;
  /** A `DatabaseSync` of `node:sqlite` to use instead, which stays yours to configure and to close. */
  database?: SqliteDatabase;
  /** Creates the table and its indexes if they are missing. Default: true with `path`, false with `database`. */
  createTable?: boolean;
  /**
   * `"full"`: what was written survives a power cut. `"normal"`: it survives the end of the process, and a power cut
   * may take the last moments; a write is several times faster. Default: `"full"`. With `database`, what it is set to.
   */
  durability?: "full" | "normal";
  /** How long to try while another process writes, or holds a transaction open. Default: `"5s"`. */
  timeout?: Duration;
}

/** What is needed of a `DatabaseSync`. */
export interface SqliteDatabase {
  exec(sql: string): void;
  prepare(sql: string): SqliteStatement;
  close(): void;
}

export interface SqliteStatement {
  run(...values: SqliteValue[]): { changes: number | bigint };
  get(...values: SqliteValue[]): unknown;
  all(...values: SqliteValue[]): unknown[];
}

export type SqliteValue = null | number | bigint | string | Uint8Array;

/** A change that waits for the next transaction. It is settled when that has come to an end. */
interface Change {
  work(): unknown;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** Changes that one transaction takes at the most: so many keep the event loop for a few milliseconds. */
const LARGEST = 128;

/** A process that always has something to write rests so many milliseconds after so many. */
const REST = 2;
const STINT = 25;

/** Bytes that copies may take in each process. */
const COPIES = 64 * 1024 * 1024;

/** Node 22 binds the empty value as NULL. */
const VALUE = "coalesce(?, x'')";

const QUOTING: Quoting = { quote: '"', longest: 128 };

/**
 * Keeps sessions in a file of SQLite 3.37 or later, which all processes of one machine may share: with `node:sqlite`,
 * no package is needed. Opens the file on first use. Changes that come together share a transaction, and its way to
 * the disk.
 *
 * @throws OptionError if a name can't be one, or unless exactly one of `path` and `database` is given.
 */
export function sqlite(options: SqliteOptions): SessionStore {
  const { path, database: given, createTable = given === undefined, durability = "full" } = options;
  if ((path === undefined) === (given === undefined)) {
    throw new OptionError("path", path, 'give the "path" of a file, or instead of it a "database".');
  }
  if (durability !== "full" && durability !== "normal") {
    throw new OptionError("durability", durability, 'give "full" or "normal".');
  }
  const timeout = milliseconds("timeout", options.timeout ?? "5s");
  const table = options.table === undefined ? {} : { table: options.table };
  const names = tableNames(table, QUOTING);

  const copies = new Copies(COPIES);
  let opened: Statements | undefined;
  let lock: ReaderLock | undefined;

  const client = onFirstUse(
    async () => {
      const { DatabaseSync } = await importPeer("node:sqlite", () => import("node:sqlite"));
      const database: SqliteDatabase = given ?? new DatabaseSync(path!);
      try {
        const ready = await despiteOthers(() => {
          // WAL: readers go on while somebody writes.
          if (given === undefined)
            database.exec(`PRAGMA journal_mode = wal; PRAGMA synchronous = ${durability}; ${LIMIT_LOG}`);
          if (createTable) database.exec(schema(table));
          return { database, sql: statements(database, names) };
        });
        if (given === undefined) lock = new ReaderLock(path!, new DatabaseSync(path!));
        opened = ready.sql;
        return ready;
      } catch (error) {
        if (given === undefined) database.close();
        throw error;
      }
    },
    async ({ database }) => {
      await writing;
      opened = undefined;
      copies.clear();
      lock?.close();
      if (given === undefined) database.close();
    },
  );

  /** Tries again while another process has the file. SQLite's own way of waiting would stop this whole process. */
  async function despiteOthers<Result>(work: () => Result): Promise<Result> {
    for (const end = Date.now() + timeout; ; await sleep(1 + Math.random() * 3)) {
      try {
        return work();
      } catch (error) {
        if (!isBusy(error) || Date.now() > end) throw error;
      }
    }
  }

  async function run<Result>(work: (sql: Statements) => Promise<Result>): Promise<Result> {
    try {
      return await work((await client()).sql);
    } catch (error) {
      const missing = error instanceof Error && error.message.startsWith("no such table");
      throw storeError("sqlite", error, missing, names.plain);
    }
  }

  /** Looks something up, in the state that the last transaction left. */
  function look<Result>(work: (sql: Statements) => Result): Promise<Result> {
    return run((sql) => despiteOthers(() => work(sql)));
  }

  /**
   * The session as the file has it at this moment. Of one that is used again and again there is a copy, which is read
   * and unsealed once: then only the row's version is asked for, since equal versions mean equal bytes.
   */
  function find(sql: Statements, key: string, isUsed: boolean): StoredSession | undefined {
    const now = Date.now();
    const copy = copies.get(key);
    lock?.hold();
    if (copy !== undefined) {
      const { version, expiresAt } = copy.session;
      if (expiresAt > now && sql.other.get(key, version as number, expiresAt) === undefined) return copy.session;
    }
    const row = sql.read.get(key, now) as Row | undefined;
    if (row === undefined) {
      copies.delete(key);
      return undefined;
    }
    const session = stored(row);
    if (copy?.session.version !== session.version) return isUsed ? copies.put(key, session, now) : session;
    copy.extend(session.expiresAt);
    return copy.session;
  }

  /** Changes something in the next transaction, and resolves when that is on disk. */
  function change<Result>(work: (sql: Statements) => Result): Promise<Result> {
    return run(
      (sql) =>
        new Promise((resolve, reject) => {
          queue.push({ work: () => work(sql), resolve: resolve as (result: unknown) => void, reject });
          writing ??= write(sql);
        }),
    );
  }

  let queue: Change[] = [];
  let writing: Promise<void> | undefined;
  let rested = 0;
  let released = 0;

  /** Leaves the file alone for a moment now and then: who waits for it asks every few moments, and must get a turn. */
  async function giveOthersATurn(): Promise<void> {
    if (performance.now() - released < REST) {
      if (performance.now() - rested < STINT) return;
      await sleep(REST);
    }
    rested = performance.now();
  }

  async function write({ begin, commit, rollback }: Statements): Promise<void> {
    // What else this turn of the event loop brings goes along.
    for (await turn(); queue.length > 0; await turn()) {
      let batch = queue;
      let begun = false;
      try {
        await giveOthersATurn();
        // IMMEDIATE: a transaction that begins as a reader may find later that it can't write.
        await despiteOthers(() => begin.run());
        begun = true;
        batch = queue.slice(0, LARGEST);
        const results = batch.map(({ work }) => attempt(work));
        commit.run();
        released = performance.now();
        for (const [index, { resolve, reject }] of batch.entries()) {
          const { result, error } = results[index]!;
          if (error === undefined) resolve(result);
          else reject(error);
        }
      } catch (error) {
        if (begun) attempt(() => rollback.run());
        for (const { reject } of batch) reject(error);
      }
      queue = queue.slice(batch.length);
    }
    writing = undefined;
  }

  const atOnce: StoreAtOnce = {
    read(key, touchUntil) {
      try {
        return opened && find(opened, key, touchUntil !== undefined);
      } catch {
        return undefined; // `read` tries longer, and says what is wrong
      }
    },
  };

  const store: SessionStore = {
    // Reads without a touch are walks through all sessions: their copies would drive out those that are in use.
    read: (key, touchUntil) => look((sql) => find(sql, key, touchUntil !== undefined)),

    async create(key, { value, expiresAt, owner }) {
      mustFit(key, owner);
      const version = firstVersion();
      const values = [key, version, expiresAt, owner ?? null, binary(value)];
      const { changes } = await change(({ create }) => create.run(...values, Date.now()));
      return changes === 1 ? version : "exists";
    },

    async update(key, session, ifVersion) {
      const { value, expiresAt, owner } = session;
      mustFit(key, owner);
      const values = [expiresAt, owner ?? null, binary(value), key, ifVersion];
      const answer = await change(({ update, read }) => {
        if (update.run(...values, Date.now()).changes === 1) return Number(ifVersion) + 1;
        return read.get(key, Date.now()) ? "conflict" : "gone";
      });
      // Only now: a version that was never committed may come to mean other bytes.
      if (typeof answer === "number") copies.put(key, { ...session, version: answer }, Date.now());
      return answer;
    },

    async delete(key, ifVersion) {
      return (await change((sql) => sql.delete.run(key, Date.now(), ifVersion ?? null))).changes === 1;
    },

    async touch(key, expiresAt) {
      return (await change(({ touch }) => touch.run(expiresAt, key, Date.now()))).changes === 1;
    },

    close: client.close,

    list({ owner }) {
      return pages((after) =>
        look((sql) => {
          const from = [after, Date.now()];
          return (owner === undefined ? sql.list.all(...from, PAGE) : sql.listOwner.all(...from, owner, PAGE)) as Row[];
        }),
      );
    },

    async claimExpired(now, limit) {
      return claimed((await change(({ claim }) => claim.all(now, limit))) as Row[]);
    },
  };
  return Object.defineProperty(store, "atOnce", { value: atOnce });
}

/** The statements that make the table, for people who run migrations. Takes the same name as the store. */
export function schema(options: Pick<TableOptions, "table"> = {}): string {
  const { table, index } = tableNames(options, QUOTING);
  return `CREATE TABLE IF NOT EXISTS ${table} (
  key TEXT NOT NULL PRIMARY KEY,
  version INTEGER NOT NULL,
  expires_at INTEGER NOT NULL, -- milliseconds since 1970
  owner TEXT,
  value BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS ${index("expires_at")} ON ${table} (expires_at);
CREATE INDEX IF NOT EXISTS ${index("owner")} ON ${table} (owner, key) WHERE owner IS NOT NULL;
`;
}

type Statements = ReturnType<typeof statements>;

function statements(database: SqliteDatabase, { table }: Names) {
  const entries = `SELECT key, expires_at, owner FROM ${table} WHERE key > ? AND expires_at > ?`;
  return {
    read: database.prepare(
      `SELECT key, version, expires_at, owner, value FROM ${table} WHERE key = ? AND expires_at > ?`,
    ),

    // A row if the session has changed. The usual answer is none, because Node makes an object for each row: 0.6 µs less.
    other: database.prepare(
      `SELECT 1 AS other
       WHERE NOT EXISTS (SELECT 1 FROM ${table} WHERE key = ? AND version = ? AND expires_at = ?)`,
    ),

    // An expired session that nobody has swept yet makes room.
    create: database.prepare(
      `INSERT INTO ${table} AS old (key, version, expires_at, owner, value) VALUES (?, ?, ?, ?, ${VALUE})
       ON CONFLICT (key) DO UPDATE
       SET version = excluded.version, expires_at = excluded.expires_at, owner = excluded.owner, value = excluded.value
       WHERE old.expires_at <= ?`,
    ),

    update: database.prepare(
      `UPDATE ${table} SET version = version + 1, expires_at = ?, owner = ?, value = ${VALUE}
       WHERE key = ? AND version = ? AND expires_at > ?`,
    ),

    delete: database.prepare(
      `DELETE FROM ${table} WHERE key = ? AND expires_at > ? AND version = coalesce(?, version)`,
    ),

    touch: database.prepare(`UPDATE ${table} SET expires_at = ? WHERE key = ? AND expires_at > ?`),

    list: database.prepare(`${entries} ORDER BY key LIMIT ?`),
    listOwner: database.prepare(`${entries} AND owner = ? ORDER BY key LIMIT ?`),

    claim: database.prepare(
      `DELETE FROM ${table} WHERE key IN (SELECT key FROM ${table} WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)
       RETURNING key, expires_at, owner, value`,
    ),

    begin: database.prepare("BEGIN IMMEDIATE"),
    commit: database.prepare("COMMIT"),
    rollback: database.prepare("ROLLBACK"),
  };
}

function attempt(work: () => unknown): { result?: unknown; error?: unknown } {
  try {
    return { result: work() };
  } catch (error) {
    return { error };
  }
}

/** Another connection has the lock that is needed (SQLITE_BUSY), or one of this process (SQLITE_LOCKED). */
function isBusy(error: unknown): boolean {
  const { errcode = 0 } = error as { errcode?: number };
  return (errcode & 0xff) === 5 || (errcode & 0xff) === 6;
}

function turn(): Promise<void> {
  return new Promise(setImmediate);
}
