// Watches the sessions of a database file, through a log of changes in the file itself.

import type { DatabaseSync } from "node:sqlite";
import { reasonOf, StoreError } from "../../errors.ts";
import type { SessionChange } from "../../store.ts";
import { callListener } from "../../util/listeners.ts";
import { importPeer } from "../shared/peer-dependency.ts";
import { retryWhileBusy } from "../sqlite/busy.ts";
import { exists, OpenFile, secureFiles } from "../sqlite/database-file.ts";
import { isBusy, LostFileError } from "../sqlite/errors.ts";
import { LIMIT_WAL_SIZE } from "../sqlite/reader-lock.ts";
import { NOW, schema } from "../sqlite/statements.ts";

/** How often a watcher polls. A poll without a change takes a few microseconds. */
const POLL_INTERVAL_MS = 25;

/** How long one poll reports changes, in milliseconds. */
const MAX_POLL_MS = 5;

/** How long the log keeps changes for a watcher that does not renew its lease: its process was killed, or is suspended. */
const LEASE_MS = 60_000;

/** How often a watcher renews its lease: after it has read changes, and otherwise. */
const ACTIVE_RENEWAL_MS = 1_000;
const IDLE_RENEWAL_MS = 20_000;

/** How often a watcher whose file was lost looks whether there is another one. */
const REOPEN_INTERVAL_MS = 250;

/** The longest wait for other connections that write. */
const BUSY_TIMEOUT_MS = 5_000;

const IS_WATCHED = `EXISTS (SELECT 1 FROM coatcheck_watchers WHERE until > ${NOW})`;

// `heard` is the number of the last change that the watcher has reported, and `until` the end of its lease. A touch leaves
// the version alone, so it is not logged.
const LOG_SCHEMA = `
CREATE TABLE IF NOT EXISTS coatcheck_watchers (
  id INTEGER PRIMARY KEY AUTOINCREMENT, heard INTEGER NOT NULL, until INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS coatcheck_changes (
  number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, version INTEGER
) STRICT;
CREATE TRIGGER IF NOT EXISTS coatcheck_created AFTER INSERT ON coatcheck_sessions WHEN ${IS_WATCHED}
BEGIN INSERT INTO coatcheck_changes (key, version) VALUES (new.key, new.version); END;
CREATE TRIGGER IF NOT EXISTS coatcheck_updated AFTER UPDATE OF version ON coatcheck_sessions WHEN ${IS_WATCHED}
BEGIN INSERT INTO coatcheck_changes (key, version) VALUES (new.key, new.version); END;
CREATE TRIGGER IF NOT EXISTS coatcheck_deleted AFTER DELETE ON coatcheck_sessions WHEN ${IS_WATCHED}
BEGIN INSERT INTO coatcheck_changes (key, version) VALUES (old.key, NULL); END;
`;

interface LoggedChange {
  number: number;
  key: string;
  /** Null: the session was deleted. */
  version: number | null;
}

/** A watcher in the file's table of watchers. */
interface Watcher {
  id: number;
  /** The number of the last change that it has reported. */
  heard: number;
}

type ChangeLog = ReturnType<typeof openLog>;

/**
 * Reports the changes that any process makes to the sessions of a file. While there is a watcher, triggers log each change
 * in the transaction that makes it, and so in order. Each watcher polls the log. If the file is deleted or replaced,
 * watching goes on with the file that is then there.
 *
 * @returns the function that stops the watcher.
 * @throws StoreError if the file cannot be opened.
 */
export async function watchFile(
  path: string,
  listener: (change: SessionChange) => void,
  onListening: (listening: boolean) => void = () => {},
): Promise<() => Promise<void>> {
  const { DatabaseSync } = await importPeer("node:sqlite", () => import("node:sqlite"));
  const open = (lostFile?: OpenFile) => {
    lostFile?.removeStaleLog();
    secureFiles(path);
    const database = new DatabaseSync(path);
    try {
      return openLog(database, path);
    } catch (error) {
      database.close();
      throw error;
    }
  };
  try {
    const log = await retryWhileBusy(BUSY_TIMEOUT_MS, () => open());
    return poll(log, listener, onListening, (lostFile) => (exists(path) ? open(lostFile) : undefined));
  } catch (cause) {
    throw new StoreError(`coatcheck: SQLite failed to watch the sessions in ${path}: ${reasonOf(cause)}`, cause);
  }
}

/** Creates what is missing in the file, and adds a watcher. */
function openLog(database: DatabaseSync, path: string) {
  // A power cut may lose the log. It ends the watchers, too.
  database.exec(`PRAGMA journal_mode = wal; PRAGMA synchronous = off; ${LIMIT_WAL_SIZE}`);
  transaction(() => database.exec(schema() + LOG_SCHEMA));

  const addWatcher = database.prepare(
    `INSERT INTO coatcheck_watchers (heard, until)
     SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'coatcheck_changes'), 0), ${NOW} + ${LEASE_MS}
     RETURNING id, heard`,
  );
  const renewLease = database.prepare(
    `UPDATE coatcheck_watchers SET heard = ?, until = ${NOW} + ${LEASE_MS} WHERE id = ? AND until > ${NOW}`,
  );
  const deleteWatcher = database.prepare("DELETE FROM coatcheck_watchers WHERE id = ?");
  const deleteExpired = database.prepare(`DELETE FROM coatcheck_watchers WHERE until <= ${NOW}`);
  const trimChanges = database.prepare(
    `DELETE FROM coatcheck_changes
     WHERE number <= coalesce((SELECT min(heard) FROM coatcheck_watchers), 9223372036854775807)`,
  );
  const dataVersion = database.prepare("PRAGMA data_version");
  const changesAfter = database.prepare(
    "SELECT number, key, version FROM coatcheck_changes WHERE number > ? ORDER BY number LIMIT 1000",
  );

  function transaction<Result>(work: () => Result): Result {
    database.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      database.exec("COMMIT");
      return result;
    } catch (error) {
      database.exec("ROLLBACK");
      throw error;
    }
  }

  function join(): Watcher {
    return transaction(() => {
      deleteExpired.run();
      trimChanges.run();
      return addWatcher.get() as unknown as Watcher;
    });
  }

  return {
    watcher: join(),
    file: new OpenFile(path),
    close: () => database.close(),
    join,
    /** A number that differs once another connection has written. */
    dataVersion: () => (dataVersion.get() as { data_version: number }).data_version,
    changesAfter: (number: number) => changesAfter.all(number) as unknown as LoggedChange[],
    /** Returns false if the lease had expired: changes may be missing from the log. */
    renew: ({ id, heard }: Watcher) =>
      transaction(() => {
        const isRenewed = renewLease.run(heard, id).changes === 1;
        deleteExpired.run();
        trimChanges.run();
        return isRenewed;
      }),
    leave: ({ id }: Watcher) =>
      transaction(() => {
        deleteWatcher.run(id);
        trimChanges.run();
      }),
  };
}

/**
 * Polls the log until the returned function is called.
 *
 * @param reopen opens the file that is there after the first one was lost. Undefined: there is none.
 */
function poll(
  first: ChangeLog,
  listener: (change: SessionChange) => void,
  onListening: (listening: boolean) => void,
  reopen: (lostFile: OpenFile) => ChangeLog | undefined,
): () => Promise<void> {
  /** Undefined while the file is lost. */
  let log: ChangeLog | undefined = first;
  let { file } = first;
  let { watcher } = first;
  let renewedAt = performance.now();
  let renewedHeard = watcher.heard;
  let seenDataVersion: number | undefined;
  let reopenAt = 0;
  let isListening = true;
  let isStopped = false;

  function reportChanges(log: ChangeLog): void {
    const dataVersion = log.dataVersion();
    if (dataVersion === seenDataVersion) return;
    const end = performance.now() + MAX_POLL_MS;
    for (let page = log.changesAfter(watcher.heard); page.length > 0; page = log.changesAfter(watcher.heard)) {
      for (const { number, key, version } of page) {
        watcher.heard = number;
        callListener(listener, version === null ? { key, type: "delete" } : { key, type: "write", version });
        if (isStopped) return;
      }
      if (performance.now() > end) return; // the next poll goes on
    }
    seenDataVersion = dataVersion;
  }

  function renewLease(log: ChangeLog): void {
    const interval = watcher.heard === renewedHeard ? IDLE_RENEWAL_MS : ACTIVE_RENEWAL_MS;
    if (performance.now() - renewedAt < interval) return;
    if (!log.renew(watcher)) {
      setListening(false);
      watcher = log.join();
    }
    renewedHeard = watcher.heard;
    renewedAt = performance.now();
  }

  function lose(): void {
    log?.close();
    log = undefined;
    setListening(false);
  }

  function tryToReopen(): void {
    if (performance.now() < reopenAt) return;
    reopenAt = performance.now() + REOPEN_INTERVAL_MS;
    log = reopen(file);
    if (log === undefined) return;
    ({ file, watcher } = log);
    renewedHeard = watcher.heard;
    renewedAt = performance.now();
    seenDataVersion = undefined;
  }

  function setListening(listening: boolean): void {
    if (isListening === listening) return;
    isListening = listening;
    callListener(onListening, listening);
  }

  const timer = setInterval(() => {
    try {
      if (log === undefined) tryToReopen();
      if (log === undefined) return;
      file.check();
      reportChanges(log);
      if (isStopped) return;
      renewLease(log);
      setListening(true);
    } catch (error) {
      // While another connection writes, the next poll will do.
      if (error instanceof LostFileError) lose();
      else if (!isBusy(error)) setListening(false);
    }
  }, POLL_INTERVAL_MS).unref();

  return async () => {
    isStopped = true;
    clearInterval(timer);
    // If this fails, the lease expires.
    await retryWhileBusy(BUSY_TIMEOUT_MS, () => log?.leave(watcher)).catch(() => {});
    log?.close();
  };
}
