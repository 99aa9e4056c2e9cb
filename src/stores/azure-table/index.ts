// The Azure Table store.

import { type ClaimedSession, collectClaimed, type SessionStore } from "../../store.ts";
import { milliseconds } from "../../util/duration.ts";
import { checkNames } from "../../util/option-names.ts";
import { safeName } from "../shared/safe-name.ts";
import { createConnector } from "./client.ts";
import {
  decode,
  type EntityState,
  encode,
  entryOf,
  expiryOf,
  int64,
  isLive,
  keyOf,
  ownerPartition,
  parseIndexRow,
  partitionOf,
  STATE_PROPERTIES,
  stateOf,
} from "./entity.ts";
import { contentionError, ofUnknownOutcome } from "./errors.ts";
import { createEtagCache } from "./etag-cache.ts";
import { type AzureTableOptions, HINTS, NAMES } from "./options.ts";
import { createOwnerIndex } from "./owner-index.ts";
import { createRequests } from "./requests.ts";
import type { Entity } from "./sdk.ts";

export type { AzureTableOptions } from "./options.ts";
export type { TableClientLike } from "./sdk.ts";

/** The most entities in one page of a query. The service allows no more. */
const MAX_PAGE_SIZE = 1_000;

/** The most requests that one call sends concurrently. */
const MAX_PARALLEL = 16;

/** How often a write is tried again because another one came first. */
const MAX_ATTEMPTS = 50;

/**
 * Keeps sessions in Azure Table storage, with the package `@azure/data-tables`. It connects on first use.
 *
 * Sessions are spread over partitions by two characters of their key. A session with an owner also has a row in its owner's
 * partition. The row is written before the session and deleted after it, and counts only while the session confirms it, so
 * no session is ever missing from its owner's list.
 *
 * @see https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
 * @throws OptionError if an option is missing or wrong.
 */
export function azureTable(options: AzureTableOptions): SessionStore {
  checkNames("azureTable()", options, NAMES, HINTS);
  const timeout = milliseconds("timeout", options.timeout ?? "5s");
  const service = createRequests(createConnector(options, timeout), timeout);
  const { send, query, clock } = service;
  const etags = createEtagCache(service);
  const index = createOwnerIndex(service, etags);

  /** Replaces a session, if its entity still has that ETag. */
  function replace(operation: string, entity: Entity, etag: string) {
    return send(operation, ["missing", "changed"], (client, options) =>
      client.updateEntity(entity, "Replace", { ...options, etag }),
    );
  }

  /** The service's time. If no answer has told it lately, a request is sent for an entity that is not there. */
  function time(): Promise<number> {
    return clock.time(() =>
      send("give its time", ["missing"], (client, options) => client.getEntity("time", "time", options)),
    );
  }

  /** A write of this call may have been applied, so a failure of this read must not deny it. */
  function fetchAfterWrite(row: string): Promise<EntityState | undefined> {
    return etags.fetch(row).catch((error) => {
      throw ofUnknownOutcome(error);
    });
  }

  /** Deletes an expired session. Returns undefined if it was changed or deleted since it was read. */
  async function claim(entity: Entity): Promise<ClaimedSession | undefined> {
    const { etag, owner, indexId } = stateOf(entity);
    const row = entity.rowKey;
    const answer = await send("delete", ["missing", "changed"], (client, options) =>
      client.deleteEntity(entity.partitionKey, row, { ...options, etag }),
    );
    if (answer === "missing" || answer === "changed") return undefined;
    etags.delete(row);
    await index.remove(owner, row, indexId);
    return { key: keyOf(entity), ...decode(entity) };
  }

  return {
    name: "azure-table",

    async read(key) {
      const row = safeName(key);
      const found = await send("read", ["missing"], (client, options) =>
        client.getEntity(partitionOf(row), row, options),
      );
      const state = found === "missing" ? undefined : stateOf(found as Entity);
      if (!isLive(state, clock.now())) return undefined;
      etags.put(row, state);
      return { ...decode(found as Entity), version: state.version };
    },

    async create(key, session) {
      const row = safeName(key);
      const { owner, expiresAt } = session;
      const { entity, version } = encode(key, row, session);
      const indexId = owner === undefined ? undefined : await index.add(owner, row, expiresAt);
      if (indexId !== undefined) entity.link = indexId;
      const created = (etag: string | undefined) => {
        if (etag !== undefined) etags.put(row, { version, etag, expiresAt, owner, indexId });
        return version;
      };
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        const answer = await send("create", ["exists"], (client, options) => client.createEntity(entity, options));
        if (answer !== "exists") return created(answer.etag);
        const state = await fetchAfterWrite(row);
        if (state === undefined) continue;
        // A request of this call, whose answer was lost, has written it.
        if (state.version === version) return created(state.etag);
        if (state.expiresAt > clock.now()) {
          await index.remove(owner, row, indexId);
          return "exists";
        }
        const replaced = await replace("create", entity, state.etag);
        if (replaced === "missing" || replaced === "changed") continue;
        await index.remove(state.owner, row, state.indexId);
        return created(replaced.etag);
      }
      throw contentionError("create", key, MAX_ATTEMPTS);
    },

    async update(key, session, ifVersion) {
      const row = safeName(key);
      const { owner, expiresAt } = session;
      const { entity, version } = encode(key, row, session);
      let newIndexId: string | undefined;
      let replaced: EntityState | undefined;
      let state = await etags.get(row, ifVersion);
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++, state = await fetchAfterWrite(row)) {
        // A request of this call, whose answer was lost, has written it.
        let etag = state?.version === version ? state.etag : undefined;
        if (etag === undefined) {
          const now = clock.now();
          if (!isLive(state, now) || state.version !== ifVersion) {
            await index.remove(owner, row, newIndexId);
            return isLive(state, now) ? "conflict" : "gone";
          }
          if (owner !== state.owner && owner !== undefined) newIndexId ??= await index.add(owner, row, expiresAt);
          replaced = state;
          entity.link = owner === state.owner ? state.indexId : newIndexId;
          const answer = await replace("update", entity, state.etag);
          if (answer === "missing" || answer === "changed") continue;
          etag = answer.etag;
        }
        const indexId = entity.link as string | undefined;
        if (etag !== undefined) etags.put(row, { version, etag, expiresAt, owner, indexId });
        if (replaced?.indexId !== indexId) await index.remove(replaced?.owner, row, replaced?.indexId);
        return version;
      }
      throw contentionError("update", key, MAX_ATTEMPTS);
    },

    async delete(key, ifVersion) {
      const row = safeName(key);
      let state = await etags.get(row, ifVersion);
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++, state = await etags.fetch(row)) {
        if (!isLive(state, clock.now()) || (ifVersion !== undefined && state.version !== ifVersion)) return false;
        const etag = ifVersion === undefined && attempt > 0 ? "*" : state.etag;
        const answer = await send("delete", ["missing", "changed"], (client, options) =>
          client.deleteEntity(partitionOf(row), row, { ...options, etag }),
        );
        if (answer === "changed") continue;
        etags.delete(row);
        if (answer === "missing") return false;
        await index.remove(state.owner, row, state.indexId);
        return true;
      }
      throw contentionError("delete", key, MAX_ATTEMPTS);
    },

    async touch(key, expiresAt) {
      const row = safeName(key);
      let state = await etags.get(row);
      for (let attempt = 0; ; attempt++, state = await etags.fetch(row)) {
        if (!isLive(state, clock.now())) return false;
        const { etag } = state;
        const entity = { partitionKey: partitionOf(row), rowKey: row, expiresAt: int64(expiresAt) };
        const answer = await send("touch", ["missing", "changed"], (client, options) =>
          client.updateEntity(entity, "Merge", { ...options, etag }),
        );
        if (answer === "missing") return false;
        if (answer !== "changed") {
          if (answer.etag !== undefined) etags.put(row, { ...state, etag: answer.etag, expiresAt });
          return true;
        }
        // Another process wrote after the state was fetched. Every write sets the expiry, so this touch counts as the
        // earlier of the two.
        if (attempt > 0) return true;
      }
    },

    time,

    async close() {
      etags.clear();
      await service.close();
    },

    async *list({ owner }) {
      if (owner === undefined) {
        const filter = `PartitionKey ge 's' and PartitionKey lt 't' and expiresAt gt ${await time()}L`;
        const select = ["PartitionKey", "RowKey", "key", ...STATE_PROPERTIES];
        for await (const page of query("list", filter, MAX_PAGE_SIZE, select)) {
          for (const entity of page) {
            const state = stateOf(entity);
            if (isLive(state, clock.now())) yield entryOf(keyOf(entity), state);
          }
        }
        return;
      }
      const filter = `PartitionKey eq '${ownerPartition(owner)}'`;
      for await (const page of query("list", filter, MAX_PAGE_SIZE, ["PartitionKey", "RowKey", "expiresAt"])) {
        for (const rows of chunks(page)) {
          const entries = await Promise.all(
            rows.map(async (indexRow) => {
              const { row, indexId } = parseIndexRow(indexRow);
              const found = await send("list", ["missing"], (client, options) =>
                client.getEntity(partitionOf(row), row, {
                  ...options,
                  queryOptions: { select: ["RowKey", "key", ...STATE_PROPERTIES] },
                }),
              );
              const state = found === "missing" ? undefined : stateOf(found as Entity);
              if (isLive(state, clock.now()) && state.indexId === indexId)
                return entryOf(keyOf(found as Entity), state);
              if (expiryOf(indexRow) <= clock.now()) await index.sweepRow(indexRow).catch(() => {});
              return undefined;
            }),
          );
          for (const entry of entries) if (entry !== undefined) yield entry;
        }
      }
    },

    claimExpired: (until, limit) =>
      collectClaimed(async (claimed) => {
        // Whatever the caller's clock says, nothing that lives is claimed.
        const now = Math.min(until, await time());
        const filter = `expiresAt le ${Math.floor(now)}L`;
        for await (const page of query("claimExpired", filter, Math.min(limit, MAX_PAGE_SIZE))) {
          for (let start = 0; start < page.length; ) {
            const entities = page.slice(start, start + Math.min(MAX_PARALLEL, limit - claimed.length));
            start += entities.length;
            const results = await Promise.allSettled(
              entities.map((entity) => (entity.partitionKey.startsWith("o") ? index.sweepRow(entity) : claim(entity))),
            );
            for (const result of results) if (result.status === "fulfilled" && result.value) claimed.push(result.value);
            if (claimed.length === limit) return;
            for (const result of results) if (result.status === "rejected") throw result.reason;
          }
        }
      }),
  };
}

function* chunks<Item>(items: Item[]): Generator<Item[]> {
  for (let start = 0; start < items.length; start += MAX_PARALLEL) yield items.slice(start, start + MAX_PARALLEL);
}
