// Whether the folder or the file of the sessions is safe, and not larger than it has to be.

import { statSync } from "node:fs";
import { join } from "node:path";
import { type Finding, ok, problem, warning } from "./finding.ts";

export async function checkFile(path: string): Promise<Finding[]> {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined || process.platform === "win32") return [];
  const pages = await checkPages(found.isDirectory() ? join(path, "sessions.db") : path);
  const others = found.mode & 0o077;
  if (others === 0) return [ok("file-access", `only this account can open ${path}`), ...pages];
  return [
    ...pages,
    problem(
      "file-access",
      `other accounts of this machine can open ${path}`,
      "They can delete sessions, and put old ones back.",
      `chmod -R go= ${path}`,
    ),
  ];
}

const MUCH_EMPTY = 10 * 1024 * 1024;

/** SQLite keeps the room of what was deleted, for what comes next. */
async function checkPages(file: string): Promise<Finding[]> {
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return [];
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const number = (pragma: string) => Number(Object.values(database.prepare(`PRAGMA ${pragma}`).get() ?? {})[0]);
    const [pages, empty] = [number("page_count"), number("freelist_count")];
    const bytes = empty * number("page_size");
    if (bytes < MUCH_EMPTY || empty < pages / 2) return [];
    return [
      warning(
        "file-bloat",
        `${Math.round((empty / pages) * 100)} % of ${file} is empty`,
        "The file is larger than it has to be, and so is every backup.",
        `Stop the servers, and run: sqlite3 ${file} VACUUM`,
      ),
    ];
  } finally {
    database.close();
  }
}
