// Connects to Cosmos DB.

import { Agent } from "node:https";
import type { CosmosClient } from "@azure/cosmos";
import { Description, OptionError, StoreError } from "../../errors.ts";
import { preloadDefaultCredential } from "../shared/azure-credential.ts";
import { preload } from "../shared/lazy-client.ts";
import { loadCosmos } from "../shared/optional-packages.ts";
import { importPeer } from "../shared/peer-dependency.ts";
import type { ClientError } from "./errors.ts";
import type { CosmosOptions } from "./options.ts";
import type { ContainerLike, Response } from "./sdk.ts";

export interface Connection {
  container: ContainerLike;
  close(): void;
}

/** @param report receives each response, for its cost. */
export type Connect = (abortSignal: AbortSignal, report: (response: Response) => void) => Promise<Connection>;

/**
 * Checks the options, and returns a function that connects with them.
 *
 * @param requestTimeout milliseconds.
 * @param maxThrottleWait milliseconds.
 * @throws OptionError if an option is missing or wrong.
 */
export function createConnector(options: CosmosOptions, requestTimeout: number, maxThrottleWait: number): Connect {
  const { connectionString, endpoint, key, credential, client: given } = options;
  const { database: databaseId = "coatcheck", container: containerId = "sessions" } = options;
  const { create = true, throughput } = options;
  const { maxConnections = 50, maxThrottleRetries = 9, preferredLocations = [], endpointDiscovery = true } = options;
  const targets = [connectionString, endpoint, given].filter((target) => target !== undefined);
  if (targets.length !== 1) {
    throw new OptionError(
      "endpoint",
      new Description(targets.length === 0 ? "missing" : "one of several ways to connect"),
      "give either connectionString, or endpoint, or client.",
    );
  }
  // A user, a password and a query have no meaning there, and the client's errors may show the URL.
  if (endpoint !== undefined && !/^https?:\/\/[^/@?#]+(\/[^@?#]*)?$/.test(endpoint)) {
    throw new OptionError("endpoint", endpoint, 'give a URL such as "https://myaccount.documents.azure.com".');
  }
  if (/endpoint=[^;]*[@?#]/i.test(connectionString ?? "")) {
    throw new OptionError(
      "connectionString",
      connectionString,
      "give an AccountEndpoint without user, password and query.",
    );
  }
  if (key !== undefined && credential !== undefined) {
    throw new OptionError("key", new Description("not the only credential"), "give one of key and credential.");
  }
  for (const [name, id] of Object.entries({ database: databaseId, container: containerId })) {
    if (!/^[^/\\#?]{1,255}$/.test(id)) {
      throw new OptionError(name, id, "give 1 to 255 characters without / \\ # and ?.");
    }
  }
  assertInteger("maxConnections", maxConnections, 1);
  assertInteger("maxThrottleRetries", maxThrottleRetries, 0);
  if (throughput !== undefined) {
    assertInteger("throughput", typeof throughput === "object" ? throughput.max : throughput, 400);
  }

  const load = given === undefined ? preload(() => importPeer("@azure/cosmos", loadCosmos)) : undefined;
  const needsIdentity = [given, connectionString, key, credential].every((one) => one === undefined);
  const defaultCredential = needsIdentity ? preloadDefaultCredential() : undefined;

  async function openClient(): Promise<{ client: CosmosClient; close(): void }> {
    if (given) return { client: given as CosmosClient, close() {} };
    const { CosmosClient } = await load!();
    const isInsecure = /^(AccountEndpoint=)?http:/i.test(connectionString ?? endpoint!);
    // The client takes no agent for plain http, which only emulators use.
    const ownAgent =
      isInsecure || options.agent ? undefined : new Agent({ keepAlive: true, maxSockets: maxConnections });
    const agent = options.agent ?? ownAgent;
    const identity = connectionString === undefined ? (credential ?? (await defaultCredential?.())) : undefined;
    const client = new CosmosClient({
      ...(connectionString === undefined ? { endpoint: endpoint! } : { connectionString }),
      ...(key !== undefined && { key }),
      ...(identity && { aadCredentials: identity }),
      ...(agent && { agent }),
      consistencyLevel: options.consistencyLevel!,
      userAgentSuffix: "coatcheck",
      connectionPolicy: {
        requestTimeout,
        preferredLocations,
        enableEndpointDiscovery: endpointDiscovery,
        useMultipleWriteLocations: false,
        retryOptions: {
          maxRetryAttemptCount: maxThrottleRetries,
          fixedRetryIntervalInMilliseconds: 0,
          maxWaitTimeInSeconds: maxThrottleWait / 1000,
        },
      },
    });
    return {
      client,
      close() {
        client.dispose();
        ownAgent?.destroy();
      },
    };
  }

  /** Checks the account and the container, and creates the container if it is missing. */
  async function openContainer(client: CosmosClient, abortSignal: AbortSignal, report: (response: Response) => void) {
    if (given === undefined && endpointDiscovery) {
      const account = await client.getDatabaseAccount({ abortSignal });
      report(account);
      if (account.resource?.enableMultipleWritableLocations) {
        throw new OptionError(
          "endpoint",
          new Description("an account that writes in several regions"),
          "two regions could accept conflicting writes. Turn off multi-region writes, or give a client that writes in one.",
        );
      }
    }
    const container = client.database(databaseId).container(containerId);
    try {
      const response = await container.read({ abortSignal });
      report(response);
      checkContainer(containerId, response.resource);
    } catch (error) {
      if (!create || (error as ClientError).code !== 404) throw error;
      try {
        await createContainer(client, abortSignal, report).catch((error: ClientError) => {
          // Another server has created the database or the container in the meantime.
          if (error.code !== 409) throw error;
          return createContainer(client, abortSignal, report);
        });
      } catch (error) {
        if ((error as ClientError).code !== 403) throw error;
        throw new StoreError(
          `coatcheck: no permission to create the database "${databaseId}" and the container "${containerId}". Create them: partition key /id, default time to live -1.`,
          error,
          { applied: false },
        );
      }
    }
    return container;
  }

  async function createContainer(client: CosmosClient, abortSignal: AbortSignal, report: (response: Response) => void) {
    report(await client.databases.createIfNotExists({ id: databaseId }, { abortSignal }));
    const definition = {
      id: containerId,
      partitionKey: { paths: ["/id"] },
      // Turns expiry on, without a default: each item has its own time to live.
      defaultTtl: -1,
      indexingPolicy: {
        indexingMode: "consistent" as const,
        automatic: true,
        includedPaths: [{ path: "/owner/?" }, ...(options.claimExpired ? [{ path: "/expires/?" }] : [])],
        excludedPaths: [{ path: "/*" }],
      },
      ...(typeof throughput === "number" && { throughput }),
      ...(typeof throughput === "object" && { maxThroughput: throughput.max }),
    };
    report(await client.database(databaseId).containers.createIfNotExists(definition, { abortSignal }));
  }

  return async (abortSignal, report) => {
    const { client, close } = await openClient();
    try {
      return { container: await openContainer(client, abortSignal, report), close };
    } catch (error) {
      close();
      throw error;
    }
  };
}

function checkContainer(id: string, found: { partitionKey?: { paths: string[] }; defaultTtl?: number } | undefined) {
  const paths = found?.partitionKey?.paths ?? [];
  if (paths.length !== 1 || paths[0] !== "/id") {
    throw new OptionError(
      "container",
      id,
      `its partition key is ${paths.join(", ")}; give one whose partition key is /id.`,
    );
  }
  if (found?.defaultTtl === undefined) {
    throw new OptionError(
      "container",
      id,
      'it would keep sessions that have ended; set its default time to live to -1 ("on, no default").',
    );
  }
}

function assertInteger(option: string, value: number, min: number): void {
  if (!Number.isInteger(value) || value < min) {
    throw new OptionError(option, value, `give a whole number from ${min}.`);
  }
}
