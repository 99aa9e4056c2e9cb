import { randomBytes } from "node:crypto";
import http from "node:http";
import https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { type Duration, milliseconds } from "../duration.ts";
import { CoatcheckError, OptionError, StoreError } from "../errors.ts";
import type { ClaimedSession, SessionStore, SessionWrite } from "../store.ts";
import { type AzureCredential, defaultCredential } from "./azure.ts";
import { importPeer } from "./peer.ts";
import { isHashed, safeName } from "./safe-name.ts";

/**
 * Where the table is and who asks. One of: `connectionString`; `account` or `endpoint` with `accountKey`, `sasToken` or
 * `credential`; the same with none of them, for the environment's own identity; `client`.
 */
export interface AzureTableOptions {
  /** Of the storage account, as the portal shows it. `"UseDevelopmentStorage=true"` is the emulator. */
  connectionString?: string;
  /** The storage account's name. */
  account?: string;
  /** The table service's URL. Default: `https://<account>.table.core.windows.net`. */
  endpoint?: string;
  /** One of the account's two keys. */
  accountKey?: string;
  /** A shared access signature for the table or the table service: read, add, update and delete entities. */
  sasToken?: string;
  /**
   * A credential with the role "Storage Table Data Contributor".
   * Default, without key and signature: `DefaultAzureCredential` of the package `@azure/identity`.
   */
  credential?: AzureCredential;
  /** A `TableClient` to use. It should make no retries: the store makes those that are safe. */
  client?: TableClientLike;
  /** The table's name: 3 to 63 letters and digits. Default: `"sessions"`. */
  table?: string;
  /** Whether to create the table on first use if it is missing. Default: true. */
  createTable?: boolean;
  /** The most time for a request to the service, with its retries. Default: 5 seconds. */
  timeout?: Duration;
  /** The most connections to the service. Further requests wait for a free one. Default: 50. */
  maxConnections?: number;
}

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

interface RequestOptions {
  abortSignal: AbortSignal;
}

interface QueryOptions extends RequestOptions {
  queryOptions?: { filter?: string; select?: string[] };
  onResponse?: (response: { parsedBody?: unknown }) => void;
}

interface Entity {
  partitionKey: string;
  rowKey: string;
  [property: string]: unknown;
}

/** A session's state without its value. */
interface Known {
  /** Ours, and not the ETag: a touch moves the ETag, and must leave the version alone. */
  version: string;
  etag: string;
  expiresAt: number;
  owner: string | undefined;
  /** What tells the session's row on its owner's list from older ones. */
  link: string | undefined;
}

const CHUNK = 65_536;
/** What fits into an entity of 1 MiB beside keys, names and owner. */
const MAX_VALUE = 15 * CHUNK;
const STATE = ["version", "expiresAt", "owner", "link"];
const HOUR = 3_600_000;
/** How many sessions' ETags are remembered from their last read or write. */
const MEMORY = 2_000;
const PARALLEL = 16;
const MAX_ROUNDS = 50;
/** How often a request is made again after a fault that may pass, such as a connection that broke while it was idle. */
const RETRIES = 2;

/**
 * Keeps sessions in Azure Table storage.
 *
 * Session entities lie in partitions by two characters of their key. Each owned session also has a row in its owner's
 * partition; that row is written before the session and removed after it, and counts only while the session confirms it,
 * so that no session is ever missing on its owner's list.
 *
 * @see https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
 * @throws OptionError if an option is missing or wrong.
 */
export function azureTable(options: AzureTableOptions): SessionStore {
  const timeout = milliseconds("timeout", options.timeout ?? "5s");
  const open = opener(options);
  let opening: Promise<Opened> | undefined;
  const remembered = new Map<string, Known>();

  async function connect(): Promise<TableClientLike> {
    opening ??= open(timeout);
    const mine = opening;
    try {
      return (await mine).client;
    } catch (error) {
      if (opening === mine) opening = undefined;
      throw error;
    }
  }

  /** The service's answer, or which of the expected refusals it gave. Anything else is an error. */
  async function ask<T, R extends Refusal = never>(
    what: string,
    refusals: R[],
    request: (client: TableClientLike, options: RequestOptions) => Promise<T>,
  ): Promise<T | R> {
    const abortSignal = AbortSignal.timeout(timeout);
    // A delete whose answer was lost must not be told that there is nothing to delete. A write finds its own version.
    let retries = what === "delete" ? 0 : RETRIES;
    for (;;) {
      let client: TableClientLike | undefined;
      try {
        client = await connect();
        return await request(client, { abortSignal });
      } catch (error) {
        // Only of the request itself, not of the table's creation.
        const refusal = client && refusals.find((refusal) => isRefusal(refusal, error));
        if (refusal !== undefined) return refusal;
        if (retries-- === 0 || !isPassing(error) || abortSignal.aborted) throw asStoreError(what, error, timeout);
        await sleep(50 + 100 * Math.random());
      }
    }
  }

  async function* query(what: string, filter: string, maxPageSize: number, select?: string[]) {
    const controller = new AbortController();
    let understood = false;
    const options: QueryOptions = {
      queryOptions: { filter, ...(select && { select }) },
      abortSignal: controller.signal,
      // The client takes an answer that is no list for an empty one.
      onResponse({ parsedBody }) {
        understood = Array.isArray((parsedBody as { value?: unknown } | undefined)?.value);
      },
    };
    let pages: AsyncIterator<object[]> | undefined;
    for (;;) {
      const timer = setTimeout(() => controller.abort(), timeout);
      try {
        pages ??= (await connect()).listEntities(options).byPage({ maxPageSize });
        const page = await pages.next();
        if (page.done) return;
        if (!understood) throw new StoreError("coatcheck: what answered is not Azure Table storage");
        clearTimeout(timer);
        yield page.value as Entity[];
      } catch (error) {
        throw asStoreError(what, error, timeout);
      } finally {
        clearTimeout(timer);
      }
    }
  }

  function remember(row: string, known: Known): void {
    remembered.delete(row);
    remembered.set(row, known);
    if (remembered.size > MEMORY) remembered.delete(remembered.keys().next().value!);
  }

  async function look(row: string): Promise<Known | undefined> {
    remembered.delete(row);
    const found = await ask("read", ["missing"], (client, options) =>
      client.getEntity(partitionOf(row), row, { ...options, queryOptions: { select: STATE } }),
    );
    return found === "missing" ? undefined : stateOf(found as Entity);
  }

  /** A state that is good enough to try a write with, since the write is refused if it is not the latest. */
  async function recall(row: string, version?: unknown): Promise<Known | undefined> {
    const known = remembered.get(row);
    const fits = isLive(known) && (version === undefined || known.version === version);
    return fits ? known : look(row);
  }

  function write(what: string, entity: Entity, etag: string) {
    return ask(what, ["missing", "changed"], (client, options) =>
      client.updateEntity(entity, "Replace", { ...options, etag }),
    );
  }

  /** Puts the session on its owner's list, where it counts once the session holds the same link. */
  async function enlist(owner: string, row: string, expiresAt: number): Promise<string> {
    const link = token();
    const entity = {
      partitionKey: ownerPartition(owner),
      rowKey: `${row}.${link}`,
      expiresAt: int64(Math.max(expiresAt, Date.now()) + HOUR),
    };
    // "exists": our own, written by a request whose answer was lost.
    await ask("write", ["exists"], (client, options) => client.createEntity(entity, options));
    return link;
  }

  /** Never fails, since the session itself is written by then: what stays behind does not count, and is swept. */
  async function strike(owner: string | undefined, row: string, link: string | undefined): Promise<void> {
    if (owner === undefined || link === undefined) return;
    await ask("delete", ["missing"], (client, options) =>
      client.deleteEntity(ownerPartition(owner), `${row}.${link}`, { ...options, etag: "*" }),
    ).catch(() => {});
  }

  /** Looks after a row on an owner's list, an hour or more after it was written or last seen to. */
  async function tend(entry: Entity): Promise<undefined> {
    const { row, link } = listed(entry);
    const known = await look(row);
    const { partitionKey, rowKey } = entry;
    if (known?.link === link && known.expiresAt + HOUR > Date.now()) {
      const expiresAt = int64(known.expiresAt + HOUR);
      await ask("write", ["missing"], (client, options) =>
        client.updateEntity({ partitionKey, rowKey, expiresAt }, "Merge", { ...options, etag: "*" }),
      );
    } else {
      await ask("delete", ["missing"], (client, options) =>
        client.deleteEntity(partitionKey, rowKey, { ...options, etag: "*" }),
      );
    }
  }

  /** Removes an expired session, unless it is no longer that or somebody else removes it. */
  async function claim(entity: Entity): Promise<ClaimedSession | undefined> {
    const { etag, owner, link } = stateOf(entity);
    const row = entity.rowKey;
    const answer = await ask("delete", ["missing", "changed"], (client, options) =>
      client.deleteEntity(entity.partitionKey, row, { ...options, etag }),
    );
    if (answer === "missing" || answer === "changed") return undefined;
    remembered.delete(row);
    await strike(owner, row, link);
    return { key: keyOf(entity), ...unpack(entity) };
  }

  return {
    async read(key) {
      const row = safeName(key);
      const found = await ask("read", ["missing"], (client, options) =>
        client.getEntity(partitionOf(row), row, options),
      );
      const known = found === "missing" ? undefined : stateOf(found as Entity);
      if (!isLive(known)) return undefined;
      remember(row, known);
      return { ...unpack(found as Entity), version: known.version };
    },

    async create(key, session) {
      const row = safeName(key);
      const { entity, version } = pack(key, row, session);
      const link = session.owner === undefined ? undefined : await enlist(session.owner, row, session.expiresAt);
      if (link !== undefined) entity.link = link;
      const created = (etag: string | undefined) => {
        if (etag !== undefined)
          remember(row, { version, etag, expiresAt: session.expiresAt, owner: session.owner, link });
        return version;
      };
      for (let round = 0; round < MAX_ROUNDS; round++) {
        const answer = await ask("create", ["exists"], (client, options) => client.createEntity(entity, options));
        if (answer !== "exists") return created(answer.etag);
        const known = await look(row);
        if (known === undefined) continue;
        // Our own, written by a request whose answer was lost.
        if (known.version === version) return created(known.etag);
        if (known.expiresAt > Date.now()) {
          await strike(session.owner, row, link);
          return "exists";
        }
        const replaced = await write("create", entity, known.etag);
        if (replaced === "missing" || replaced === "changed") continue;
        await strike(known.owner, row, known.link);
        return created(replaced.etag);
      }
      throw busy(key);
    },

    async update(key, session, ifVersion) {
      const row = safeName(key);
      const { entity, version } = pack(key, row, session);
      let before: Known | undefined;
      let link: string | undefined;
      let known = await recall(row, ifVersion);
      for (let round = 0; round < MAX_ROUNDS; round++, known = await look(row)) {
        // Our own, written by a request whose answer was lost.
        let etag = known?.version === version ? known.etag : undefined;
        if (etag === undefined) {
          if (!isLive(known) || known.version !== ifVersion) {
            await strike(session.owner, row, link);
            return isLive(known) ? "conflict" : "gone";
          }
          if (session.owner !== known.owner && session.owner !== undefined) {
            link ??= await enlist(session.owner, row, session.expiresAt);
          }
          before = known;
          entity.link = session.owner === known.owner ? known.link : link;
          const answer = await write("update", entity, known.etag);
          if (answer === "missing" || answer === "changed") continue;
          etag = answer.etag;
        }
        const state = { version, expiresAt: session.expiresAt, owner: session.owner, link: entity.link as string };
        if (etag !== undefined) remember(row, { ...state, etag });
        if (before?.link !== entity.link) await strike(before?.owner, row, before?.link);
        return version;
      }
      throw busy(key);
    },

    async delete(key, ifVersion) {
      const row = safeName(key);
      let known = await recall(row, ifVersion);
      for (let round = 0; round < MAX_ROUNDS; round++, known = await look(row)) {
        if (!isLive(known) || (ifVersion !== undefined && known.version !== ifVersion)) return false;
        const etag = ifVersion === undefined && round > 0 ? "*" : known.etag;
        const answer = await ask("delete", ["missing", "changed"], (client, options) =>
          client.deleteEntity(partitionOf(row), row, { ...options, etag }),
        );
        if (answer === "changed") continue;
        remembered.delete(row);
        if (answer === "missing") return false;
        await strike(known.owner, row, known.link);
        return true;
      }
      throw busy(key);
    },

    async touch(key, expiresAt) {
      const row = safeName(key);
      let known = await recall(row);
      for (let round = 0; ; round++, known = await look(row)) {
        if (!isLive(known)) return false;
        const { etag } = known;
        const entity = { partitionKey: partitionOf(row), rowKey: row, expiresAt: int64(expiresAt) };
        const answer = await ask("touch", ["missing", "changed"], (client, options) =>
          client.updateEntity(entity, "Merge", { ...options, etag }),
        );
        if (answer === "missing") return false;
        if (answer !== "changed") {
          if (answer.etag !== undefined) remember(row, { ...known, etag: answer.etag, expiresAt });
          return true;
        }
        // Somebody wrote since that look, and every write sets the expiry: ours counts as made just before it.
        if (round > 0) return true;
      }
    },

    async close() {
      remembered.clear();
      const opened = opening;
      opening = undefined;
      await opened?.then(
        ({ agent }) => agent?.destroy(),
        () => {},
      );
    },

    async *list({ owner }) {
      if (owner === undefined) {
        const filter = `PartitionKey ge 's' and PartitionKey lt 't' and expiresAt gt ${Date.now()}L`;
        const select = ["PartitionKey", "RowKey", "key", ...STATE];
        for await (const page of query("list", filter, 1_000, select)) {
          for (const entity of page) {
            const known = stateOf(entity);
            if (isLive(known)) yield entryOf(keyOf(entity), known);
          }
        }
        return;
      }
      const filter = `PartitionKey eq '${ownerPartition(owner)}'`;
      for await (const page of query("list", filter, 1_000, ["PartitionKey", "RowKey", "expiresAt"])) {
        for (const part of parts(page)) {
          const entries = await Promise.all(
            part.map(async (entry) => {
              const { row, link } = listed(entry);
              const found = await ask("list", ["missing"], (client, options) =>
                client.getEntity(partitionOf(row), row, {
                  ...options,
                  queryOptions: { select: ["RowKey", "key", ...STATE] },
                }),
              );
              const known = found === "missing" ? undefined : stateOf(found as Entity);
              if (isLive(known) && known.link === link) return entryOf(keyOf(found as Entity), known);
              if (instant(entry) <= Date.now()) await tend(entry).catch(() => {});
              return undefined;
            }),
          );
          for (const entry of entries) if (entry !== undefined) yield entry;
        }
      }
    },

    async claimExpired(now, limit) {
      const claimed: ClaimedSession[] = [];
      try {
        for await (const page of query("claimExpired", `expiresAt le ${Math.floor(now)}L`, Math.min(limit, 1_000))) {
          for (let at = 0; at < page.length; ) {
            const part = page.slice(at, at + Math.min(PARALLEL, limit - claimed.length));
            at += part.length;
            const answers = await Promise.allSettled(
              part.map((entity) => (entity.partitionKey.startsWith("o") ? tend(entity) : claim(entity))),
            );
            for (const answer of answers) if (answer.status === "fulfilled" && answer.value) claimed.push(answer.value);
            if (claimed.length === limit) return claimed;
            for (const answer of answers) if (answer.status === "rejected") throw answer.reason;
          }
        }
      } catch (error) {
        // What was removed has to be handed over, whatever became of the rest.
        if (claimed.length === 0) throw error;
      }
      return claimed;
    },
  };
}

interface Opened {
  client: TableClientLike;
  agent?: http.Agent;
}

/** Checks the options, and gives what connects with them. */
function opener(options: AzureTableOptions): (timeout: number) => Promise<Opened> {
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

type Refusal = "missing" | "changed" | "exists";

/** What the client throws. Where the service's own code stands differs with service and emulator. */
interface Failure {
  name?: string;
  code?: string;
  statusCode?: number;
  message?: string;
  details?: { errorCode?: string; odataError?: { code?: string } };
}

function isRefusal(refusal: Refusal, error: unknown): boolean {
  const { statusCode } = error as Failure;
  if (refusal === "changed") return statusCode === 412;
  // Only these: a missing table is 404, and one that is being deleted 409.
  if (refusal === "exists") return statusCode === 409 && codeOf(error) === "EntityAlreadyExists";
  return statusCode === 404 && ["ResourceNotFound", "EntityNotFound"].includes(codeOf(error) ?? "");
}

/** Faults of the connection and of a server that is busy, restarting or overloaded. */
function isPassing(error: unknown): boolean {
  const { statusCode, name } = error as Failure;
  if (statusCode === undefined) return name === "RestError";
  return statusCode === 408 || statusCode === 429 || statusCode >= 500;
}

function codeOf(error: unknown): string | undefined {
  const { code, details, message } = error as Failure;
  return details?.odataError?.code ?? details?.errorCode ?? /"code":\s*"(\w+)"/.exec(message ?? "")?.[1] ?? code;
}

function asStoreError(what: string, error: unknown, timeout: number): CoatcheckError {
  if (error instanceof CoatcheckError) return error;
  const { name, message, statusCode } = error as Failure;
  if (name === "AbortError" || name === "TimeoutError") {
    return new StoreError(`coatcheck: Azure Table storage did not ${what} within ${timeout} ms`, error);
  }
  const code = codeOf(error);
  if (statusCode === 413 || code === "EntityTooLarge" || code === "RequestBodyTooLarge")
    return tooLarge(undefined, error);
  const reason = statusCode === undefined ? message : [statusCode, code].filter(Boolean).join(" ");
  return new StoreError(`coatcheck: Azure Table storage failed to ${what}: ${reason}`, error);
}

function tooLarge(size: number | undefined, cause?: unknown): CoatcheckError {
  return new CoatcheckError(
    "COATCHECK_TOO_LARGE",
    `coatcheck: ${size === undefined ? "the session" : `a session of ${size} bytes`} does not fit into an entity of Azure Table storage, which takes ${MAX_VALUE} bytes; nothing was written. Keep large things elsewhere and their key here.`,
    { cause },
  );
}

function busy(key: string): StoreError {
  return new StoreError(`coatcheck: session ${key} kept changing; gave up after ${MAX_ROUNDS} attempts`);
}

function pack(
  key: string,
  row: string,
  { value, expiresAt, owner }: SessionWrite,
): { entity: Entity; version: string } {
  if (value.length > MAX_VALUE) throw tooLarge(value.length);
  const version = token();
  const entity: Entity = { partitionKey: partitionOf(row), rowKey: row, version, expiresAt: int64(expiresAt) };
  if (isHashed(row)) entity.key = key;
  if (owner !== undefined) entity.owner = owner;
  for (let chunk = 0; chunk * CHUNK < value.length; chunk++) {
    entity[`value${chunk}`] = value.subarray(chunk * CHUNK, (chunk + 1) * CHUNK);
  }
  return { entity, version };
}

function unpack(entity: Entity): SessionWrite {
  const chunks: Uint8Array[] = [];
  for (let chunk = entity.value0; chunk instanceof Uint8Array; chunk = entity[`value${chunks.length}`])
    chunks.push(chunk);
  const { expiresAt, owner } = stateOf(entity);
  const value = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
  return owner === undefined ? { value, expiresAt } : { value, expiresAt, owner };
}

function stateOf(entity: Entity): Known {
  const { version, etag, owner, link } = entity;
  const expiresAt = instant(entity);
  if (typeof version !== "string" || typeof etag !== "string" || !Number.isFinite(expiresAt)) {
    throw new StoreError(`coatcheck: the entity "${entity.rowKey}" is not a session`);
  }
  return { version, etag, expiresAt, owner: text(owner), link: text(link) };
}

function isLive(known: Known | undefined): known is Known {
  return known !== undefined && known.expiresAt > Date.now();
}

function entryOf(key: string, { expiresAt, owner }: Known) {
  return owner === undefined ? { key, expiresAt } : { key, expiresAt, owner };
}

function keyOf(entity: Entity): string {
  return text(entity.key) ?? entity.rowKey;
}

/** Spreads sessions over 4,096 partitions. The key's end, since keys may begin alike. */
function partitionOf(row: string): string {
  return `s${row.slice(-2)}`;
}

function ownerPartition(owner: string): string {
  return `o${safeName(owner)}`;
}

function listed({ rowKey }: Entity): { row: string; link: string } {
  const dot = rowKey.lastIndexOf(".");
  return { row: rowKey.slice(0, dot), link: rowKey.slice(dot + 1) };
}

function instant(entity: Entity): number {
  return Number(entity.expiresAt ?? Number.NaN);
}

function int64(instant: number): { type: "Int64"; value: string } {
  return { type: "Int64", value: String(Math.round(instant)) };
}

function text(property: unknown): string | undefined {
  return typeof property === "string" ? property : undefined;
}

function token(): string {
  return randomBytes(12).toString("base64url");
}

function* parts<T>(items: T[]): Generator<T[]> {
  for (let at = 0; at < items.length; at += PARALLEL) yield items.slice(at, at + PARALLEL);
}
