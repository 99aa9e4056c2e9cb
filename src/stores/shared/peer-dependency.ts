// Loads optional peer dependencies, and checks their versions.

import { CoatcheckError } from "../../errors.ts";
import { isOlder } from "../../util/versions.ts";
import { preload } from "./lazy-client.ts";

/** The oldest version of each package that the stores and the configuration work with. Older ones may be installed beside. */
const OLDEST: Readonly<Record<string, string>> = {
  "@azure/cosmos": "4",
  "@azure/data-tables": "13",
  "@azure/identity": "4",
  "@tediousjs/connection-string": "1.1",
  "express-session": "1.17",
  "fast-xml-parser": "5",
  h3: "2",
  "iron-session": "8",
  mssql: "11",
  mysql2: "3",
  pg: "8",
  redis: "5",
};

/**
 * Loads a package that is an optional peer dependency: `await importPeer("redis", () => import("redis"))`.
 *
 * @param neededBy what needs the package, for the message. Default: "this store".
 * @throws CoatcheckError (`COATCHECK_PEER`) with the install command, if the package is not installed or too old.
 */
export async function importPeer<Module>(
  name: string,
  load: () => Promise<Module>,
  neededBy = "this store",
): Promise<Module> {
  const path = pathOf(name);
  if (path !== undefined) checkVersion(name, path, neededBy);
  try {
    return await load();
  } catch (cause) {
    // A package that is there may lack a package of its own. Its message says which.
    // The second code is that of a bundle.
    const { code } = cause as NodeJS.ErrnoException;
    const isMissing = path === undefined && (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND");
    if (!isMissing) throw cause;
    throw new CoatcheckError(
      "COATCHECK_PEER",
      `coatcheck: ${neededBy} needs the package "${name}": npm install ${name}`,
      { cause },
    );
  }
}

/**
 * Begins to load the package, so that the first call of a store does not wait for it. The returned function gives the
 * package, or throws as `importPeer` does.
 */
export function preloadPeer<Module>(name: string, load: () => Promise<Module>): () => Promise<Module> {
  return preload(() => importPeer(name, load));
}

/**
 * @param path a file of the package.
 * @throws CoatcheckError (`COATCHECK_PEER`) with the install command, if the package is too old.
 */
export function checkVersion(name: string, path: string, neededBy: string): void {
  const oldest = OLDEST[name];
  const installed = versionAt(path);
  if (oldest === undefined || installed === undefined || !isOlder(installed, oldest)) return;
  throw new CoatcheckError(
    "COATCHECK_PEER",
    `coatcheck: ${neededBy} needs version ${oldest} or later of the package "${name}", but version ${installed} is installed: npm install ${name}@latest`,
  );
}

/** The file that the package's name stands for. Undefined if it is not installed, or the runtime does not say. */
function pathOf(name: string): string | undefined {
  try {
    return process.getBuiltinModule("node:url").fileURLToPath(import.meta.resolve(name));
  } catch {
    return undefined;
  }
}

/** The version of the package that the file belongs to. Undefined where there are no files, as in a bundle. */
function versionAt(path: string): string | undefined {
  // Not imported: a runtime without files has these modules not, or not whole.
  const { readFileSync } = process.getBuiltinModule("node:fs");
  const { dirname, join } = process.getBuiltinModule("node:path");
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      // A package.json further in may say the type of its files only.
      if (typeof name === "string" && typeof version === "string") return version;
    } catch {
      // Not the package's own folder.
    }
  }
  return undefined;
}
