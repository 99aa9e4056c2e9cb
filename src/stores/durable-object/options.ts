// The options of the Durable Object store.

import type { OptionNames } from "../../util/option-names.ts";

/** What the store uses of a namespace of Durable Objects. */
export interface DurableObjectNamespaceLike {
  idFromName(name: string): object;
  get(id: never): { fetch(url: string, init: { method: string; body: Uint8Array<ArrayBuffer> }): Promise<Response> };
}

export interface DurableObjectOptions {
  /** The binding of the class `SessionObject`: `env.SESSIONS`. `env.SESSIONS.jurisdiction("eu")` keeps sessions in the EU. */
  namespace: DurableObjectNamespaceLike;
  /**
   * How many objects hold the sessions, each a share of them. The store then has `list` and `claimExpired`, and so
   * `revokeAll` and `end` events of expired sessions. Another number finds other objects: the sessions of before are lost.
   * Default: each session has an object of its own, and there is no list.
   */
  shards?: number;
}

/** The names of the options, for the check of misspelt ones. */
export const NAMES: OptionNames<DurableObjectOptions> = { namespace: true, shards: true };
