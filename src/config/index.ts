// The entry point `coatcheck/config`: options of createSessions from a configuration file.

export type { ConfigOptions, ConfiguredOptions } from "./build.ts";
export type { Environment } from "./environment.ts";
export { ConfigError } from "./errors.ts";
export { fromConfig } from "./json.ts";
export type { StoreFactory } from "./stores.ts";
export { fromWebConfig, type WebConfigOptions } from "./web/index.ts";
export { type ImportedConfig, webConfigToJson } from "./web/to-json.ts";
