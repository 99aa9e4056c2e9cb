// The options of the D1 store.

import type { OptionNames } from "../../util/option-names.ts";
import type { TableOptions } from "../shared/sql/table.ts";
import type { D1Like } from "./database.ts";

export interface D1Options extends Pick<TableOptions, "table"> {
  /** The database's binding: `env.DB`, or what `withSession("first-primary")` of it gives. */
  database: D1Like;
  /**
   * Creates the table and its indexes on first use if they are missing. Each isolate then asks once. Default: false. In
   * production, put the statements of `schema()` into a migration.
   */
  createTable?: boolean;
}

/** The names of the options, for the check of misspelt ones. */
export const NAMES: OptionNames<D1Options> = { database: "object", table: true, createTable: "boolean" };
