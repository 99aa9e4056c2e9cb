// The options of the Cosmos DB store.

import type { Agent } from "node:https";
import type { Duration } from "../../util/duration.ts";
import type { OptionHints, OptionNames } from "../../util/option-names.ts";
import type { AzureCredential } from "../shared/azure-credential.ts";

/** Give `connectionString`; or `endpoint`, with at most one of `key` and `credential`; or `client`. */
export interface CosmosOptions {
  /** The account's connection string, from the portal. */
  connectionString?: string;
  /** The account's URL: `https://<account>.documents.azure.com`. */
  endpoint?: string;
  /** One of the account's read-write keys. */
  key?: string;
  /**
   * A credential with the role "Cosmos DB Built-in Data Contributor". That role cannot create databases and containers.
   * Default, without key: `DefaultAzureCredential` of the package `@azure/identity`.
   */
  credential?: AzureCredential;
  /** A `CosmosClient` to use instead. The store never disposes it, and its own consistency, regions, agent and retries hold. */
  client?: { database(id: string): object };
  /** The database's name. Default: `"coatcheck"`. */
  database?: string;
  /**
   * The container's name. A container that exists must have the partition key `/id` and a default time to live.
   * Default: `"sessions"`.
   */
  container?: string;
  /** Creates the database and the container on first use if they are missing. Default: true. */
  create?: boolean;
  /**
   * The throughput of a new container, in request units a second: a fixed number, or the maximum to scale up to. Leave it
   * out on a serverless account. Default: the service's, 400.
   */
  throughput?: number | { max: number };
  /**
   * The consistency of reads, at most the account's own. With `"Session"`, a process sees its own writes immediately, and
   * those of others a moment later. If every server must see every write immediately, set the account and the store to
   * `"BoundedStaleness"` or `"Strong"`. Default: `"Session"`.
   *
   * @see https://learn.microsoft.com/azure/cosmos-db/consistency-levels
   */
  consistencyLevel?: "Strong" | "BoundedStaleness" | "Session" | "ConsistentPrefix" | "Eventual";
  /** The regions to read from, in order of preference: `["West Europe", "North Europe"]`. Default: the account's order. */
  preferredLocations?: string[];
  /** Asks the account for its regions. Set it to false for an emulator, and for an endpoint behind a gateway. Default: true. */
  endpointDiscovery?: boolean;
  /** The longest time for one request to the service. Default: `"5s"`. */
  requestTimeout?: Duration;
  /** The most connections to the service. Further requests wait for a free one. Default: 50. */
  maxConnections?: number;
  /** An agent for a proxy or for certificates. Its own limit replaces `maxConnections`. */
  agent?: Agent;
  /** How often a throttled request (429) is repeated, each time after the delay that the service asks for. Default: 9. */
  maxThrottleRetries?: number;
  /** The longest time that one request waits because of throttling. Default: `"10s"`. */
  maxThrottleWait?: Duration;
  /**
   * Gives the store `claimExpired`, for applications that handle the end of each session. The container then indexes the
   * expiry, which makes each write a little more expensive, and keeps ended sessions for up to an hour, so that a sweep finds them.
   * Default: false; the service deletes ended sessions.
   */
  claimExpired?: boolean;
  /** Receives the cost of each request, including refused ones. */
  onRequestCharge?: (charge: RequestCharge) => void;
}

export interface RequestCharge {
  /** The store's method, or `"connect"`. */
  operation: string;
  /** @see https://learn.microsoft.com/azure/cosmos-db/request-units */
  requestUnits: number;
}

/** The names of the options, for the check of misspelt ones. */
export const NAMES: OptionNames<CosmosOptions> = {
  connectionString: "string",
  endpoint: "string",
  key: "string",
  credential: "object",
  client: "object",
  database: "string",
  container: "string",
  create: "boolean",
  throughput: true,
  consistencyLevel: true,
  preferredLocations: true,
  endpointDiscovery: "boolean",
  requestTimeout: true,
  maxConnections: true,
  agent: "object",
  maxThrottleRetries: true,
  maxThrottleWait: true,
  claimExpired: "boolean",
  onRequestCharge: true,
};

/** Names that the portal and the client have. */
export const HINTS: OptionHints = {
  url: "write endpoint.",
  databaseId: "write database.",
  containerId: "write container.",
  accountKey: "write key.",
  timeout: "write requestTimeout.",
};
