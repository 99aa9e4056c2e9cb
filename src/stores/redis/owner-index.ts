// The index of each owner's sessions in Redis.

import type { Version } from "../../store.ts";
import { type Connection, runScript } from "./connection.ts";
import type { Names, Ownership } from "./format.ts";
import { addToOwnerIndex, removeFromOwnerIndex } from "./scripts.ts";

/**
 * The index of an owner: a sorted set of session keys, each scored by when its entry ends.
 *
 * `list({ owner })` must never miss a live session, as that is how a user is logged out everywhere. In a Cluster, session and
 * index are in different slots, so no script can change both. These rules make the order of the steps safe:
 *
 * - A session is added to the index before it is written, and removed after it was deleted or got another owner. An entry
 *   without a session is harmless, because `list` looks at the session. It is removed after it has ended.
 * - An entry ends later than its session: by as long again as the session has to live when the entry is written. A read
 *   that extends the session therefore seldom has to extend the entry. If it has to, it does so before it answers, and
 *   fails if it can't. A session that is only read costs one more round trip per lifetime and process.
 * - The index as a whole expires with its last entry, so that it leaks nothing.
 * - Scores only grow, and an entry is removed only if it still has the score that was read. A late removal can't hit an
 *   entry that was added again since.
 *
 * One gap remains. A process may die between extending a session and extending its entry. If nobody then reads the session
 * until the entry ends, `list({ owner })` misses it for the rest of its life.
 */
export interface OwnerIndex {
  /** Adds a session until after `expiresAt`. Gives when the entry ends. */
  add(owner: string, key: string, expiresAt: number): Promise<number>;
  /** Removes a session, if its entry is still the given one. Runs in the background: nothing depends on it. */
  remove(key: string, ownership: Ownership): void;
  /** Makes sure that the entry of an extended session ends after `expiresAt`. */
  extend(key: string, version: string, ownership: Ownership, expiresAt: number): Promise<void>;
  /** Remembers what a write has left in the session's header. */
  remember(key: string, version: string, ownership: Ownership | undefined): void;
  /** What this process remembers of that version of the session, if anything. */
  recall(key: string, version: Version): Ownership | undefined;
}

/** At most this many sessions are remembered. Each other one may cost one round trip more. */
const MAX_REMEMBERED = 10_000;

export function createOwnerIndex(connection: Connection, names: Names): OwnerIndex {
  // By key, the least recently remembered first. Of one version only, as another may have another owner.
  const remembered = new Map<string, Ownership & { version: string }>();

  function remember(key: string, version: string, ownership: Ownership | undefined): void {
    remembered.delete(key);
    if (ownership === undefined) return;
    remembered.set(key, { ...ownership, version });
    if (remembered.size > MAX_REMEMBERED) remembered.delete(remembered.keys().next().value!);
  }

  function recall(key: string, version: Version) {
    const known = remembered.get(key);
    return known?.version === version ? known : undefined;
  }

  async function add(owner: string, key: string, expiresAt: number): Promise<number> {
    return Number(await runScript(connection, addToOwnerIndex, names.ownerIndex(owner), [key, String(expiresAt)]));
  }

  return {
    add,
    remember,
    recall,

    remove(key, { owner, indexedUntil }) {
      const argv = [key, String(indexedUntil)];
      runScript(connection, removeFromOwnerIndex, names.ownerIndex(owner), argv).catch(() => {});
    },

    async extend(key, version, ownership, expiresAt) {
      let known = recall(key, version);
      if (known === undefined) {
        remember(key, version, ownership);
        known = remembered.get(key)!;
      }
      if (expiresAt > known.indexedUntil) known.indexedUntil = await add(known.owner, key, expiresAt);
    },
  };
}
