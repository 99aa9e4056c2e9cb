// The options of the store for Azure SQL Database and SQL Server.

import type { Duration } from "../../util/duration.ts";
import type { OptionHints, OptionNames } from "../../util/option-names.ts";
import type { AzureCredential } from "../shared/azure-credential.ts";
import type { TableOptions } from "../shared/sql/table.ts";

/** Give `connectionString`, or `server` and `database`, or `connection` with its own `server`; or `pool`. */
export interface MssqlOptions extends TableOptions {
  /**
   * The database as an ADO.NET connection string: `"Server=tcp:x.database.windows.net;Database=y;User Id=…;Password=…"`, or
   * with `Authentication=Active Directory Default` for Entra ID.
   */
  connectionString?: string;
  /** The server's name: `"x.database.windows.net"`. The store signs in with Entra ID. */
  server?: string;
  /** The database's name, with `server`. */
  database?: string;
  /**
   * A credential of `@azure/identity` for Entra ID. Default, with `server`: `DefaultAzureCredential`, which is the managed
   * identity on Azure and the developer's login elsewhere.
   */
  credential?: AzureCredential;
  /**
   * Further options of `mssql`'s `ConnectionPool`, such as `{ pool: { max: 20 } }`. Its `options` and `pool` are added to
   * those of the connection string. Default: those of `mssql`, with at most 10 connections.
   */
  connection?: Record<string, unknown>;
  /** A `ConnectionPool` of `mssql` to use instead. The store never closes it. */
  pool?: MssqlPool;
  /** Creates the table and its indexes on first use if they are missing. Default: false; see `schema`. */
  createTable?: boolean;
  /**
   * The longest time for one call: connecting, waiting for a free connection and running the statement, together.
   * Default: `"15s"`.
   */
  timeout?: Duration;
}

/** What the store uses of a `ConnectionPool` of `mssql`. */
export interface MssqlPool {
  connect(): Promise<unknown>;
  close(): Promise<unknown>;
  request(): MssqlRequest;
  on(event: "error", listener: (error: Error) => void): unknown;
  off(event: "error", listener: (error: Error) => void): unknown;
  /** With these three, the store closes idle connections to a server that is no longer the primary. */
  acquire?(requester: object): Promise<MssqlConnection>;
  release?(connection: MssqlConnection): unknown;
  /** How many connections are idle. */
  readonly available?: number;
}

/** What the store uses of a connection of the pool. */
export interface MssqlConnection {
  close(): unknown;
}

export interface MssqlRequest {
  input(name: string, type: unknown, value: unknown): unknown;
  query(sql: string): Promise<{ recordset?: unknown[] }>;
  cancel(): unknown;
}

/** The names of the options, for the check of misspelt ones. */
export const NAMES: OptionNames<MssqlOptions> = {
  connectionString: "string",
  server: "string",
  database: "string",
  credential: "object",
  connection: "object",
  pool: "object",
  table: true,
  schema: true,
  createTable: "boolean",
  timeout: true,
};

const IN_CONNECTION = "write it into connectionString, or into connection: { … }.";

/** Names that the client's own options have. */
export const HINTS: OptionHints = {
  url: "write connectionString.",
  host: "write server.",
  user: IN_CONNECTION,
  password: IN_CONNECTION,
  port: IN_CONNECTION,
  options: IN_CONNECTION,
  authentication: IN_CONNECTION,
};
