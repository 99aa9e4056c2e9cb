import http from "node:http";
import https from "node:https";
import { OptionError, StoreError } from "../../errors.ts";
import type { AzureTableOptions } from "../azure-table.ts";
import { importPeer } from "../peer.ts";
import { defaultCredential } from "./credential.ts";
import type { Failure } from "./table-faults.ts";

/** What the store uses of `TableClient` of `@azure/data-tables`. */
export interface TableClientLike {
  createTable(options: RequestOptions): Promise<unknown>;
  getEntity(partitionKey: string, rowKey: string, options: QueryOptions): Promise<object>;
  createEntity(entity: Entity, options: RequestOptions): Promise<{ etag?: string }>;
  updateEntity(
    entity: Entity,
    mode: "Merge" | "Replace",
    options: RequestOptions & { etag: string },
  ): Promise<{ etag?: string }>;
  deleteEntity(partitionKey: string, rowKey: string, options: RequestOptions & { etag: string }): Promise<unknown>;
  listEntities(options: QueryOptions): { byPage(settings: { maxPageSize: number }): AsyncIterableIterator<object[]> };
}

export interface RequestOptions {
  abortSignal: AbortSignal;
}

export interface QueryOptions extends RequestOptions {
  queryOptions?: { filter?: string; select?: string[] };
  onResponse?: (response: { parsedBody?: unknown }) => void;
}

export interface Entity {
  partitionKey: string;
  rowKey: string;
  [property: string]: unknown;
}

export interface Opened {
  client: TableClientLike;
  agent?: http.Agent;
}

/** Checks the options, and gives what connects with them. */
export function opener(options: AzureTableOptions): (timeout: number) => Promise<Opened> {
  const { client, connectionString, account, accountKey, sasToken, credential } = options;
  const { table = "sessions", createTable = true, maxConnections = 50 } = options;
  if (!/^[A-Za-z][A-Za-z0-9]{2,62}$/.test(table)) {
    throw new OptionError("table", table, "give 3 to 63 letters and digits, the first a letter.");
  }
  if (!Number.isInteger(maxConnections) || maxConnections < 1) {
    throw new OptionError("maxConnections", maxConnections, "give a whole number from 1.");
  }
  const endpoint = options.endpoint ?? (account === undefined ? "" : `https://${account}.table.core.windows.net`);
  const ways = [client, connectionString, options.endpoint ?? account].filter((way) => way !== undefined);
  if (ways.length !== 1) {
    throw new OptionError(
      "connectionString",
      ways.length === 0 ? "missing" : "one of several ways to connect",
      "give either connectionString, or account (or endpoint), or client.",
    );
  }
  if (endpoint !== "" && !/^https?:\/\//.test(endpoint)) {
    throw new OptionError("endpoint", endpoint, 'give a URL such as "https://myaccount.table.core.windows.net".');
  }
  if ([accountKey, sasToken, credential].filter((way) => way !== undefined).length > 1) {
    throw new OptionError("accountKey", "not the only credential", "give one of accountKey, sasToken and credential.");
  }
  if (accountKey !== undefined && account === undefined) {
    throw new OptionError("account", account, "give the account's name with its accountKey.");
  }

  async function connect(): Promise<Opened> {
    if (client) return { client };
    const { TableClient, AzureNamedKeyCredential, AzureSASCredential } = await importPeer(
      "@azure/data-tables",
      () => import("@azure/data-tables"),
    );
    const insecure =
      /^http:/i.test(endpoint) || /endpoint=http:|protocol=http;|development/i.test(connectionString ?? "");
    const agent = new (insecure ? http : https).Agent({ keepAlive: true, maxSockets: maxConnections });
    const settings = { agent, allowInsecureConnection: insecure, retryOptions: { maxRetries: 0 } };
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
    const identity = credential ?? (await defaultCredential());
    return { client: new TableClient(endpoint, table, identity, settings), agent };
  }

  return async (timeout) => {
    const opened = await connect();
    if (!createTable) return opened;
    try {
      await opened.client.createTable({ abortSignal: AbortSignal.timeout(timeout) });
      return opened;
    } catch (error) {
      opened.agent?.destroy();
      if ((error as Failure).statusCode === 403) {
        throw new StoreError(
          `coatcheck: no permission to create the table "${table}". Create it, and set createTable to false.`,
          error,
        );
      }
      throw error;
    }
  };
}
