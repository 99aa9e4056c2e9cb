import type { Version } from "../../store.ts";
import type { Names, Ownership } from "./layout.ts";
import { type Link, run } from "./link.ts";
import { forget, remember } from "./scripts.ts";

/**
 * The index of each owner's sessions: a sorted set of keys, each scored by until when it stays there.
 *
 * What `list({ owner })` must never miss is a session that lives, since that is how a user is logged out everywhere.
 * Session and index are in different slots of a Cluster, so no script has both; hence the order of things:
 *
 * - A session is put on the index before it is written, and taken off after it was deleted or changed hands. An entry
 *   without a session is harmless: `list` looks at the session. It goes when its time is over, with the next entry.
 * - An entry stays until the session's expiry plus as long again as the session has to live then. A read that moves the
 *   expiry therefore seldom has to move the entry; when it has to, it does so before it answers, and fails if it can't.
 *   So a session that is only ever read costs one more round trip per lifetime and process.
 * - The index's own expiry is that of its last entry: it leaks nothing, and goes by itself.
 * - Scores only grow, and an entry is taken off only if its score is still the one that was seen: a late removal
 *   cannot hit an entry that somebody has put there again since.
 *
 * What remains: a process that dies between moving a session's expiry and moving its entry, with nobody reading the
 * session again until the entry is over, leaves a session that `list({ owner })` misses for the rest of its lifetime.
 */
export interface Owners {
  /** Puts the session on the owner's index so that it stays there beyond `expiresAt`. Gives until when it does. */
  add(owner: string, key: string, expiresAt: number): Promise<number>;
  /** Takes the session off, if its entry is still that one. Does not wait for it: nothing depends on it. */
  remove(key: string, ownership: Ownership): void;
  /** Sees to it that a session whose expiry was moved stays on its owner's index for as long. */
  keep(key: string, version: string, ownership: Ownership, expiresAt: number): Promise<void>;
  /** Notes what a write has left in the session's header. */
  note(key: string, version: string, ownership: Ownership | undefined): void;
  /** What this process knows of that version of the session. Undefined: nothing. */
  known(key: string, version: Version): Ownership | undefined;
}

/** How many sessions a process remembers the entries of. Who is not among them costs one round trip more. */
const MEMORY = 10_000;

export function owners(link: Link, names: Names): Owners {
  // By key, the least recently noted first. Holds for one version only: another may have another owner.
  const notes = new Map<string, Ownership & { version: string }>();

  function note(key: string, version: string, ownership: Ownership | undefined): void {
    notes.delete(key);
    if (ownership === undefined) return;
    notes.set(key, { ...ownership, version });
    if (notes.size > MEMORY) notes.delete(notes.keys().next().value!);
  }

  function known(key: string, version: Version) {
    const noted = notes.get(key);
    return noted?.version === version ? noted : undefined;
  }

  async function add(owner: string, key: string, expiresAt: number): Promise<number> {
    const until = Math.max(2 * expiresAt - Date.now(), expiresAt);
    return Number(await run(link, remember, names.owner(owner), [key, String(until)]));
  }

  return {
    add,
    note,
    known,

    remove(key, { owner, until }) {
      run(link, forget, names.owner(owner), [key, String(until)]).catch(() => {});
    },

    async keep(key, version, ownership, expiresAt) {
      let noted = known(key, version);
      if (noted === undefined) {
        note(key, version, ownership);
        noted = notes.get(key)!;
      }
      if (expiresAt > noted.until) noted.until = await add(noted.owner, key, expiresAt);
    },
  };
}
