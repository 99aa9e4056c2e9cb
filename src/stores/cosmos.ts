import type { Agent } from "node:https";
import { handedOver } from "../claims.ts";
import { type Duration, milliseconds } from "../duration.ts";
import { StoreError } from "../errors.ts";
import type { SessionStore } from "../store.ts";
import { opener } from "./azure/cosmos-client.ts";
import { type Item, isLive, pack, ttlUntil, unpack } from "./azure/cosmos-item.ts";
import { reads } from "./azure/cosmos-reads.ts";
import { requests } from "./azure/cosmos-requests.ts";
import type { AzureCredential } from "./azure/credential.ts";
import { isHashed, safeName } from "./safe-name.ts";

/**
 * Which account and who asks. One of: `connectionString`; `endpoint` with `key` or `credential`, or with neither for the
 * environment's own identity; `client`.
 */
export interface CosmosOptions {
  /** Of the account, as the portal shows it. */
  connectionString?: string;
  /** The account's URL: `https://<account>.documents.azure.com`. */
  endpoint?: string;
  /** One of the account's read-write keys. */
  key?: string;
  /**
   * A credential with the role "Cosmos DB Built-in Data Contributor". That role can't create databases and containers.
   * Default, without key: `DefaultAzureCredential` of the package `@azure/identity`.
   */
  credential?: AzureCredential;
  /** A `CosmosClient` to use. It is never disposed, and its own consistency, regions, agent and retries apply. */
  client?: { database(id: string): object };
  /** Default: `"coatcheck"`. */
  database?: string;
  /** Default: `"sessions"`. One that is there must have the partition key `/id` and a default time to live. */
  container?: string;
  /** Whether to create database and container on first use if they are missing. Default: true. */
  create?: boolean;
  /**
   * Request units a second that a new container gets for itself, or up to which it scales.
   * Default: what the service gives, 400. Leave it out on a serverless account.
   */
  throughput?: number | { max: number };
  /**
   * At most the account's own. `"Session"` sees a process's own writes at once and another process's a moment later;
   * where every server must see every write at once, give account and store `"BoundedStaleness"` or `"Strong"`.
   * Default: `"Session"`.
   *
   * @see https://learn.microsoft.com/azure/cosmos-db/consistency-levels
   */
  consistencyLevel?: "Strong" | "BoundedStaleness" | "Session" | "ConsistentPrefix" | "Eventual";
  /** Regions to ask, the first that is there, such as `["West Europe", "North Europe"]`. Default: the account's order. */
  preferredLocations?: string[];
  /** Whether to ask the account for its regions. False for an emulator, and for an endpoint behind a gateway. Default: true. */
  endpointDiscovery?: boolean;
  /** The most time for one request to the service. Default: 5 seconds. */
  requestTimeout?: Duration;
  /** The most connections to the service. Further requests wait for a free one. Default: 50. */
  maxConnections?: number;
  /** An agent of your own, for a proxy or certificates. `maxConnections` is then the agent's. */
  agent?: Agent;
  /** How often a request that was throttled (429) is made again, when the service says. Default: 9. */
  maxThrottleRetries?: number;
  /** The most time to spend waiting for that. Default: 10 seconds. */
  maxThrottleWait?: Duration;
  /**
   * Gives the store `claimExpired`, for those who need to hear of each session's end. Indexes the expiry, so each write
   * costs a little more, and keeps ended sessions for up to an hour so that a sweep finds them.
   * Default: false; the service removes what ended.
   */
  claimExpired?: boolean;
  /** Told what each request cost, those that were refused included. */
  onRequestCharge?: (charge: RequestCharge) => void;
}

export interface RequestCharge {
  /** The store's method, or `"connect"`. */
  operation: string;
  /** @see https://learn.microsoft.com/azure/cosmos-db/request-units */
  requestUnits: number;
}

const HOUR = 3_600_000;
const PARALLEL = 16;
const MAX_ROUNDS = 50;

/**
 * Keeps sessions in Azure Cosmos DB for NoSQL.
 *
 * A session is one item in a partition of its own, so that reads are point reads and writes are conditional patches:
 * one request each.
 *
 * @see https://learn.microsoft.com/azure/cosmos-db/partial-document-update
 * @throws OptionError if an option is missing or wrong.
 */
export function cosmos(options: CosmosOptions): SessionStore {
  const { consistencyLevel = "Session", onRequestCharge } = options;
  const mayLag = consistencyLevel !== "Strong" && consistencyLevel !== "BoundedStaleness";
  // A claim needs a moment after the end in which the item is still there.
  const grace = options.claimExpired ? HOUR : 0;
  const requestTimeout = milliseconds("requestTimeout", options.requestTimeout ?? "5s");
  const maxThrottleWait = milliseconds("maxThrottleWait", options.maxThrottleWait ?? "10s");
  const open = opener({ ...options, consistencyLevel }, requestTimeout, maxThrottleWait);
  const service = requests(open, requestTimeout + maxThrottleWait, onRequestCharge);
  const { ask, query, patch, close } = service;
  const { readItem, look } = reads(service, mayLag);

  const store: SessionStore = {
    async read(key) {
      const item = await look("read", safeName(key));
      return item && { ...unpack(item), version: item.v };
    },

    async create(key, session) {
      const id = safeName(key);
      const content = pack(session, grace);
      const item = { id, ...(isHashed(id) && { name: key }), ...content };
      for (let round = 0; round < MAX_ROUNDS; round++) {
        const answer = await ask("create", ["exists"], (container, options) => container.items.create(item, options));
        if (answer !== "exists") return content.v;
        const found = await readItem("create", id);
        // Our own, written by a request whose answer was lost.
        if (found?.v === content.v) return content.v;
        if (isLive(found)) return "exists";
        if (found === undefined) {
          // Removed since, or this replica has not heard of it.
          if ((await look("create", id)) !== undefined) return "exists";
          continue;
        }
        const condition = `c.v = '${found.v}' and c.expires <= ${Date.now()}`;
        const replaced = await patch("create", id, condition, content, ["missing", "changed"]);
        if (replaced !== "missing" && replaced !== "changed") return content.v;
      }
      throw busy(key);
    },

    async update(key, session, ifVersion) {
      const id = safeName(key);
      const content = pack(session, grace);
      // Anything else is no version of ours, and must not become a part of the condition.
      const isOurs = typeof ifVersion === "string" && /^[0-9a-f]{24}$/.test(ifVersion);
      if (isOurs) {
        const condition = `c.v = '${ifVersion}' and c.expires > ${Date.now()}`;
        const answer = await patch("update", id, condition, content, ["missing", "changed"]);
        if (answer === "missing") return "gone";
        if (answer !== "changed") return content.v;
      }
      // A refused write has brought the session token that makes the read wait for the newest state.
      const found = await (isOurs ? readItem("update", id) : look("update", id));
      if (found === undefined || !isLive(found)) return "gone";
      // Our own, written by a request whose answer was lost.
      return found.v === content.v ? content.v : "conflict";
    },

    async delete(key, ifVersion) {
      const id = safeName(key);
      for (let round = 0; round < MAX_ROUNDS; round++) {
        const found = await look("delete", id);
        if (found === undefined || (ifVersion !== undefined && found.v !== ifVersion)) return false;
        const unchanged = ifVersion !== undefined && { accessCondition: { type: "IfMatch", condition: found._etag } };
        const answer = await ask("delete", ["missing", "changed"], (container, options) =>
          container.item(id, id).delete({ ...options, ...unchanged }),
        );
        if (answer !== "changed") return answer !== "missing";
      }
      throw busy(key);
    },

    async touch(key, expiresAt) {
      const condition = `c.expires > ${Date.now()}`;
      const changes = { expires: expiresAt, ttl: ttlUntil(expiresAt + grace) };
      const answer = await patch("touch", safeName(key), condition, changes, ["missing", "changed"]);
      return answer !== "missing" && answer !== "changed";
    },

    close,

    async *list({ owner }) {
      const text = `SELECT c.id, c.name, c.expires, c.owner FROM c${owner === undefined ? "" : " WHERE c.owner = @owner"}`;
      for await (const page of query("list", text, owner === undefined ? {} : { owner }, 1_000)) {
        for (const item of page) {
          if (!isLive(item)) continue;
          const entry = { key: item.name ?? item.id, expiresAt: item.expires };
          yield item.owner === null ? entry : { ...entry, owner: item.owner };
        }
      }
    },
  };
  if (!options.claimExpired) return store;

  store.claimExpired = (now, limit) =>
    handedOver(async (claimed) => {
      const claim = async (item: Item) => {
        const unchanged = { accessCondition: { type: "IfMatch", condition: item._etag } };
        const answer = await ask("claimExpired", ["missing", "changed"], (container, options) =>
          container.item(item.id, item.id).delete({ ...options, ...unchanged }),
        );
        if (answer !== "missing" && answer !== "changed") claimed.push({ key: item.name ?? item.id, ...unpack(item) });
      };
      const text = "SELECT * FROM c WHERE c.expires <= @now";
      for await (const page of query("claimExpired", text, { now }, Math.min(limit, 100))) {
        for (let at = 0; at < page.length; ) {
          const part = page.slice(at, at + Math.min(PARALLEL, limit - claimed.length));
          at += part.length;
          const answers = await Promise.allSettled(part.map(claim));
          if (claimed.length === limit) return;
          for (const answer of answers) if (answer.status === "rejected") throw answer.reason;
        }
      }
    });
  return store;
}

function busy(key: string): StoreError {
  return new StoreError(`coatcheck: session ${key} kept changing; gave up after ${MAX_ROUNDS} attempts`);
}
