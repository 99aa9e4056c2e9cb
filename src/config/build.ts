import { randomBytes } from "node:crypto";
import { type CachedOptions, cached } from "../compose/cached.ts";
import type { SessionsOptions } from "../index.ts";
import type { SessionStore } from "../store.ts";
import { memory } from "../stores/memory.ts";
import type { Environment } from "./environment.ts";
import { ConfigError } from "./errors.ts";
import { loadOurStore, loadStore, ourStore } from "./stores.ts";

export interface ConfigOptions {
  /** Where variables are looked up. Default: `process.env`. */
  env?: Environment;
  /** Told of what has no effect, and why. Default: a warning of the process. */
  onWarning?: (warning: string) => void;
}

/** What `createSessions` takes. Add what is code: `createSessions<Cart>({ ...(await fromConfig(file)), merge, initial })`. */
export type ConfiguredOptions = Omit<SessionsOptions<object>, "merge" | "initial">;

/** A configuration as it was read, whatever the form of its file. */
export interface Configuration {
  /** Undefined: no sessions. */
  store?: StoreChoice;
  /** Copies in front of it, if there are to be any. */
  cache?: CacheOptions;
  sessions: ConfiguredOptions;
  warnings: string[];
}

export type CacheOptions = Omit<CachedOptions, "onListening">;

export interface StoreChoice {
  /** The name of a store of ours, or where to find another one. */
  type: string;
  options: object;
  /** Where in the file the options are. */
  path: string;
}

/** Makes the store. `folder` is where the paths of other people's stores begin. */
export async function build(
  { store, cache, sessions, warnings }: Configuration,
  source: string,
  folder: string,
  onWarning: (warning: string) => void = warn,
): Promise<ConfiguredOptions> {
  for (const warning of warnings) onWarning(`${source}: ${warning}`);
  if (store === undefined) {
    // A secret for nothing, so that none has to be given.
    return { secret: randomBytes(32).toString("base64url"), ...sessions, store: memory(), mode: "off" };
  }
  const made = await makeStore(store, source, folder);
  return { ...sessions, store: cache === undefined ? made : withCache(made, cache, source) };
}

function withCache(store: SessionStore, cache: CacheOptions, source: string): SessionStore {
  try {
    return cached(store, cache);
  } catch (cause) {
    throw new ConfigError(source, `cache: ${plain(cause)}`, cause);
  }
}

async function makeStore({ type, options, path }: StoreChoice, source: string, folder: string): Promise<SessionStore> {
  try {
    const factory = ourStore(type) === type ? await loadOurStore(type) : await loadStore(type, folder);
    return await factory(options);
  } catch (cause) {
    throw new ConfigError(source, `${path}, for the store "${type}": ${plain(cause)}`, cause);
  }
}

function plain(cause: unknown): string {
  return (cause as Error).message.replace(/^coatcheck: /, "");
}

function warn(warning: string): void {
  process.emitWarning(`coatcheck: ${warning}`, { code: "COATCHECK_CONFIG" });
}
