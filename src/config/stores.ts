import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import type { SessionStore } from "../store.ts";
import { suggestion } from "./errors.ts";
import { STORE_NAMES } from "./validate.ts";

/** Makes a store of its options. */
export type StoreFactory = (options: object) => SessionStore | Promise<SessionStore>;

/** Each is loaded when it is chosen, so that no other store's code or client is needed. */
const OURS: Record<string, () => Promise<unknown>> = {
  memory: async () => (await import("../stores/memory.ts")).memory,
  file: async () => (await import("../stores/file.ts")).file,
  redis: async () => (await import("../stores/redis/index.ts")).redis,
  postgres: async () => (await import("../stores/postgres.ts")).postgres,
  mysql: async () => (await import("../stores/mysql.ts")).mysql,
  sqlite: async () => (await import("../stores/sqlite.ts")).sqlite,
  mssql: async () => (await import("../stores/mssql.ts")).mssql,
  "azure-table": async () => (await import("../stores/azure-table.ts")).azureTable,
  cosmos: async () => (await import("../stores/cosmos.ts")).cosmos,
};

/** The name of the store of ours that a type means: `redis` and `coatcheck/redis` are the same. */
export function ourStore(type: string): string | undefined {
  const name = type.replace(/^coatcheck\//, "");
  return STORE_NAMES.includes(name) ? name : undefined;
}

export async function loadOurStore(name: string): Promise<StoreFactory> {
  return (await OURS[name]!()) as StoreFactory;
}

/**
 * Loads other people's store: a package's name, or a path that begins with a dot and counts from `folder`.
 * @throws Error that says what is wrong with it.
 */
export async function loadStore(type: string, folder: string): Promise<StoreFactory> {
  const module = await importFrom(type, folder);
  const factory = module.default;
  if (typeof factory !== "function") {
    throw new Error(`"${type}" exports no function by default: expected one that takes options and gives a store.`);
  }
  return factory as StoreFactory;
}

async function importFrom(type: string, folder: string): Promise<{ default?: unknown }> {
  const base = pathToFileURL(`${folder}/`);
  if (type.startsWith(".")) return load(type, new URL(type, base).href);
  try {
    return await load(type, type);
  } catch (error) {
    // Where packages are kept apart, this one is seen from the application only.
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
    const install = type.startsWith(".")
      ? ""
      : `; npm install it if it is a package. Of ours, ${suggestion(type, STORE_NAMES)}`;
    throw new Error(`"${type}" can't be loaded: ${message}${install}`, { cause });
  }
}

function resolveFrom(base: URL, type: string): string | undefined {
  try {
    return createRequire(base).resolve(type);
  } catch {
    return undefined;
  }
}
