import { handedOver } from "../claims.ts";
import { type Duration, milliseconds } from "../duration.ts";
import { StoreError } from "../errors.ts";
import type { ClaimedSession, SessionStore } from "../store.ts";
import type { AzureCredential } from "./azure/credential.ts";
import { type Entity, opener, type TableClientLike } from "./azure/table-client.ts";
import {
  entryOf,
  instant,
  int64,
  isLive,
  type Known,
  keyOf,
  listed,
  ownerPartition,
  pack,
  partitionOf,
  STATE,
  stateOf,
  unpack,
} from "./azure/table-layout.ts";
import { owners } from "./azure/table-owners.ts";
import { requests } from "./azure/table-requests.ts";
import { states } from "./azure/table-states.ts";
import { safeName } from "./safe-name.ts";

export type { TableClientLike } from "./azure/table-client.ts";

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

const PARALLEL = 16;
const MAX_ROUNDS = 50;

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
  const service = requests(opener(options), timeout);
  const { ask, query, close } = service;
  const memory = states(service);
  const { remember, forget, look, recall, clear } = memory;
  const { enlist, strike, tend } = owners(service, memory);

  function write(what: string, entity: Entity, etag: string) {
    return ask(what, ["missing", "changed"], (client, options) =>
      client.updateEntity(entity, "Replace", { ...options, etag }),
    );
  }

  /** Removes an expired session, unless it is no longer that or somebody else removes it. */
  async function claim(entity: Entity): Promise<ClaimedSession | undefined> {
    const { etag, owner, link } = stateOf(entity);
    const row = entity.rowKey;
    const answer = await ask("delete", ["missing", "changed"], (client, options) =>
      client.deleteEntity(entity.partitionKey, row, { ...options, etag }),
    );
    if (answer === "missing" || answer === "changed") return undefined;
    forget(row);
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
        forget(row);
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
      clear();
      await close();
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

    claimExpired: (now, limit) =>
      handedOver(async (claimed) => {
        for await (const page of query("claimExpired", `expiresAt le ${Math.floor(now)}L`, Math.min(limit, 1_000))) {
          for (let at = 0; at < page.length; ) {
            const part = page.slice(at, at + Math.min(PARALLEL, limit - claimed.length));
            at += part.length;
            const answers = await Promise.allSettled(
              part.map((entity) => (entity.partitionKey.startsWith("o") ? tend(entity) : claim(entity))),
            );
            for (const answer of answers) if (answer.status === "fulfilled" && answer.value) claimed.push(answer.value);
            if (claimed.length === limit) return;
            for (const answer of answers) if (answer.status === "rejected") throw answer.reason;
          }
        }
      }),
  };
}

function busy(key: string): StoreError {
  return new StoreError(`coatcheck: session ${key} kept changing; gave up after ${MAX_ROUNDS} attempts`);
}

function* parts<T>(items: T[]): Generator<T[]> {
  for (let at = 0; at < items.length; at += PARALLEL) yield items.slice(at, at + PARALLEL);
}
