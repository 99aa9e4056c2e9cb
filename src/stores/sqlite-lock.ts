import { statSync } from "node:fs";
import type { SqliteDatabase } from "./sqlite.ts";

/** How long the lock is held at the most, in milliseconds. */
const HOLD = 20;

/**
 * Bytes of the log of writes (WAL) with which the lock is still held. A little less than the 1,000 pages with which SQLite
 * brings the log home, for which nobody may be reading.
 */
const LOG = 4_000_000;

/** For each connection that writes: a log that begins anew is cut to what tells its length. */
export const LIMIT_LOG = `PRAGMA journal_size_limit = ${LOG}`;

/**
 * Holds a reader's lock on a file, by a connection of its own. SQLite takes that lock from the system for each read, and
 * gives it back, unless another connection of the process has it: two system calls of a read's 2.7 µs, which then takes 0.9.
 * Each read still has a transaction of its own, and sees what any process has written.
 *
 * While anybody has the lock the log can't begin anew. So it is held for moments, and not at all when the log is long.
 */
export class ReaderLock {
  readonly #database: SqliteDatabase;
  readonly #log: string;
  #isHeld = false;
  /** What lets go of the lock; or lets it be tried again. */
  #timer: NodeJS.Timeout | undefined;

  /** @param path the file of `database`, which is this lock's own */
  constructor(path: string, database: SqliteDatabase) {
    this.#database = database;
    this.#log = `${path}-wal`;
  }

  /** For a read that comes now, and those that may follow. */
  hold(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#release(), HOLD).unref();
    try {
      if ((statSync(this.#log, { throwIfNoEntry: false })?.size ?? Infinity) > LOG) return;
      this.#isHeld = true;
      // The transaction has the lock from its first look on.
      this.#database.exec("BEGIN; SELECT 1 FROM sqlite_schema");
    } catch {
      // The reads go without. What is at the path of an open file may be hidden from this process by now.
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#database.close();
  }

  #release(): void {
    this.#timer = undefined;
    if (!this.#isHeld) return;
    this.#isHeld = false;
    try {
      this.#database.exec("ROLLBACK");
    } catch {
      // It did not begin.
    }
  }
}
