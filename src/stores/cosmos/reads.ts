// Reads single items, from replicas that may lag.

import { StoreError } from "../../errors.ts";
import { statusError } from "./errors.ts";
import { type Item, isLive } from "./item.ts";
import type { Requests } from "./requests.ts";

export interface Reads {
  /** Returns the item as a replica has it. */
  readItem(operation: string, id: string): Promise<Item | undefined>;
  /** Returns the item if it is live. Verifies that a missing one is missing: a replica may not have received it yet. */
  findLive(operation: string, id: string): Promise<Item | undefined>;
}

/** @param mayLag whether the consistency level allows a replica to lag. */
export function createReads({ send, patch, clock }: Requests, mayLag: boolean): Reads {
  async function readItem(operation: string, id: string): Promise<Item | undefined> {
    const answer = await send(operation, [], (container, options) => container.item(id, id).read(options), "read");
    const { statusCode, substatus } = answer;
    const item = answer.resource as Item | undefined;
    if (statusCode === 404) {
      // The client reports a missing container in the same way as a missing item, but for the substatus.
      if (substatus) throw statusError(operation, statusCode, substatus);
      return undefined;
    }
    if (typeof item?.v !== "string" || typeof item.data !== "string" || !Number.isFinite(item.expires)) {
      throw new StoreError(
        `coatcheck: the item "${id}" is not a session of coatcheck. Give coatcheck a container of its own.`,
      );
    }
    return item;
  }

  async function findLive(operation: string, id: string): Promise<Item | undefined> {
    const found = await readItem(operation, id);
    if (isLive(found, clock.now())) return found;
    if (!mayLag) return undefined;
    // Writes are decided in one place, so a write knows whether the item exists. This one's condition never holds.
    const answer = await patch(operation, id, "c.v = ''", { never: 0 }, ["missing", "changed"], "read");
    if (answer === "missing") return undefined;
    // The refusal carries the session token with which the next read waits for the newest state.
    const newest = await readItem(operation, id);
    return isLive(newest, clock.now()) ? newest : undefined;
  }

  return { readItem, findLive };
}
