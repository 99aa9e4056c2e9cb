import { readFile } from "node:fs/promises";
import { basename, dirname, resolve as resolvePath } from "node:path";
import { fileURLToPath } from "node:url";
import type { Mode } from "../index.ts";
import {
  build,
  type CacheOptions,
  type ConfigOptions,
  type Configuration,
  type ConfiguredOptions,
  type StoreChoice,
} from "./build.ts";
import { type Environment, resolve } from "./environment.ts";
import { ConfigError, suggestion } from "./errors.ts";
import { ourStore } from "./stores.ts";
import { isObject, ROOT, storeSchema, validate } from "./validate.ts";

interface Provider {
  name: string;
  type: string;
  options?: object;
}

/** What `schema.json` lets through. */
interface Json extends Omit<ConfiguredOptions, "store" | "idleTimeout" | "compress" | "mode"> {
  $schema?: string;
  mode?: string;
  options?: object;
  customProvider?: string;
  providers?: Provider[];
  cache?: boolean | CacheOptions;
  timeout?: number;
  cookieName?: string;
  cookieSameSite?: "Strict" | "Lax" | "None";
  compressionEnabled?: boolean;
  requestMode?: Mode;
}

/**
 * Reads a configuration file in JSON, or an object of the same form: `createSessions(await fromConfig("session.json"))`.
 * The store that it names is loaded, and connects on first use. For editors, the form is in `coatcheck/schema.json`.
 *
 * @throws ConfigError naming every path that is wrong, what is there, and what was expected.
 */
export async function fromConfig(
  source: string | URL | object,
  options: ConfigOptions = {},
): Promise<ConfiguredOptions> {
  const isFile = typeof source === "string" || source instanceof URL;
  const path = source instanceof URL ? fileURLToPath(source) : source;
  const name = isFile ? basename(path as string) : "configuration";
  const json = isFile ? await parseFile(path as string, name) : source;
  const folder = isFile ? dirname(resolvePath(path as string)) : process.cwd();
  return build(read(json, name, options.env ?? process.env), name, folder, options.onWarning);
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
    // The engine's message may quote what stands around the mistake, a secret for instance.
    const { message } = cause as Error;
    const position = /position (\d+)/.exec(message);
    const before = text.slice(0, Number(position?.[1] ?? text.length)).split("\n");
    throw new ConfigError(name, `it is not JSON, at line ${before.length}, column ${before.at(-1)!.length + 1}.`);
  }
}

function read(json: unknown, source: string, env: Environment): Configuration {
  if (!isObject(json)) throw new ConfigError(source, 'it is no object: expected { "mode": … }.');
  const problems = new Set<string>();
  const problem = (text: string) => void problems.add(text);
  const stopIfWrong = () => {
    if (problems.size > 0) throw new ConfigError(source, [...problems]);
  };

  // The stores' options stay as they are for now: what only another provider needs may be missing from the environment.
  const { options: rawOptions, providers: rawProviders, ...rawRest } = json;
  const { value, fromEnvironment } = resolve(rawRest, "", env, problem);
  const stores = defined({ options: rawOptions, providers: rawProviders });
  const checked = validate({ ...(value as object), ...stores }, ROOT, "", { fromEnvironment, problem }) as Json;
  stopIfWrong();

  const { $schema: _, mode = "InProc", options, customProvider, providers, cache, timeout, ...rest } = checked;
  const { cookieName, cookieSameSite, cookie, compressionEnabled, requestMode, ...sameNames } = rest;
  const warnings: string[] = [];
  const store = chooseStore(checked, env, problem, (text) => warnings.push(text));
  if (timeout !== undefined && rest.absoluteTimeout === undefined && timeout * MINUTE > THIRTY_DAYS) {
    problem(`timeout is ${timeout} minutes, longer than absoluteTimeout, 30 days by default: give that, too.`);
  }
  stopIfWrong();
  return {
    ...(store && { store }),
    ...(cache && { cache: cache === true ? {} : cache }),
    warnings,
    sessions: defined({
      ...sameNames,
      idleTimeout: timeout === undefined ? undefined : timeout * MINUTE,
      mode: requestMode,
      compress: compressionEnabled,
      cookie: defined({ ...cookie, name: cookieName, sameSite: cookieSameSite }),
    }),
  };
}

const MINUTE = 60_000;
const THIRTY_DAYS = 30 * 24 * 60 * MINUTE;

type Report = (text: string) => void;

/** The store that the mode names, with its options checked; undefined if there are to be no sessions. */
function chooseStore(json: Json, env: Environment, problem: Report, warn: Report): StoreChoice | undefined {
  const { mode = "InProc", options, customProvider, providers = [] } = json;
  const isOurs = ourStore(mode) !== undefined;
  if (options !== undefined && !isOurs) {
    const where =
      mode === "Custom" ? "put them into the provider's own" : 'give a store\'s name as mode, such as "redis"';
    problem(`options are for a store that mode names, and mode is "${mode}": ${where}.`);
  }
  if (customProvider !== undefined && mode !== "Custom") {
    warn(`customProvider has no effect with mode "${mode}": only mode "Custom" looks at it.`);
  }

  const names = providers.map(({ name }) => name);
  for (const [i, name] of names.entries()) {
    if (names.indexOf(name) < i)
      problem(`providers[${i}].name is "${name}", as of another one: expected a name of its own.`);
  }
  const chosen = mode === "Custom" ? names.indexOf(customProvider ?? "") : -1;
  for (const [i, provider] of providers.entries()) if (i !== chosen) checkUnused(provider, i, problem);

  if (mode === "Off") return undefined;
  if (mode === "InProc") return { type: "memory", options: {}, path: "options" };
  if (isOurs) return checkedStore(mode, options ?? {}, "options", env, problem);
  if (customProvider === undefined) {
    problem(`customProvider is missing: mode "Custom" needs the name of one of the providers: ${names.join(", ")}.`);
    return undefined;
  }
  if (chosen === -1) {
    problem(
      `customProvider is "${customProvider}", which is none of the providers: ${suggestion(customProvider, names)}`,
    );
    return undefined;
  }
  const { type, options: own = {} } = providers[chosen]!;
  return checkedStore(type, own, `providers[${chosen}].options`, env, problem);
}

function checkedStore(type: string, options: object, path: string, env: Environment, problem: Report): StoreChoice {
  const { value, fromEnvironment } = resolve(options, path, env, problem);
  const name = ourStore(type);
  const schema = name === undefined ? ANY_OBJECT : storeSchema(name);
  return { type: name ?? type, options: validate(value, schema, path, { fromEnvironment, problem }) as object, path };
}

/** A typing mistake shows at once, not on the day when the provider is chosen. */
function checkUnused({ type, options = {} }: Provider, i: number, problem: Report): void {
  const name = ourStore(type);
  if (name === undefined) return;
  const context = { fromEnvironment: new Set<string>(), problem, unresolved: true };
  validate(options, storeSchema(name), `providers[${i}].options`, context);
}

const ANY_OBJECT = { type: "object" };

/** The object without what is undefined. */
function defined<Value extends object>(value: Value): { [Key in keyof Value]?: NonNullable<Value[Key]> } {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as typeof value & object;
}
