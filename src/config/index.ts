export type { ConfigOptions, ConfiguredOptions } from "./build.ts";
export type { Environment } from "./environment.ts";
export { ConfigError } from "./errors.ts";
export { fromConfig } from "./json.ts";
export type { StoreFactory } from "./stores.ts";
export { fromWebConfig } from "./web/index.ts";
