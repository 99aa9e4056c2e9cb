// The file of a database, and the files beside it: only this user may use them, and they must stay where they are.

import { randomBytes } from "node:crypto";
import { chmodSync, closeSync, constants, linkSync, lstatSync, openSync, rmSync, type Stats, statSync } from "node:fs";
import { dirname } from "node:path";
import { LostFileError } from "./errors.ts";

/** The database, its write-ahead log, the index of that, and the journal that it has in other modes. */
const SUFFIXES = ["", "-wal", "-shm", "-journal"];

/** Files that stay the same while the database is open. */
const LASTING_SUFFIXES = ["", "-wal", "-shm"];

/** How often reads look whether the files are still there, in milliseconds. */
const CHECK_INTERVAL_MS = 20;

const OWNER_ONLY = 0o700;
const OTHERS = 0o077;
const WRITE_BY_EVERYONE = 0o002;
const STICKY = 0o1000;
const ROOT = 0;

/**
 * Makes sure that a database file, and each file beside it, belongs to this user, and that no other user may read or write
 * it. Creates the database file if it is missing. An existing file of this user with wider permissions gets narrower ones.
 *
 * @throws Error that names the fix, if another user has planted or may replace a file.
 */
export function secureFiles(path: string): void {
  assertSafeDirectory(dirname(path));
  for (const suffix of SUFFIXES) secureFile(path + suffix);
  if (!exists(path)) createFile(path);
  secureFile(path);
}

/** @throws Error that names the fix, if other users may put files into the directory, or take them away. */
export function assertSafeDirectory(path: string): void {
  const user = process.geteuid?.();
  const link = lstatSync(path, { throwIfNoEntry: false });
  const directory = link && statSync(path, { throwIfNoEntry: false });
  if (link === undefined || directory === undefined) throw new Error(`there is no directory ${path}: create it`);
  if (!directory.isDirectory()) throw new Error(`${path} is not a directory`);
  if (user === undefined) return; // Windows has no such permissions.
  for (const { uid } of [link, directory]) {
    if (uid === user || uid === ROOT) continue;
    throw new Error(
      `the directory ${path} belongs to another user (uid ${uid}), who could replace its files: give a directory of this process's user (uid ${user}), or change the owner with chown`,
    );
  }
  if ((directory.mode & WRITE_BY_EVERYONE) !== 0 && (directory.mode & STICKY) === 0) {
    throw new Error(
      `every user of this machine may write to the directory ${path}: run "chmod o-w" on it, or give a directory inside it that only this user may write to`,
    );
  }
}

/** True if there is anything at this path. */
export function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function secureFile(path: string): void {
  const user = process.geteuid?.();
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (found.isSymbolicLink()) {
    throw new Error(`${path} is a symbolic link: give the path of the file itself, or delete the link`);
  }
  if (!found.isFile()) throw new Error(`${path} is not a file`);
  if (user === undefined) return;
  if (found.uid !== user) {
    throw new Error(
      `the file ${path} belongs to another user (uid ${found.uid}): run this process as that user, or change the owner to uid ${user} with chown, or delete the file`,
    );
  }
  if ((found.mode & OTHERS) !== 0) chmodSync(path, found.mode & OWNER_ONLY);
}

/**
 * Creates an empty file that only this user may read and write. SQLite would give it the permissions that the umask allows,
 * and gives the files beside it the permissions of this one.
 *
 * The file gets its name when it is closed: closing a file that SQLite has open in this process would release SQLite's locks.
 */
function createFile(path: string): void {
  const temporary = `${path}-${randomBytes(6).toString("hex")}`;
  closeSync(openExclusively(temporary, path));
  try {
    linkSync(temporary, path);
  } catch (error) {
    // Another process was faster, or the file system has no hard links.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") closeSync(openExclusively(path, path));
  } finally {
    rmSync(temporary, { force: true });
  }
}

function openExclusively(path: string, label: string): number {
  try {
    return openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const fix = "give a path in a directory that this process may write to";
    throw new Error(`the file ${label} can't be created (${code}): ${fix}`, { cause: error });
  }
}

/** A file, as it was when the database was opened. */
interface FoundFile {
  path: string;
  found: Stats;
}

/** Notices that the path of an open database leads to another file, or to none: it was deleted, moved or replaced. */
export class OpenFile {
  readonly #files: readonly FoundFile[];
  #checkedAt = performance.now();

  /** @param path the file of a database that is open. A file that is not there now is not missed later. */
  constructor(path: string) {
    this.#files = LASTING_SUFFIXES.flatMap((suffix) => {
      const found = statSync(path + suffix, { throwIfNoEntry: false });
      return found === undefined ? [] : { path: path + suffix, found };
    });
  }

  /** @throws LostFileError if the database is no longer there. The files beside it are checked now and then. */
  check(): void {
    if (this.#files.length > 0) assertThere(this.#files[0]!);
    this.checkNowAndThen();
  }

  /** Checks all files, unless that was done a moment ago. @throws LostFileError if one is no longer there. */
  checkNowAndThen(): void {
    const now = performance.now();
    if (now - this.#checkedAt < CHECK_INTERVAL_MS) return;
    for (const file of this.#files) assertThere(file);
    this.#checkedAt = now; // after a failure, the next call checks again
  }

  /**
   * Makes room for the database that has replaced this one, which must be closed: SQLite would take the log of this one for
   * that of the other. Does nothing if this one is still there.
   */
  removeStaleLog(): void {
    const [database, ...others] = this.#files;
    if (database === undefined || isThere(database)) return;
    for (const file of others) if (isThere(file)) rmSync(file.path, { force: true });
  }
}

/** @throws LostFileError if the path leads to another file, or to none. */
function assertThere(file: FoundFile): void {
  let isLost: boolean;
  try {
    isLost = !isThere(file);
  } catch {
    return; // the path is not accessible to this process any more, which tells nothing of the file
  }
  if (isLost) throw new LostFileError(file.path);
}

function isThere({ path, found }: FoundFile): boolean {
  const present = statSync(path, { throwIfNoEntry: false });
  return present?.ino === found.ino && present.dev === found.dev;
}
