// The entry point for a web.config: fromWebConfig.

import { basename, dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { checkNames, type OptionNames } from "../../util/option-names.ts";
import { build, CONFIG_NAMES, type ConfigOptions, type ConfiguredOptions } from "../build.ts";
import { readConfiguration, type Transforms } from "./read.ts";

export interface WebConfigOptions extends ConfigOptions {
  /**
   * A transformation to apply first, such as `"Web.Release.config"`, or several in their order. A path is relative to the
   * folder of the web.config. What concerns sessions is applied or refused by name. Default: none.
   */
  transform?: Transforms;
}

const NAMES: OptionNames<WebConfigOptions> = { ...CONFIG_NAMES, transform: true };

/**
 * Reads the `<sessionState>` of an ASP.NET web.config: `createSessions(await fromWebConfig("web.config"))`.
 *
 * Variables of the environment override app settings and connection strings, as in Azure App Service. They also stand in
 * for sections that are encrypted for Windows. The secret is the app
 * setting `coatcheck:secret`, or else the variable `SESSION_SECRET`, or else the validationKey of `<machineKey>`. Needs the
 * package `fast-xml-parser`, and for SQL Server `@tediousjs/connection-string`.
 *
 * @throws ConfigError with every setting that is wrong or not supported, and why.
 * @throws CoatcheckError if a package is missing.
 */
export async function fromWebConfig(file: string | URL, options: WebConfigOptions = {}): Promise<ConfiguredOptions> {
  checkNames("fromWebConfig()", options, NAMES);
  const path = resolve(file instanceof URL ? fileURLToPath(file) : file);
  const configuration = await readConfiguration(path, options.env ?? process.env, options.transform);
  return build(configuration, basename(path), dirname(path), options.onWarning);
}
