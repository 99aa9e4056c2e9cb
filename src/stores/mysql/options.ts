// The options of the MySQL store.

import type { Duration } from "../../util/duration.ts";
import type { OptionHints, OptionNames } from "../../util/option-names.ts";
import type { TableOptions } from "../shared/sql/table.ts";

/** Give `url`, `connection` or both; or `pool`. */
export interface MysqlOptions extends TableOptions {
  /** The database: `"mysql://user:password@host:3306/name"`. */
  url?: string;
  /** Further options of mysql2's `createPool`, such as `{ connectionLimit: 20, ssl: { ca } }`. Default: those of mysql2, with at most 10 connections. */
  connection?: Record<string, unknown>;
  /** A pool of `mysql2` or `mysql2/promise` to use instead. The store never ends it. */
  pool?: MysqlPool | { promise(): MysqlPool };
  /** Creates the table and its indexes on first use if they are missing. Default: false; see `schema`. */
  createTable?: boolean;
  /** The longest time to connect, to wait for a connection of the pool, and to run a statement. Default: `"5s"`. */
  timeout?: Duration;
}

/** What the store uses of a pool of `mysql2/promise`. */
export interface MysqlPool {
  getConnection(): Promise<MysqlConnection>;
  end(): Promise<void>;
}

export interface MysqlConnection {
  execute(query: MysqlQuery): Promise<[unknown, unknown]>;
  query(query: MysqlQuery): Promise<[unknown, unknown]>;
  release(): void;
  destroy(): void;
  /** The connection itself. `mysql2/promise` wraps it again each time that it is taken from the pool. */
  readonly connection?: object;
}

export interface MysqlQuery {
  sql: string;
  values?: unknown[];
  rowsAsArray?: boolean;
  nestTables?: boolean;
  typeCast?: (field: unknown, next: () => unknown) => unknown;
}

/** The names of the options, for the check of misspelt ones. */
export const NAMES: OptionNames<MysqlOptions> = {
  url: "string",
  connection: "object",
  pool: "object",
  table: true,
  schema: true,
  createTable: "boolean",
  timeout: true,
};

const IN_CONNECTION = "write it into url, or into connection: { … }.";

/** Names that the client's own options have. */
export const HINTS: OptionHints = {
  uri: "write url.",
  connectionString: "write url.",
  host: IN_CONNECTION,
  port: IN_CONNECTION,
  user: IN_CONNECTION,
  password: IN_CONNECTION,
  database: IN_CONNECTION,
  ssl: IN_CONNECTION,
  connectionLimit: IN_CONNECTION,
};
