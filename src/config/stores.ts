// The stores that a configuration can name: built-in ones, and custom ones from a package or a file.

import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { SessionStore } from "../store.ts";
import { suggestion } from "../util/option-names.ts";
import { STORE_NAMES } from "./validate.ts";

/** Makes a store from its options. */
export type StoreFactory = (options: object) => SessionStore | Promise<SessionStore>;

// A store is loaded when it is chosen, so that no other store's code or client package is needed.
const BUILT_IN: Record<string, () => Promise<unknown>> = {
  memory: async () => (await import("../stores/memory/index.ts")).memory,
  file: async () => (await import("../stores/file/index.ts")).file,
  redis: async () => (await import("../stores/redis/index.ts")).redis,
  postgres: async () => (await import("../stores/postgres/index.ts")).postgres,
  mysql: async () => (await import("../stores/mysql/index.ts")).mysql,
  sqlite: async () => (await import("../stores/sqlite/index.ts")).sqlite,
  mssql: async () => (await import("../stores/mssql/index.ts")).mssql,
  "azure-table": async () => (await import("../stores/azure-table/index.ts")).azureTable,
  cosmos: async () => (await import("../stores/cosmos/index.ts")).cosmos,
};

/** The name of the built-in store of this type, if it is one: `redis` and `coatcheck/redis` both give `redis`. */
export function builtInName(type: string): string | undefined {
  const name = type.replace(/^coatcheck\//, "");
  return STORE_NAMES.includes(name) ? name : undefined;
}

export async function loadBuiltIn(name: string): Promise<StoreFactory> {
  return (await BUILT_IN[name]!()) as StoreFactory;
}

/** The options of a store, with a path that is relative to the configuration's folder. */
export function optionsIn(folder: string, type: string, options: object): object {
  const { path } = options as { path?: string };
  const isRelative = ON_DISK.has(type) && path !== undefined && path !== "" && path !== ":memory:";
  return isRelative ? { ...options, path: resolve(folder, path) } : options;
}

const ON_DISK: ReadonlySet<string> = new Set(["file", "sqlite"]);

/**
 * Loads a custom store.
 *
 * @param type a package's name, or a path that begins with a dot and is relative to `folder`.
 * @throws Error if it can't be loaded, or does not export a function by default.
 */
export async function loadCustom(type: string, folder: string): Promise<StoreFactory> {
  const module = await importFrom(type, folder);
  const factory = module.default;
  if (typeof factory !== "function") {
    throw new Error(
      `"${type}" has no function as its default export: expected one that takes options and gives a store.`,
    );
  }
  return factory as StoreFactory;
}

async function importFrom(type: string, folder: string): Promise<{ default?: unknown }> {
  const base = pathToFileURL(`${folder}/`);
  if (type.startsWith(".")) return load(type, new URL(type, base).href);
  try {
    return await load(type, type);
  } catch (error) {
    // A strict package manager lets only the application resolve the package, and not coatcheck.
    const path = resolveFrom(base, type);
    if (path === undefined) throw error;
    return load(type, pathToFileURL(path).href);
  }
}

async function load(type: string, specifier: string): Promise<{ default?: unknown }> {
  try {
    return await import(specifier);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code !== "ERR_MODULE_NOT_FOUND") throw cause;
    const fix = type.startsWith(".")
      ? ""
      : `. Install it if it is a package; if a built-in store is meant, ${suggestion(type, STORE_NAMES)}`;
    throw new Error(`"${type}" can't be loaded: ${message}${fix}`, { cause });
  }
}

function resolveFrom(base: URL, type: string): string | undefined {
  try {
    return createRequire(base).resolve(type);
  } catch {
    return undefined;
  }
}
