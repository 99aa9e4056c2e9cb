// Connects to Azure Table storage.

import http from "node:http";
import https from "node:https";
import { Description, OptionError, StoreError } from "../../errors.ts";
import { preloadDefaultCredential } from "../shared/azure-credential.ts";
import { preload } from "../shared/lazy-client.ts";
import { loadDataTables } from "../shared/optional-packages.ts";
import { importPeer } from "../shared/peer-dependency.ts";
import type { ClientError } from "./errors.ts";
import type { AzureTableOptions } from "./options.ts";
import type { TableClientLike } from "./sdk.ts";

export interface Connection {
  client: TableClientLike;
  /** The connections of a client that the store has made. */
  agent?: http.Agent;
}

/**
 * Checks the options, and returns a function that connects with them.
 *
 * @param timeout the longest that creating the table may take, in milliseconds.
 * @throws OptionError if an option is missing or wrong.
 */
export function createConnector(options: AzureTableOptions, timeout: number): () => Promise<Connection> {
  const { client, connectionString, account, accountKey, sasToken, credential } = options;
  const { table = "sessions", createTable = true, maxConnections = 50 } = options;
  if (!/^[A-Za-z][A-Za-z0-9]{2,62}$/.test(table)) {
    throw new OptionError("table", table, "give 3 to 63 letters and digits, the first a letter.");
  }
  if (!Number.isInteger(maxConnections) || maxConnections < 1) {
    throw new OptionError("maxConnections", maxConnections, "give a whole number from 1.");
  }
  const endpoint = options.endpoint ?? (account === undefined ? "" : `https://${account}.table.core.windows.net`);
  const targets = [client, connectionString, options.endpoint ?? account].filter((target) => target !== undefined);
  if (targets.length !== 1) {
    throw new OptionError(
      "connectionString",
      new Description(targets.length === 0 ? "missing" : "one of several ways to connect"),
      "give either connectionString, or account (or endpoint), or client.",
    );
  }
  if (account !== undefined && !/^[\w-]+$/.test(account)) {
    throw new OptionError("account", account, "give the name of a storage account: letters and digits.");
  }
  // A user, a password and a query have no meaning there, and the client's errors show the URL.
  if (endpoint !== "" && !/^https?:\/\/[^/@?#]+(\/[^@?#]*)?$/.test(endpoint)) {
    throw new OptionError("endpoint", endpoint, 'give a URL such as "https://myaccount.table.core.windows.net".');
  }
  if (/endpoint=[^;]*[@?#]/i.test(connectionString ?? "")) {
    throw new OptionError(
      "connectionString",
      connectionString,
      "give a TableEndpoint without user, password and query.",
    );
  }
  if ([accountKey, sasToken, credential].filter((one) => one !== undefined).length > 1) {
    throw new OptionError(
      "accountKey",
      new Description("not the only credential"),
      "give one of accountKey, sasToken and credential.",
    );
  }
  if (accountKey !== undefined && account === undefined) {
    throw new OptionError("account", account, "give the account's name with its accountKey.");
  }

  const load = client === undefined ? preload(() => importPeer("@azure/data-tables", loadDataTables)) : undefined;
  const needsIdentity = [client, connectionString, accountKey, sasToken, credential].every((one) => one === undefined);
  const defaultCredential = needsIdentity ? preloadDefaultCredential() : undefined;

  async function connect(): Promise<Connection> {
    if (client) return { client };
    const { TableClient, AzureNamedKeyCredential, AzureSASCredential } = await load!();
    const isInsecure =
      /^http:/i.test(endpoint) || /endpoint=http:|protocol=http;|development/i.test(connectionString ?? "");
    const agent = new (isInsecure ? http : https).Agent({ keepAlive: true, maxSockets: maxConnections });
    const settings = { agent, allowInsecureConnection: isInsecure, retryOptions: { maxRetries: 0 } };
    if (connectionString !== undefined) {
      return { client: TableClient.fromConnectionString(connectionString, table, settings), agent };
    }
    if (accountKey !== undefined) {
      const named = new AzureNamedKeyCredential(account!, accountKey);
      return { client: new TableClient(endpoint, table, named, settings), agent };
    }
    if (sasToken !== undefined) {
      const signature = new AzureSASCredential(sasToken.replace(/^\?/, ""));
      return { client: new TableClient(endpoint, table, signature, settings), agent };
    }
    const identity = credential ?? (await defaultCredential!());
    return { client: new TableClient(endpoint, table, identity, settings), agent };
  }

  return async () => {
    const connection = await connect();
    if (!createTable) return connection;
    try {
      await connection.client.createTable({ abortSignal: AbortSignal.timeout(timeout) });
      return connection;
    } catch (error) {
      connection.agent?.destroy();
      if ((error as ClientError).statusCode === 403) {
        throw new StoreError(
          `coatcheck: no permission to create the table "${table}". Create it, and set createTable to false.`,
          error,
          { applied: false },
        );
      }
      throw error;
    }
  };
}
