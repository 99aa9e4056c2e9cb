import type { SessionStore, StoredSession } from "./store.ts";

/** What the store itself has, and not a copy that somebody keeps of it. */
export function readPastCopies(
  store: SessionStore,
  key: string,
  touchUntil?: number,
): Promise<StoredSession | undefined> {
  return store.refresh ? store.refresh(key, touchUntil) : store.read(key, touchUntil);
}
