import { randomBytes } from "node:crypto";
import { Agent } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import type { Container, CosmosClient, PatchOperation } from "@azure/cosmos";
import { type Duration, milliseconds } from "../duration.ts";
import { CoatcheckError, OptionError, StoreError } from "../errors.ts";
import type { ClaimedSession, SessionStore, SessionWrite } from "../store.ts";
import { type AzureCredential, defaultCredential } from "./azure.ts";
import { importPeer } from "./peer.ts";
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

/** What the container holds. The names are lower-case, and none is a word of the query language. */
interface Item {
  id: string;
  /** The key, if it is not the id. */
  name?: string;
  /** Our version, 24 hexadecimal digits. The service's `_etag` moves with a touch, and the version must not. */
  v: string;
  /** The value, in base64. */
  data: string;
  /** The exact end, in milliseconds. */
  expires: number;
  owner: string | null;
  /** Seconds after which the service removes the item. Never before `expires`. */
  ttl: number;
  _etag: string;
}

/** An item of 2 MiB holds this in base64, with its other properties. */
const MAX_VALUE = 1_500_000;
const MAX_TTL = 2_147_483_647;
const HOUR = 3_600_000;
const PARALLEL = 16;
const MAX_ROUNDS = 50;
/** How often a write is made again after its connection broke. Reads are made again by the client. */
const RETRIES = 2;

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
  const timeout = requestTimeout + maxThrottleWait;
  const open = opener({ ...options, consistencyLevel }, requestTimeout, maxThrottleWait);
  let opening: Promise<Opened> | undefined;

  async function connect(abortSignal: AbortSignal): Promise<Container> {
    opening ??= open(abortSignal, (response) => report("connect", response));
    const mine = opening;
    try {
      return (await mine).container;
    } catch (error) {
      if (opening === mine) opening = undefined;
      throw error;
    }
  }

  function report(operation: string, response: { requestCharge?: number } | undefined): void {
    if (onRequestCharge && response?.requestCharge)
      onRequestCharge({ operation, requestUnits: response.requestCharge });
  }

  /** The service's answer, or which of the expected refusals it gave. Anything else is an error. */
  async function ask<T extends Response, R extends Refusal = never>(
    what: string,
    refusals: R[],
    request: (container: Container, options: { abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T | R> {
    const abortSignal = AbortSignal.timeout(timeout);
    // A delete whose answer was lost must not be told that there is nothing to delete. A write finds its own version.
    let retries = what === "create" || what === "update" || what === "touch" ? RETRIES : 0;
    for (;;) {
      let container: Container | undefined;
      try {
        container = await unlessAborted(abortSignal, connect(abortSignal));
        const response = await unlessAborted(abortSignal, request(container, { abortSignal }));
        report(what, response);
        return response;
      } catch (error) {
        report(what, { requestCharge: Number((error as Failure).headers?.["x-ms-request-charge"] ?? 0) });
        // Only of the request itself: a 404 while connecting is a missing database.
        const refusal = container && refusals.find((refusal) => isRefusal(refusal, error as Failure));
        if (refusal !== undefined) return refusal;
        if (retries-- === 0 || !isPassing(error as Failure) || abortSignal.aborted) {
          throw asStoreError(what, error, timeout);
        }
        await sleep(50 + 100 * Math.random());
      }
    }
  }

  async function* query(what: string, text: string, parameters: Record<string, string | number>, maxItemCount: number) {
    const named = Object.entries(parameters).map(([name, value]) => ({ name: `@${name}`, value }));
    const controller = new AbortController();
    let pages: { fetchNext(): Promise<Response & { resources: Item[] }>; hasMoreResults(): boolean } | undefined;
    while (pages === undefined || pages.hasMoreResults()) {
      const page = await ask(what, [], async (container, { abortSignal }) => {
        // The client takes one signal for all pages, and each page has its own time.
        const abort = () => controller.abort();
        abortSignal.addEventListener("abort", abort);
        pages ??= container.items.query<Item>(
          { query: text, parameters: named },
          { maxItemCount, abortSignal: controller.signal },
        );
        return pages.fetchNext().finally(() => abortSignal.removeEventListener("abort", abort));
      });
      yield page.resources ?? [];
    }
  }

  function patch<R extends Refusal>(
    what: string,
    id: string,
    condition: string,
    changes: Record<string, unknown>,
    refusals: R[],
  ) {
    const operations: PatchOperation[] = Object.entries(changes).map(([name, value]) => ({
      op: "set",
      path: `/${name}`,
      value,
    }));
    // The item itself need not come back.
    return ask(what, refusals, (container, options) =>
      container
        .item(id, id)
        .patch({ condition: `from c where ${condition}`, operations }, { ...options, initialHeaders: MINIMAL }),
    );
  }

  async function readItem(what: string, id: string): Promise<Item | undefined> {
    const { statusCode, substatus, resource } = await ask(what, [], (container, options) =>
      container.item(id, id).read<Item>(options),
    );
    if (statusCode === 404) {
      // The client answers with a missing container as it does with a missing item.
      if (substatus) throw new StoreError(`coatcheck: Cosmos DB failed to ${what}: 404, substatus ${substatus}`);
      return undefined;
    }
    if (typeof resource?.v !== "string" || typeof resource.data !== "string" || !Number.isFinite(resource.expires)) {
      throw new StoreError(`coatcheck: the item "${id}" is not a session`);
    }
    return resource;
  }

  /** The item, if it is alive. "Not there" is checked, since a replica may not have heard of the item yet. */
  async function look(what: string, id: string): Promise<Item | undefined> {
    const found = await readItem(what, id);
    if (isLive(found) || !mayLag) return isLive(found) ? found : undefined;
    // A write is decided where all writes are. This one never happens; whether there was an item to refuse it says enough.
    const answer = await patch(what, id, "c.v = ''", { never: 0 }, ["missing", "changed"]);
    if (answer === "missing") return undefined;
    // The answer carries the session token with which the next read waits for the newest state.
    const newest = await readItem(what, id);
    return isLive(newest) ? newest : undefined;
  }

  function ttlUntil(expiresAt: number): number {
    // One second more, because the service counts from the second in which it wrote.
    return Math.min(Math.max(Math.ceil((expiresAt + grace - Date.now()) / 1000), 0) + 1, MAX_TTL);
  }

  function pack({ value, expiresAt, owner }: SessionWrite) {
    if (value.length > MAX_VALUE) throw tooLarge(value.length);
    const data = Buffer.from(value.buffer, value.byteOffset, value.length).toString("base64");
    return {
      v: randomBytes(12).toString("hex"),
      data,
      expires: expiresAt,
      owner: owner ?? null,
      ttl: ttlUntil(expiresAt),
    };
  }

  const store: SessionStore = {
    async read(key) {
      const item = await look("read", safeName(key));
      return item && { ...unpack(item), version: item.v };
    },

    async create(key, session) {
      const id = safeName(key);
      const content = pack(session);
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
      const content = pack(session);
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
      const changes = { expires: expiresAt, ttl: ttlUntil(expiresAt) };
      const answer = await patch("touch", safeName(key), condition, changes, ["missing", "changed"]);
      return answer !== "missing" && answer !== "changed";
    },

    async close() {
      const opened = opening;
      opening = undefined;
      await opened?.then(
        ({ close }) => close(),
        () => {},
      );
    },

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

  store.claimExpired = async (now, limit) => {
    const claimed: ClaimedSession[] = [];
    const claim = async (item: Item) => {
      const unchanged = { accessCondition: { type: "IfMatch", condition: item._etag } };
      const answer = await ask("claimExpired", ["missing", "changed"], (container, options) =>
        container.item(item.id, item.id).delete({ ...options, ...unchanged }),
      );
      if (answer !== "missing" && answer !== "changed") claimed.push({ key: item.name ?? item.id, ...unpack(item) });
    };
    try {
      const text = "SELECT * FROM c WHERE c.expires <= @now";
      for await (const page of query("claimExpired", text, { now }, Math.min(limit, 100))) {
        for (let at = 0; at < page.length; ) {
          const part = page.slice(at, at + Math.min(PARALLEL, limit - claimed.length));
          at += part.length;
          const answers = await Promise.allSettled(part.map(claim));
          if (claimed.length === limit) return claimed;
          for (const answer of answers) if (answer.status === "rejected") throw answer.reason;
        }
      }
    } catch (error) {
      // What was removed has to be handed over, whatever became of the rest.
      if (claimed.length === 0) throw error;
    }
    return claimed;
  };
  return store;
}

const MINIMAL = { Prefer: "return=minimal" };

interface Response {
  requestCharge?: number;
}

interface Opened {
  container: Container;
  close(): void;
}

/** Checks the options, and gives what connects with them. */
function opener(options: CosmosOptions, requestTimeout: number, maxThrottleWait: number) {
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

type Refusal = "missing" | "changed" | "exists";

/** What the client throws. */
interface Failure {
  name?: string;
  message?: string;
  code?: number | string;
  substatus?: number;
  headers?: Record<string, unknown>;
}

function isRefusal(refusal: Refusal, { code, substatus }: Failure): boolean {
  if (refusal === "changed") return code === 412;
  if (refusal === "exists") return code === 409;
  // With a substatus it is the container that is missing, or a replica that lags.
  return code === 404 && !substatus;
}

/** Faults of the connection and of a server that is busy or restarting. Timeouts and throttling are the client's. */
function isPassing({ code, name }: Failure): boolean {
  return name === "RestError" || code === 503 || code === 449 || code === 410;
}

function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

function asStoreError(what: string, error: unknown, timeout: number): CoatcheckError {
  if (error instanceof CoatcheckError) return error;
  const { name, message, code, substatus } = error as Failure;
  if (name === "AbortError" || (name === "TimeoutError" && code !== "TimeoutError")) {
    return new StoreError(`coatcheck: Cosmos DB did not ${what} within ${timeout} ms`, error);
  }
  if (code === 413) return tooLarge(undefined, error);
  const reason = typeof code === "number" ? `${code}${substatus ? `, substatus ${substatus}` : ""}` : message;
  const throttled = code === 429 ? ". The container needs more throughput" : "";
  return new StoreError(`coatcheck: Cosmos DB failed to ${what}: ${reason}${throttled}`, error);
}

function tooLarge(size: number | undefined, cause?: unknown): CoatcheckError {
  return new CoatcheckError(
    "COATCHECK_TOO_LARGE",
    `coatcheck: ${size === undefined ? "the session" : `a session of ${size} bytes`} does not fit into an item of Cosmos DB, which takes ${MAX_VALUE} bytes; nothing was written. Keep large things elsewhere and their key here.`,
    { cause },
  );
}

function busy(key: string): StoreError {
  return new StoreError(`coatcheck: session ${key} kept changing; gave up after ${MAX_ROUNDS} attempts`);
}

function unpack({ data, expires, owner }: Item): SessionWrite {
  const content = { value: Buffer.from(data, "base64"), expiresAt: expires };
  return owner === null ? content : { ...content, owner };
}

function isLive(item: { expires: number } | undefined): boolean {
  return item !== undefined && item.expires > Date.now();
}

function whole(option: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least) {
    throw new OptionError(option, value, `give a whole number from ${least}.`);
  }
}
