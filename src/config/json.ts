// fromConfig: reads a configuration in JSON.

import { readFile } from "node:fs/promises";
import { basename, dirname, resolve as resolvePath } from "node:path";
import { fileURLToPath } from "node:url";
import type { Mode } from "../index.ts";
import { milliseconds } from "../util/duration.ts";
import { checkNames, suggestion } from "../util/option-names.ts";
import {
  build,
  type CacheOptions,
  CONFIG_NAMES,
  type ConfigOptions,
  type Configuration,
  type ConfiguredOptions,
  type StoreChoice,
} from "./build.ts";
import { type Environment, resolve } from "./environment.ts";
import { ConfigError } from "./errors.ts";
import { builtInName, optionsIn } from "./stores.ts";
import { isObject, ROOT, storeSchema, validate } from "./validate.ts";

/** One of the providers. A problem is reported if it has no name or type. */
interface Provider {
  name: string;
  type: string;
  options?: object;
}

/** A configuration that `schema.json` accepts. */
interface Json extends Omit<ConfiguredOptions, "store" | "idleTimeout" | "compress" | "mode"> {
  $schema?: string;
  mode?: string;
  options?: object;
  customProvider?: string;
  providers?: Partial<Provider>[];
  cache?: boolean | CacheOptions;
  timeout?: number;
  cookieName?: string;
  cookieSameSite?: "Strict" | "Lax" | "None";
  compressionEnabled?: boolean;
  requestMode?: Mode;
}

/**
 * Reads a JSON configuration: `createSessions(await fromConfig("session.json"))`. The store that it names is loaded here,
 * and connects on first use. `coatcheck/schema.json` describes the format, for editors too.
 *
 * @param source a path, a `file:` URL, or an object of the same form.
 * @throws ConfigError with every problem: its path, what is there, and what was expected.
 */
export async function fromConfig(
  source: string | URL | object,
  options: ConfigOptions = {},
): Promise<ConfiguredOptions> {
  checkNames("fromConfig()", options, CONFIG_NAMES);
  const isFile = typeof source === "string" || source instanceof URL;
  const path = source instanceof URL ? fileURLToPath(source) : source;
  const name = isFile ? basename(path as string) : "configuration";
  const json = isFile ? await parseFile(path as string, name) : source;
  const folder = isFile ? dirname(resolvePath(path as string)) : process.cwd();
  return build(read(json, name, options.env ?? process.env), name, folder, options.onWarning);
}

/** The store that a file names, with its options, which are not tried. Undefined: none, or it is wrong. */
export async function readStoreChoice(path: string, env: Environment): Promise<StoreChoice | undefined> {
  const { store } = read(await parseFile(path, basename(path)), basename(path), env);
  if (store === "off" || store === undefined) return undefined;
  return { ...store, options: optionsIn(dirname(resolvePath(path)), store.type, store.options) };
}

async function parseFile(path: string, name: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new ConfigError(name, `${path} can't be read: ${(cause as Error).message}.`, cause);
  }
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (cause) {
    // Only the position is used: the engine's message may quote a secret.
    const { message } = cause as Error;
    const position = /position (\d+)/.exec(message);
    const before = text.slice(0, Number(position?.[1] ?? text.length)).split("\n");
    throw new ConfigError(name, `it is not JSON, at line ${before.length}, column ${before.at(-1)!.length + 1}.`);
  }
}

/** What the options of createSessions are called here, where that is another name. */
const NAMES = {
  idleTimeout: "timeout",
  mode: "requestMode",
  compress: "compressionEnabled",
  "cookie.name": "cookieName",
  "cookie.sameSite": "cookieSameSite",
};

function read(json: unknown, source: string, env: Environment): Configuration {
  if (!isObject(json)) throw new ConfigError(source, 'it is not an object: expected { "mode": … }.');
  const problems = new Set<string>();
  const problem = (text: string) => void problems.add(text);

  // The stores' options are resolved later: a variable that only an unused provider needs may be missing.
  const { options: rawOptions, providers: rawProviders, ...rawRest } = json;
  const { value, fromEnvironment } = resolve(rawRest, "", env, problem);
  const stores = defined({ options: rawOptions, providers: rawProviders });
  const checked = validate({ ...(value as object), ...stores }, ROOT, "", { fromEnvironment, problem }) as Json;

  const { $schema: _, mode, options, customProvider, providers, cache, timeout, ...rest } = checked;
  const { cookieName, cookieSameSite, cookie, compressionEnabled, requestMode, ...sameNames } = rest;
  const warnings: string[] = [];
  // Without a valid mode, nothing can be said of the options.
  const hasMode = mode !== undefined || !Object.hasOwn(json, "mode");
  const store = hasMode ? chooseStore(checked, env, problem, (text) => warnings.push(text)) : undefined;
  const sessions = defined({
    ...sameNames,
    mode: requestMode,
    compress: compressionEnabled,
    cookie: defined({ ...cookie, name: cookieName, sameSite: cookieSameSite }),
  });
  if (timeout === undefined) return { store, ...configured() };
  const { absoluteTimeout, policy } = sessions;
  if (absoluteTimeout === undefined && policy !== undefined) return { store, ...configured(timeout * MINUTE) };
  const longest = absoluteTimeout === undefined ? THIRTY_DAYS : milliseconds("absoluteTimeout", absoluteTimeout);
  if (timeout * MINUTE <= longest) return { store, ...configured(timeout * MINUTE) };
  problem(
    absoluteTimeout === undefined
      ? `timeout is ${timeout} minutes, longer than absoluteTimeout, which is 30 days by default: set absoluteTimeout, too.`
      : `timeout is ${timeout} minutes, longer than absoluteTimeout (${absoluteTimeout}): raise that, or lower this.`,
  );
  return { store, ...configured() };

  function configured(idleTimeout?: number) {
    return {
      ...(cache && { cache: cache === true ? {} : cache }),
      sessions: idleTimeout === undefined ? sessions : { ...sessions, idleTimeout },
      names: NAMES,
      warnings,
      problems: [...problems],
    };
  }
}

const MINUTE = 60_000;
const THIRTY_DAYS = 30 * 24 * 60 * MINUTE;

type Report = (text: string) => void;

/** The store that the mode names, with its options checked. Undefined if there is a problem. */
function chooseStore(json: Json, env: Environment, problem: Report, warn: Report): Configuration["store"] {
  const { mode = "InProc", options, customProvider, providers = [] } = json;
  const isBuiltIn = builtInName(mode) !== undefined;
  if (options !== undefined && !isBuiltIn) {
    const fix = mode === "Custom" ? "move them to the provider" : 'set mode to a store\'s name, such as "redis"';
    problem(`options belong to the store that mode names, but mode is "${mode}": ${fix}.`);
  }
  if (customProvider !== undefined && mode !== "Custom") {
    warn(`customProvider has no effect with mode "${mode}": only mode "Custom" uses it.`);
  }

  const names = providers.map(({ name }) => name);
  for (const [i, name] of names.entries()) {
    if (name !== undefined && names.indexOf(name) < i)
      problem(`providers[${i}].name is "${name}", which another provider has: expected a unique name.`);
  }
  const chosen = mode === "Custom" && customProvider !== undefined ? names.indexOf(customProvider) : -1;
  for (const [i, provider] of providers.entries()) if (i !== chosen) checkUnused(provider, i, problem);

  if (mode === "Off") return "off";
  if (mode === "InProc") return { type: "memory", options: {}, path: "options" };
  if (isBuiltIn) return checkedStore(mode, options ?? {}, "options", env, problem);
  if (customProvider === undefined) {
    problem(`customProvider is missing: mode "Custom" needs the name of one of the providers: ${names.join(", ")}.`);
    return undefined;
  }
  if (chosen === -1) {
    problem(
      `customProvider is "${customProvider}", which is none of the providers: ${suggestion(
        customProvider,
        names.filter((name) => name !== undefined),
      )}`,
    );
    return undefined;
  }
  const { type, options: own = {} } = providers[chosen]!;
  if (type === undefined) return undefined;
  return checkedStore(type, own, `providers[${chosen}].options`, env, problem);
}

/** Undefined if an option is wrong: the store is not made then. */
function checkedStore(
  type: string,
  options: object,
  path: string,
  env: Environment,
  report: Report,
): StoreChoice | undefined {
  let isWrong = false;
  const problem = (text: string) => {
    isWrong = true;
    report(text);
  };
  const { value, fromEnvironment } = resolve(options, path, env, problem);
  const name = builtInName(type);
  const schema = name === undefined ? ANY_OBJECT : storeSchema(name);
  const checked = validate(value, schema, path, { fromEnvironment, problem }) as object;
  return isWrong ? undefined : { type: name ?? type, options: checked, path };
}

/** Checks a provider that is not chosen, so that a misspelt option is found now and not on the day it is chosen. */
function checkUnused({ type, options = {} }: Partial<Provider>, i: number, problem: Report): void {
  const name = type === undefined ? undefined : builtInName(type);
  if (name === undefined) return;
  const context = { fromEnvironment: new Set<string>(), problem, unresolved: true };
  validate(options, storeSchema(name), `providers[${i}].options`, context);
}

const ANY_OBJECT = { type: "object" };

/** The object without the properties that are undefined. */
function defined<Value extends object>(value: Value): { [Key in keyof Value]?: NonNullable<Value[Key]> } {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as typeof value & object;
}
