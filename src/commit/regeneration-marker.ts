// The marker that `regenerate` leaves under the old ticket.

import { readFresh, type SessionStore } from "../store.ts";
import { replacedKey } from "../util/side-records.ts";

/*
 * Requests may be under way with the old ticket while it is replaced. If one of them writes, it would begin a new session,
 * and its cookie would replace the browser's new ticket: a login would be lost. The marker tells it to drop its changes.
 */

// After this long the browser has its new cookie, or never gets it.
const MARKER_TTL_MS = 30_000;
// A session that is regenerated again and again leaves a chain of markers.
const MAX_STEPS = 10;

/**
 * The marker names the session's next key, which is no secret: a logout that comes with the old ticket ends that one. False:
 * another request that regenerates at the same moment has left one. With `replace`, it is replaced.
 */
export async function markRegenerated(
  store: SessionStore,
  key: string,
  nextKey: string,
  now: number,
  replace = false,
): Promise<boolean> {
  if (store.inCookie) return true; // the browser has all there is
  try {
    const marker = { value: Buffer.from(nextKey, "latin1"), expiresAt: now + MARKER_TTL_MS };
    if (replace) {
      // Never without a marker: a request that looks in between would begin a new session.
      const former = await readFresh(store, replacedKey(key));
      if (former !== undefined) {
        const version = await store.update(replacedKey(key), marker, former.version);
        return version !== "conflict" && version !== "gone";
      }
    }
    return (await store.create(replacedKey(key), marker)) !== "exists";
  } catch {
    // Reported by the resilient store. Without the marker it is like any other end of a session.
    return true;
  }
}

/** True if one of these sessions, which are not in the store, was regenerated a moment ago. */
export async function wasRegenerated(store: SessionStore, keys: readonly string[]): Promise<boolean> {
  const markers = await Promise.all(keys.map((key) => nextKey(store, key)));
  return markers.some((marker) => marker !== undefined);
}

/** The keys under which these sessions, which are not in the store, go on after they were regenerated a moment ago. */
export async function regeneratedKeys(store: SessionStore, keys: readonly string[]): Promise<string[]> {
  const found = await Promise.all(keys.map((key) => lastKey(store, key)));
  return found.filter((key) => key !== undefined);
}

async function lastKey(store: SessionStore, key: string): Promise<string | undefined> {
  let last = await nextKey(store, key);
  for (let step = 1; step < MAX_STEPS && last !== undefined; step++) {
    const next = await nextKey(store, last);
    if (next === undefined) break;
    last = next;
  }
  return last;
}

async function nextKey(store: SessionStore, key: string): Promise<string | undefined> {
  const marker = await store.read(replacedKey(key));
  return marker && Buffer.from(marker.value).toString("latin1");
}
