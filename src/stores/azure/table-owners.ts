import type { Entity } from "./table-client.ts";
import { int64, listed, ownerPartition, token } from "./table-layout.ts";
import type { Requests } from "./table-requests.ts";
import type { States } from "./table-states.ts";

/**
 * The list of each owner's sessions: rows in the owner's partition. A row is written before the session and removed after
 * it, and counts only while the session confirms it.
 */
export interface Owners {
  /** Puts the session on its owner's list, where it counts once the session holds the same link. */
  enlist(owner: string, row: string, expiresAt: number): Promise<string>;
  /** Never fails, since the session itself is written by then: what stays behind does not count, and is swept. */
  strike(owner: string | undefined, row: string, link: string | undefined): Promise<void>;
  /** Looks after a row on an owner's list, an hour or more after it was written or last seen to. */
  tend(entry: Entity): Promise<undefined>;
}

const HOUR = 3_600_000;

export function owners({ ask }: Requests, { look }: States): Owners {
  return {
    async enlist(owner, row, expiresAt) {
      const link = token();
      const entity = {
        partitionKey: ownerPartition(owner),
        rowKey: `${row}.${link}`,
        expiresAt: int64(Math.max(expiresAt, Date.now()) + HOUR),
      };
      // "exists": our own, written by a request whose answer was lost.
      await ask("write", ["exists"], (client, options) => client.createEntity(entity, options));
      return link;
    },

    async strike(owner, row, link) {
      if (owner === undefined || link === undefined) return;
      await ask("delete", ["missing"], (client, options) =>
        client.deleteEntity(ownerPartition(owner), `${row}.${link}`, { ...options, etag: "*" }),
      ).catch(() => {});
    },

    async tend(entry) {
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
    },
  };
}
