// The file store: sessions in a directory, by way of SQLite.

import { accessSync, constants, mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { OptionError, reasonOf, StoreError } from "../../errors.ts";
import { type SessionStore, withSync } from "../../store.ts";
import { checkNames, type OptionNames } from "../../util/option-names.ts";
import { assertSafeDirectory } from "../sqlite/database-file.ts";
import { sqlite } from "../sqlite/index.ts";
import { watchFile } from "./change-log.ts";

export interface FileOptions {
  /**
   * The directory that holds the sessions. It is created if it is missing, accessible to its owner only. One that is there
   * must belong to this process's user or to root, and only its owner and group may write to it. It must be on a local disk:
   * file locks do not work over a network.
   */
  path: string;
}

const NAMES: OptionNames<FileOptions> = { path: true };

/**
 * Keeps sessions in a directory, which all processes of one machine can share. It needs no package and no server.
 *
 * A write that has resolved survives the end of the process, however it ends. A power cut may lose the writes of the last
 * moments, and damages nothing. The store `sqlite` has the option `durability: "full"` for writes that must survive it.
 *
 * Only this process's user can read the files.
 *
 * @throws OptionError if the path is missing, or the directory cannot be created, read or written, or others could replace
 *   its files.
 */
export function file(options: FileOptions): SessionStore {
  checkNames("file()", options, NAMES);
  const { path } = options ?? {};
  if (typeof path !== "string" || path === "") {
    throw new OptionError("path", path, 'give the directory that holds the sessions, such as "./sessions".');
  }
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new OptionError("path", path, `it can't be used (${code}): give a directory that this process may write to.`);
  }
  try {
    assertSafeDirectory(path);
  } catch (error) {
    throw new OptionError("path", path, `it can't be used: ${reasonOf(error)}.`);
  }
  const databasePath = resolve(path, "sessions.db");
  const database = sqlite({ path: databasePath, durability: "normal" });
  /** Stops each watcher that is running. */
  const stopWatching = new Set<() => Promise<void>>();
  let isClosed = false;

  const store: SessionStore = {
    ...database,
    name: "file",

    async close() {
      isClosed = true;
      await Promise.all([...stopWatching].map((stop) => stop()));
      await database.close();
    },

    async watch(listener, onListening) {
      const stop = await watchFile(databasePath, listener, onListening);
      if (isClosed) {
        await stop();
        throw new StoreError("coatcheck: cannot watch: the store is closed.");
      }
      const stopOnce = async () => {
        if (stopWatching.delete(stopOnce)) await stop();
      };
      stopWatching.add(stopOnce);
      return stopOnce;
    },
  };

  return withSync(store, database.sync);
}
