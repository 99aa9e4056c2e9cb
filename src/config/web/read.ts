// Reads a web.config, without making a store.

import { basename, dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Configuration, StoreChoice } from "../build.ts";
import type { Environment } from "../environment.ts";
import { ConfigError } from "../errors.ts";
import { readSections } from "./sections.ts";
import { readSessionState } from "./session-state.ts";
import { Settings } from "./settings.ts";

/** What a web.config says. `store` is undefined if sessions are turned off. */
export interface WebConfigContents extends Pick<Configuration, "sessions" | "warnings"> {
  store: StoreChoice | undefined;
}

/** One transformation, or several, by their paths beside the web.config. */
export type Transforms = string | URL | readonly (string | URL)[];

/** Reads the file without making a store. @throws ConfigError with every problem of the file. */
export async function readWebConfig(
  path: string,
  env: Environment,
  transform?: Transforms,
): Promise<WebConfigContents> {
  const { problems, store, sessions, warnings } = await readConfiguration(path, env, transform);
  if (problems.length > 0) throw new ConfigError(basename(path), problems);
  return { store: store === "off" ? undefined : store, sessions, warnings };
}

/** What the options of createSessions are called in a web.config. */
const NAMES = {
  secret: "the secret (the app setting coatcheck:secret, the variable SESSION_SECRET, or machineKey/@validationKey)",
  idleTimeout: "sessionState/@timeout",
  "cookie.name": "sessionState/@cookieName",
  "cookie.domain": "httpCookies/@domain",
  application: "sessionState/@cookieName",
};

/** The whole configuration, with what is wrong in it. */
export async function readConfiguration(
  path: string,
  env: Environment,
  transform: Transforms = [],
): Promise<Configuration> {
  const problems = new Set<string>();
  const warnings = new Set<string>();
  const report = {
    problem: (text: string) => void problems.add(text),
    warn: (text: string) => void warnings.add(text),
    count: () => problems.size,
  };
  const transforms = [transform]
    .flat()
    .map((file) => resolve(dirname(path), file instanceof URL ? fileURLToPath(file) : file));
  const file = await readSections(path, transforms, env, report);
  const appSettings = file.list("appSettings", "key", "value");
  const connectionStrings = file.list("connectionStrings", "name", "connectionString");
  const settings = new Settings(appSettings, connectionStrings, env, report, file.isEncrypted);
  const read = await readSessionState(file, settings, env, report);
  return { ...read, names: NAMES, warnings: [...warnings], problems: [...problems] };
}
