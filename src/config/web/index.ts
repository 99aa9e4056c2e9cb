import { basename, dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type ConfigOptions, type Configuration, type ConfiguredOptions } from "../build.ts";
import type { Environment } from "../environment.ts";
import { ConfigError } from "../errors.ts";
import { readSections } from "./sections.ts";
import { readSessionState } from "./session-state.ts";
import { Settings } from "./settings.ts";

/**
 * Reads the `<sessionState>` of an ASP.NET web.config, and gives what does the same here:
 * `createSessions(await fromWebConfig("web.config"))`. The environment goes over app settings and connection strings as in
 * Azure App Service. The secret is the app setting `coatcheck:secret`, the variable `SESSION_SECRET`, or the validationKey of
 * `<machineKey>`. Needs the package `fast-xml-parser`, and for SQL Server `@tediousjs/connection-string`.
 *
 * @throws ConfigError naming everything that can't be had here, and why.
 */
export async function fromWebConfig(file: string | URL, options: ConfigOptions = {}): Promise<ConfiguredOptions> {
  const path = resolve(file instanceof URL ? fileURLToPath(file) : file);
  const configuration = await readWebConfig(path, options.env ?? process.env);
  return build(configuration, basename(path), dirname(path), options.onWarning);
}

/** What the file says, before any store is made. */
export async function readWebConfig(path: string, env: Environment): Promise<Configuration> {
  const problems = new Set<string>();
  const warnings = new Set<string>();
  const report = {
    problem: (text: string) => void problems.add(text),
    warn: (text: string) => void warnings.add(text),
  };
  const file = await readSections(path, report);
  const appSettings = file.list("appSettings", "key", "value");
  const connectionStrings = file.list("connectionStrings", "name", "connectionString");
  const settings = new Settings(appSettings, connectionStrings, env, report);
  const read = await readSessionState(file, settings, env, report);
  if (problems.size > 0) throw new ConfigError(basename(path), [...problems]);
  return { ...read, warnings: [...warnings] };
}
