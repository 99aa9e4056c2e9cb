import { accessSync, constants, mkdirSync } from "node:fs";
import { join } from "node:path";
import { OptionError } from "../errors.ts";
import type { SessionStore } from "../store.ts";
import { watchFile } from "./file-watch.ts";
import { sqlite } from "./sqlite.ts";

export interface FileOptions {
  /**
   * The directory that holds the sessions, on a disk of this machine. Made, for its owner only, if it is missing.
   * File locks don't work over a network.
   */
  path: string;
}

/**
 * Keeps sessions in a directory, which all processes of one machine share: nothing to install, nothing to run.
 *
 * A write that has resolved survives the end of the process, however it ends. A power cut may take the writes of the
 * last moments, and damages nothing. Who needs those too takes the store `sqlite`, which has more to choose.
 *
 * @throws OptionError if the path is missing, or is no directory that can be made and written.
 */
export function file(options: FileOptions): SessionStore {
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
  const database = join(path, "sessions.db");
  const store = sqlite({ path: database, durability: "normal" });
  const stops = new Set<() => Promise<void>>();

  const files: SessionStore = {
    ...store,

    async close() {
      await Promise.all([...stops].map((stop) => stop()));
      await store.close();
    },

    async watch(listener, onListening) {
      const stop = await watchFile(database, listener, onListening);
      const once = async () => {
        if (stops.delete(once)) await stop();
      };
      stops.add(once);
      return once;
    },
  };
  return Object.defineProperty(files, "atOnce", { value: store.atOnce });
}
