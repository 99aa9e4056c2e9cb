import type { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { StoreError } from "../errors.ts";
import type { SessionChange } from "../store.ts";
import { importPeer } from "./peer.ts";
import { schema } from "./sqlite.ts";
import { LIMIT_LOG } from "./sqlite-lock.ts";

/** How often a watcher looks, in milliseconds. While nothing changes, a look costs a few microseconds. */
const POLL = 25;
/** How long notes are kept for a watcher of which nothing is heard: its process was killed, or sleeps. */
const LEASE = 60_000;
/** How often a watcher says at the most, and at the least, how far it has come. */
const SOONEST = 1_000;
const LATEST = 20_000;
/** The longest that other writers are waited for. */
const PATIENCE = 5_000;

const NOW = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";
const SOMEBODY_WATCHES = `EXISTS (SELECT 1 FROM coatcheck_watchers WHERE until > ${NOW})`;

// A touch leaves the version alone, so it is no change.
const NOTES = `
CREATE TABLE IF NOT EXISTS coatcheck_watchers (
  id INTEGER PRIMARY KEY AUTOINCREMENT, heard INTEGER NOT NULL, until INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS coatcheck_changes (
  number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, version INTEGER
) STRICT;
CREATE TRIGGER IF NOT EXISTS coatcheck_created AFTER INSERT ON coatcheck_sessions WHEN ${SOMEBODY_WATCHES}
BEGIN INSERT INTO coatcheck_changes (key, version) VALUES (new.key, new.version); END;
CREATE TRIGGER IF NOT EXISTS coatcheck_updated AFTER UPDATE OF version ON coatcheck_sessions WHEN ${SOMEBODY_WATCHES}
BEGIN INSERT INTO coatcheck_changes (key, version) VALUES (new.key, new.version); END;
CREATE TRIGGER IF NOT EXISTS coatcheck_deleted AFTER DELETE ON coatcheck_sessions WHEN ${SOMEBODY_WATCHES}
BEGIN INSERT INTO coatcheck_changes (key, version) VALUES (old.key, NULL); END;
`;

interface Note {
  number: number;
  key: string;
  version: number | null;
}

/**
 * Reports what any process changes in the sessions of a file. Triggers note the changes, in the transactions that make
 * them and so in their order, while somebody watches; each watcher looks for new notes.
 */
export async function watchFile(
  path: string,
  listener: (change: SessionChange) => void,
  onListening: (listening: boolean) => void = () => {},
): Promise<() => Promise<void>> {
  const { DatabaseSync } = await importPeer("node:sqlite", () => import("node:sqlite"));
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    const notes = await patiently(() => open(database!));
    return watch(notes, listener, onListening, () => database!.close());
  } catch (cause) {
    database?.close();
    throw new StoreError(`coatcheck: the sessions in ${path} can't be watched: ${(cause as Error).message}`, cause);
  }
}

/** Makes what is missing in the file, and a watcher. */
function open(database: DatabaseSync) {
  // What is lost in a power cut is no loss: the watchers are gone, too.
  database.exec(`PRAGMA journal_mode = wal; PRAGMA synchronous = off; ${LIMIT_LOG}`);
  transaction(() => database.exec(schema() + NOTES));

  const begin = database.prepare(
    `INSERT INTO coatcheck_watchers (heard, until)
     SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'coatcheck_changes'), 0), ${NOW} + ${LEASE}
     RETURNING id, heard`,
  );
  const renew = database.prepare(
    `UPDATE coatcheck_watchers SET heard = ?, until = ${NOW} + ${LEASE} WHERE id = ? AND until > ${NOW}`,
  );
  const end = database.prepare("DELETE FROM coatcheck_watchers WHERE id = ?");
  const dismiss = database.prepare(`DELETE FROM coatcheck_watchers WHERE until <= ${NOW}`);
  const trim = database.prepare(
    `DELETE FROM coatcheck_changes
     WHERE number <= coalesce((SELECT min(heard) FROM coatcheck_watchers), 9223372036854775807)`,
  );
  const state = database.prepare("PRAGMA data_version");
  const notes = database.prepare(
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

  function join(): { id: number; heard: number } {
    return transaction(() => {
      dismiss.run();
      trim.run();
      return begin.get() as { id: number; heard: number };
    });
  }

  return {
    watcher: join(),
    join,
    /** A number that moves when another connection has written. */
    state: () => (state.get() as { data_version: number }).data_version,
    after: (number: number) => notes.all(number) as unknown as Note[],
    /** False if the watcher was given up: notes may be missing. */
    renew: (id: number, heard: number) =>
      transaction(() => {
        const known = renew.run(heard, id).changes === 1;
        dismiss.run();
        trim.run();
        return known;
      }),
    leave: (id: number) =>
      transaction(() => {
        end.run(id);
        trim.run();
      }),
  };
}

function watch(
  notes: ReturnType<typeof open>,
  listener: (change: SessionChange) => void,
  onListening: (listening: boolean) => void,
  close: () => void,
): () => Promise<void> {
  let { id, heard } = notes.watcher;
  let said = heard;
  let renewed = Date.now();
  let seen: number | undefined;
  let listening = true;
  let stopped = false;

  function hear(): void {
    const state = notes.state();
    if (state === seen) return;
    for (let page = notes.after(heard); page.length > 0; page = notes.after(heard)) {
      for (const { number, key, version } of page) {
        heard = number;
        listener(version === null ? { key, type: "delete" } : { key, type: "write", version });
        if (stopped) return;
      }
    }
    seen = state;
  }

  function keep(): void {
    const age = Date.now() - renewed;
    if (age < (heard === said ? LATEST : SOONEST)) return;
    if (!notes.renew(id, heard)) {
      tell(false);
      ({ id, heard } = notes.join());
    }
    said = heard;
    renewed = Date.now();
  }

  function tell(now: boolean): void {
    if (listening === now) return;
    listening = now;
    onListening(now);
  }

  const timer = setInterval(() => {
    try {
      hear();
      if (stopped) return;
      keep();
      tell(true);
    } catch (error) {
      if (!isSqlite(error)) throw error;
      // While somebody writes, the next look will do.
      if (!isBusy(error)) tell(false);
    }
  }, POLL).unref();

  return async () => {
    stopped = true;
    clearInterval(timer);
    // If it fails, the lease ends by itself.
    await patiently(() => notes.leave(id)).catch(() => {});
    close();
  };
}

/** Tries again while another connection writes. SQLite's own way of waiting would stop this whole process. */
async function patiently<Result>(work: () => Result): Promise<Result> {
  for (const end = Date.now() + PATIENCE; ; await sleep(1 + Math.random() * 3)) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) || Date.now() > end) throw error;
    }
  }
}

function isSqlite(error: unknown): error is { errcode: number } {
  return typeof (error as { errcode?: unknown }).errcode === "number";
}

function isBusy(error: unknown): boolean {
  return isSqlite(error) && ((error.errcode & 0xff) === 5 || (error.errcode & 0xff) === 6);
}
