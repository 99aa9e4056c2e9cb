// The options of the Azure Table store.

import type { Duration } from "../../util/duration.ts";
import type { OptionHints, OptionNames } from "../../util/option-names.ts";
import type { AzureCredential } from "../shared/azure-credential.ts";
import type { TableClientLike } from "./sdk.ts";

/**
 * Give `connectionString`; or `account` or `endpoint`, with at most one of `accountKey`, `sasToken` and `credential`; or
 * `client`.
 */
export interface AzureTableOptions {
  /** The storage account's connection string, from the portal. `"UseDevelopmentStorage=true"` is the emulator. */
  connectionString?: string;
  /** The storage account's name. */
  account?: string;
  /** The URL of the table service. Default: `https://<account>.table.core.windows.net`. */
  endpoint?: string;
  /** One of the account's two keys. Needs `account`. */
  accountKey?: string;
  /** A shared access signature for the table or the table service, with the rights to read, add, update and delete entities. */
  sasToken?: string;
  /**
   * A credential with the role "Storage Table Data Contributor". Default, without key and signature:
   * `DefaultAzureCredential` of the package `@azure/identity`.
   */
  credential?: AzureCredential;
  /** A `TableClient` to use instead. It should not retry: the store retries what is safe to repeat. */
  client?: TableClientLike;
  /** The table's name: 3 to 63 letters and digits, the first a letter. Default: `"sessions"`. */
  table?: string;
  /** Creates the table on first use if it is missing. Default: true. */
  createTable?: boolean;
  /** The longest time for one request to the service, with its retries. Default: `"5s"`. */
  timeout?: Duration;
  /** The most connections to the service. Further requests wait for a free one. Default: 50. */
  maxConnections?: number;
}

/** The names of the options, for the check of misspelt ones. */
export const NAMES: OptionNames<AzureTableOptions> = {
  connectionString: "string",
  account: "string",
  endpoint: "string",
  accountKey: "string",
  sasToken: "string",
  credential: "object",
  client: "object",
  table: "string",
  createTable: "boolean",
  timeout: true,
  maxConnections: true,
};

/** Names that the portal and the client have. */
export const HINTS: OptionHints = {
  accountName: "write account.",
  key: "write accountKey.",
  tableName: "write table.",
  url: "write endpoint.",
};
