import { Agent } from "node:https";
import type { CosmosClient } from "@azure/cosmos";
import { OptionError, StoreError } from "../../errors.ts";
import type { CosmosOptions } from "../cosmos.ts";
import { importPeer } from "../peer.ts";
import type { Failure } from "./cosmos-faults.ts";
import type { Item } from "./cosmos-item.ts";
import { defaultCredential } from "./credential.ts";

/** What the store uses of `Container` of `@azure/cosmos`. */
export interface ContainerLike {
  item(
    id: string,
    partitionKey: string,
  ): {
    read(options: RequestOptions): Promise<Response & { statusCode: number; substatus?: number; resource?: unknown }>;
    patch(
      body: { condition: string; operations: { op: "set"; path: string; value: unknown }[] },
      options: RequestOptions & { initialHeaders: Record<string, string> },
    ): Promise<Response>;
    delete(options: RequestOptions & { accessCondition?: { type: string; condition: string } }): Promise<Response>;
  };
  items: {
    create(item: object, options: RequestOptions): Promise<Response>;
    query(
      query: { query: string; parameters: { name: string; value: string | number }[] },
      options: RequestOptions & { maxItemCount: number },
    ): Pages;
  };
}

export interface Pages {
  fetchNext(): Promise<Response & { resources: Item[] }>;
  hasMoreResults(): boolean;
}

export interface RequestOptions {
  abortSignal: AbortSignal;
}

export interface Response {
  requestCharge?: number;
}

export interface Opened {
  container: ContainerLike;
  close(): void;
}

/** Checks the options, and gives what connects with them. */
export function opener(options: CosmosOptions, requestTimeout: number, maxThrottleWait: number) {
  const { connectionString, endpoint, key, credential, client: given } = options;
  const {
    database: databaseId = "coatcheck",
    container: containerId = "sessions",
    create = true,
    throughput,
  } = options;
  const { maxConnections = 50, maxThrottleRetries = 9, preferredLocations = [], endpointDiscovery = true } = options;
  const ways = [connectionString, endpoint, given].filter((way) => way !== undefined);
  if (ways.length !== 1) {
    throw new OptionError(
      "endpoint",
      ways.length === 0 ? "missing" : "one of several ways to connect",
      "give either connectionString, or endpoint, or client.",
    );
  }
  if (endpoint !== undefined && !/^https?:\/\//.test(endpoint)) {
    throw new OptionError("endpoint", endpoint, 'give a URL such as "https://myaccount.documents.azure.com".');
  }
  if (key !== undefined && credential !== undefined) {
    throw new OptionError("key", "not the only credential", "give one of key and credential.");
  }
  for (const [name, id] of Object.entries({ database: databaseId, container: containerId })) {
    if (!/^[^/\\#?]{1,255}$/.test(id))
      throw new OptionError(name, id, "give 1 to 255 characters without / \\ # and ?.");
  }
  whole("maxConnections", maxConnections, 1);
  whole("maxThrottleRetries", maxThrottleRetries, 0);
  if (throughput !== undefined) whole("throughput", typeof throughput === "object" ? throughput.max : throughput, 400);

  async function connect(): Promise<{ client: CosmosClient; close(): void }> {
    if (given) return { client: given as CosmosClient, close() {} };
    const { CosmosClient } = await importPeer("@azure/cosmos", () => import("@azure/cosmos"));
    const insecure = /^(AccountEndpoint=)?http:/i.test(connectionString ?? endpoint!);
    // The client takes no agent for plain http, which only emulators speak.
    const own = insecure || options.agent ? undefined : new Agent({ keepAlive: true, maxSockets: maxConnections });
    const agent = options.agent ?? own;
    const identity =
      connectionString === undefined && key === undefined ? (credential ?? (await defaultCredential())) : undefined;
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
        own?.destroy();
      },
    };
  }

  async function ensure(client: CosmosClient, abortSignal: AbortSignal, report: (response: Response) => void) {
    if (given === undefined && endpointDiscovery) {
      const account = await client.getDatabaseAccount({ abortSignal });
      report(account);
      if (account.resource?.enableMultipleWritableLocations) {
        throw new OptionError(
          "endpoint",
          "an account that writes in several regions",
          "there, two regions can let different writes win. Turn off multi-region writes, or give a client that writes in one.",
        );
      }
    }
    const container = client.database(databaseId).container(containerId);
    try {
      const response = await container.read({ abortSignal });
      report(response);
      checkContainer(containerId, response.resource);
    } catch (error) {
      if (!create || (error as Failure).code !== 404) throw error;
      try {
        await createBoth(client, abortSignal, report).catch((error: Failure) => {
          // Another server was first with one of them.
          if (error.code !== 409) throw error;
          return createBoth(client, abortSignal, report);
        });
      } catch (error) {
        if ((error as Failure).code !== 403) throw error;
        throw new StoreError(
          `coatcheck: no permission to create the database "${databaseId}" and the container "${containerId}". Create them: partition key /id, default time to live -1.`,
          error,
        );
      }
    }
    return container;
  }

  async function createBoth(client: CosmosClient, abortSignal: AbortSignal, report: (response: Response) => void) {
    report(await client.databases.createIfNotExists({ id: databaseId }, { abortSignal }));
    const definition = {
      id: containerId,
      partitionKey: { paths: ["/id"] },
      // On, with each item's own.
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

  return async (abortSignal: AbortSignal, report: (response: Response) => void): Promise<Opened> => {
    const { client, close } = await connect();
    try {
      return { container: await ensure(client, abortSignal, report), close };
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
      'sessions that ended would stay in it; set its default time to live to -1 ("on, no default").',
    );
  }
}

function whole(option: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least) {
    throw new OptionError(option, value, `give a whole number from ${least}.`);
  }
}
