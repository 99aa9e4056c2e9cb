// The index of each owner's sessions.

import { indexRowKey, int64, ownerPartition, parseIndexRow, randomId } from "./entity.ts";
import type { EtagCache } from "./etag-cache.ts";
import type { Requests } from "./requests.ts";
import type { Entity } from "./sdk.ts";

/**
 * Each owner has a partition with a row for each session. A row is written before its session and deleted after it, and
 * counts only while the session has the row's id. So a crash can leave a row too many, but never one too few.
 */
export interface OwnerIndex {
  /** Adds a row, and returns its id. It counts once the session is written with that id. */
  add(owner: string, row: string, expiresAt: number): Promise<string>;
  /** Deletes a row. Does not throw: the session is already written, and a row that stays does not count and is swept. */
  remove(owner: string | undefined, row: string, indexId: string | undefined): Promise<void>;
  /** Handles a row that has expired: keeps it for longer if its session is still there, and deletes it otherwise. */
  sweepRow(indexRow: Entity): Promise<undefined>;
}

/** How long a row outlives its session. A sweep must not delete a row whose session is about to be written. */
const ROW_GRACE_MS = 3_600_000;

export function createOwnerIndex({ send, clock }: Requests, etags: EtagCache): OwnerIndex {
  return {
    async add(owner, row, expiresAt) {
      const indexId = randomId();
      const entity = {
        partitionKey: ownerPartition(owner),
        rowKey: indexRowKey(row, indexId),
        expiresAt: int64(Math.max(expiresAt, clock.now()) + ROW_GRACE_MS),
      };
      // "exists": a request whose answer was lost has written it.
      await send("index", ["exists"], (client, options) => client.createEntity(entity, options));
      return indexId;
    },

    async remove(owner, row, indexId) {
      if (owner === undefined || indexId === undefined) return;
      await send("delete", ["missing"], (client, options) =>
        client.deleteEntity(ownerPartition(owner), indexRowKey(row, indexId), { ...options, etag: "*" }),
      ).catch(() => {});
    },

    async sweepRow(indexRow) {
      const { row, indexId } = parseIndexRow(indexRow);
      const state = await etags.fetch(row);
      const { partitionKey, rowKey } = indexRow;
      if (state?.indexId === indexId && state.expiresAt + ROW_GRACE_MS > clock.now()) {
        const expiresAt = int64(state.expiresAt + ROW_GRACE_MS);
        await send("index", ["missing"], (client, options) =>
          client.updateEntity({ partitionKey, rowKey, expiresAt }, "Merge", { ...options, etag: "*" }),
        );
      } else {
        await send("delete", ["missing"], (client, options) =>
          client.deleteEntity(partitionKey, rowKey, { ...options, etag: "*" }),
        );
      }
    },
  };
}
