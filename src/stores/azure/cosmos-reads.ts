import { StoreError } from "../../errors.ts";
import { type Item, isLive } from "./cosmos-item.ts";
import type { Requests } from "./cosmos-requests.ts";

/** Point reads, from replicas that may lag. */
export interface Reads {
  /** What the replica has. */
  readItem(what: string, id: string): Promise<Item | undefined>;
  /** The item, if it is alive. "Not there" is checked, since a replica may not have heard of the item yet. */
  look(what: string, id: string): Promise<Item | undefined>;
}

export function reads({ ask, patch }: Requests, mayLag: boolean): Reads {
  async function readItem(what: string, id: string): Promise<Item | undefined> {
    const answer = await ask(what, [], (container, options) => container.item(id, id).read(options));
    const { statusCode, substatus } = answer;
    const resource = answer.resource as Item | undefined;
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

  return { readItem, look };
}
