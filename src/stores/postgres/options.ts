// The options of the PostgreSQL store.

import type { Duration } from "../../util/duration.ts";
import type { OptionHints, OptionNames } from "../../util/option-names.ts";
import type { TableOptions } from "../shared/sql/table.ts";

export interface PostgresOptions extends TableOptions {
  /** The database: `"postgres://user:password@host:5432/name"`. Default: libpq's environment variables, such as `PGHOST`. */
  url?: string;
  /** Further options of `pg.Pool`, such as `{ max: 20, ssl: { ca } }`. Default: those of `pg`, with at most 10 connections. */
  connection?: Record<string, unknown>;
  /**
   * A `pg.Pool` to use instead of `url` and `connection`. The store never ends it. A `query` of its connections has to take a
   * callback, as that of `pg` does.
   */
  pool?: PostgresPool;
  /** Creates the table and its indexes on first use if they are missing. Default: false; see `schema`. */
  createTable?: boolean;
  /**
   * Announces each change with `NOTIFY`, which gives the store `watch`. All servers of a farm must set it alike. Each write
   * then takes a lock that all announcing transactions of the database share. Default: false.
   */
  notify?: boolean;
  /** Prepares each statement once per connection. Turn it off behind a pooler without prepared statements. Default: true. */
  prepare?: boolean;
  /**
   * The longest time to connect, and to run a statement. With `pool`, its own limits hold for connecting, and for statements
   * if it has a `query_timeout`. Default: `"5s"`.
   */
  timeout?: Duration;
}

/** What the store uses of a `pg.Pool`. */
export interface PostgresPool {
  connect(): Promise<PostgresConnection>;
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "acquire", listener: (connection: PostgresConnection) => void): unknown;
  off(event: "error", listener: (error: Error) => void): unknown;
  off(event: "acquire", listener: (connection: PostgresConnection) => void): unknown;
  end(): Promise<void>;
  readonly options: object;
}

/** What the store uses of a connection of the pool. */
export interface PostgresConnection {
  query(query: PostgresQuery, done: (error: unknown, result: PostgresResult) => void): void;
  /** `destroy`: closes the connection instead of giving it back to the pool. */
  release(destroy?: boolean): void;
  on(event: "error", listener: (error: Error) => void): unknown;
}

export interface PostgresResult {
  rows: unknown[];
  rowCount: number | null;
}

export interface PostgresQuery {
  text: string;
  name?: string;
  values?: unknown[];
  types?: { getTypeParser(oid: number): (text: string) => unknown };
}

/** The names of the options, for the check of misspelt ones. */
export const NAMES: OptionNames<PostgresOptions> = {
  url: "string",
  connection: "object",
  pool: "object",
  table: true,
  schema: true,
  createTable: "boolean",
  notify: "boolean",
  prepare: "boolean",
  timeout: true,
};

const IN_CONNECTION = "write it into url, or into connection: { … }.";

/** Names that the client's own options have. */
export const HINTS: OptionHints = {
  connectionString: "write url.",
  uri: "write url.",
  host: IN_CONNECTION,
  port: IN_CONNECTION,
  user: IN_CONNECTION,
  password: IN_CONNECTION,
  database: IN_CONNECTION,
  ssl: IN_CONNECTION,
  max: IN_CONNECTION,
};
