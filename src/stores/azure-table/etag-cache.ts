// Caches the state of sessions, so that a write need not read the ETag first.

import { type EntityState, isLive, partitionOf, STATE_PROPERTIES, stateOf } from "./entity.ts";
import type { Requests } from "./requests.ts";
import type { Entity } from "./sdk.ts";

/** The states that this process has seen at its last read or write of a session. */
export interface EtagCache {
  put(row: string, state: EntityState): void;
  delete(row: string): void;
  /**
   * The state that a write begins with: the cached one, if it is live and has that version; otherwise the service's. The
   * cached one may be outdated; the service then refuses the write.
   */
  get(row: string, version?: unknown): Promise<EntityState | undefined>;
  /** Reads the state from the service, and does not cache it. */
  fetch(row: string): Promise<EntityState | undefined>;
  clear(): void;
}

const MAX_ENTRIES = 2_000;

export function createEtagCache({ send, clock }: Requests): EtagCache {
  const states = new Map<string, EntityState>();

  async function fetch(row: string): Promise<EntityState | undefined> {
    states.delete(row);
    const found = await send("read", ["missing"], (client, options) =>
      client.getEntity(partitionOf(row), row, { ...options, queryOptions: { select: STATE_PROPERTIES } }),
    );
    return found === "missing" ? undefined : stateOf(found as Entity);
  }

  return {
    put(row, state) {
      states.delete(row);
      states.set(row, state);
      if (states.size > MAX_ENTRIES) states.delete(states.keys().next().value!);
    },

    delete(row) {
      states.delete(row);
    },

    async get(row, version) {
      const state = states.get(row);
      return isLive(state, clock.now()) && (version === undefined || state.version === version) ? state : fetch(row);
    },

    fetch,

    clear() {
      states.clear();
    },
  };
}
