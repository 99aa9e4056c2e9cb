// Makes the store that a configuration names, and the options of createSessions.

import { randomBytes } from "node:crypto";
import { type CachedOptions, cached } from "../compose/cached/index.ts";
import { OptionError, reasonOf } from "../errors.ts";
import type { SessionsOptions } from "../index.ts";
import { optionProblems } from "../options.ts";
import type { SessionStore } from "../store.ts";
import { memory } from "../stores/memory/index.ts";
import type { OptionNames } from "../util/option-names.ts";
import type { Environment } from "./environment.ts";
import { ConfigError } from "./errors.ts";
import { builtInName, loadBuiltIn, loadCustom, optionsIn } from "./stores.ts";

export interface ConfigOptions {
  /** The variables that `[NAME]` and `${NAME}` stand for. Default: `process.env`. */
  env?: Environment;
  /** Called for each setting that has no effect, with the reason. Default: a process warning (`COATCHECK_CONFIG`). */
  onWarning?: (warning: string) => void;
}

export const CONFIG_NAMES: OptionNames<ConfigOptions> = { env: true, onWarning: true };

/** Options for `createSessions`. Functions are added in code: `createSessions<Cart>({ ...(await fromConfig(file)), merge })`. */
export type ConfiguredOptions = Omit<SessionsOptions<object>, "merge" | "initial">;

/** A configuration as it was read, from JSON or from a web.config. */
export interface Configuration {
  /** `"off"`: no sessions. Undefined if it is wrong, and a problem says why. */
  store: StoreChoice | "off" | undefined;
  /** Options of `cached()` in front of the store. Undefined: no cache. */
  cache?: CacheOptions;
  sessions: ConfiguredOptions;
  /** What the options of `sessions` are called in the file, where that is another name. */
  names: Readonly<Record<string, string>>;
  warnings: readonly string[];
  /** What is wrong, each problem in one sentence. */
  problems: readonly string[];
}

export type CacheOptions = Omit<CachedOptions, "onListening">;

export interface StoreChoice {
  /** The name of a built-in store, or the package or path of a custom one. */
  type: string;
  options: object;
  /** The path of the options in the file, for messages. */
  path: string;
}

/**
 * Makes the store, and gives the options of `createSessions`.
 *
 * @param source the file's name, for messages.
 * @param folder the folder that a custom store's path is relative to.
 * @throws ConfigError with every problem: those of the file, of the store, of the cache, and of the options.
 */
export async function build(
  { store: choice, cache, sessions, names, warnings, problems: found }: Configuration,
  source: string,
  folder: string,
  onWarning: (warning: string) => void = warn,
): Promise<ConfiguredOptions> {
  const problems = new Set(found);
  let cause: unknown;
  function note(error: unknown, about: string): void {
    cause ??= error;
    for (const problem of problemsOf(error)) problems.add(`${about}: ${problem}`);
  }

  let store: SessionStore | undefined;
  if (choice === "off") store = memory();
  else if (choice !== undefined) {
    try {
      store = await makeStore(choice, folder);
    } catch (error) {
      note(error, `${choice.path}, for the store "${choice.type}"`);
    }
  }
  if (store !== undefined && choice !== "off" && cache !== undefined) {
    try {
      store = cached(store, cache);
    } catch (error) {
      note(error, "cache");
    }
  }
  for (const problem of optionProblems(sessions, store ?? memory())) problems.add(renamed(problem, names));
  if (problems.size > 0 || store === undefined) {
    await store?.close().catch(() => {});
    throw new ConfigError(source, [...problems], problems.size === 1 ? cause : undefined);
  }

  for (const warning of warnings) onWarning(`${source}: ${warning}`);
  if (choice !== "off") return { ...sessions, store };
  // The secret is never used. It is here so that the file need not have one.
  return { secret: randomBytes(32).toString("base64url"), ...sessions, store, mode: "off" };
}

async function makeStore({ type, options }: StoreChoice, folder: string): Promise<SessionStore> {
  const factory = builtInName(type) === type ? await loadBuiltIn(type) : await loadCustom(type, folder);
  return factory(optionsIn(folder, type, options));
}

/** Without the prefix that the message of the ConfigError has already. */
function problemsOf(error: unknown): readonly string[] {
  return error instanceof OptionError ? error.problems : [reasonOf(error).replace(/^coatcheck: /, "")];
}

/** A problem of an option of `createSessions`, with the option's name in the file. */
function renamed(problem: string, names: Readonly<Record<string, string>>): string {
  return problem.replace(/^option "([^"]+)"/, (_, name: string) => (Object.hasOwn(names, name) ? names[name]! : name));
}

function warn(warning: string): void {
  process.emitWarning(`coatcheck: ${warning}`, { code: "COATCHECK_CONFIG" });
}
