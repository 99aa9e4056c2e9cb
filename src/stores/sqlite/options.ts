// The options of the SQLite store.

import type { Duration } from "../../util/duration.ts";
import type { OptionNames } from "../../util/option-names.ts";
import type { TableOptions } from "../shared/sql/table.ts";
import type { SqliteDatabase } from "./database.ts";

/** Give exactly one of `path` and `database`. */
export interface SqliteOptions extends Pick<TableOptions, "table"> {
  /** The database's file, created if it is missing. It must be on a local disk: file locks do not work over a network. */
  path?: string;
  /** A `DatabaseSync` of `node:sqlite` to use instead. The store neither configures nor closes it. */
  database?: SqliteDatabase;
  /** Creates the table and its indexes on first use if they are missing. Default: true with `path`, false with `database`. */
  createTable?: boolean;
  /**
   * What a write that has resolved survives. `"full"`: a power cut. `"normal"`: the end of the process; a power cut may
   * lose the last moments, and a write is several times faster. Default: `"full"`. With `database`, its own setting holds.
   */
  durability?: "full" | "normal";
  /** The longest time to wait for another process that writes, or holds a transaction open. Default: `"5s"`. */
  timeout?: Duration;
}

/** The names of the options, for the check of misspelt ones. */
export const NAMES: OptionNames<SqliteOptions> = {
  path: "string",
  database: "object",
  table: true,
  createTable: "boolean",
  durability: true,
  timeout: true,
};
