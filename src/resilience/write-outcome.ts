// Decides, from what the store has, what became of a write whose answer was lost.

import type { SessionWrite, StoredSession, Version } from "../store.ts";

/**
 * The outcome of a write whose answer was lost. It may have been applied, may still be on its way, or may never arrive.
 * In most cases a read of the store tells which.
 */
export type Outcome<Answer> = Answer | typeof NOT_APPLIED | typeof UNKNOWN;

/** The write can be sent again: should the first one land after all, only one of the two succeeds. */
export const NOT_APPLIED = Symbol("not applied");

/** The write may have been applied, by us or by another caller, or may still land. */
export const UNKNOWN = Symbol("unknown");

/**
 * Our own bytes under another version: the write was applied. Bytes prove that only if no two writes have the same ones.
 * Other bytes: another caller has written since, over our write or instead of it. No session: it has ended, or lives on
 * under another key, perhaps with our write in it; "gone" would deny that.
 */
export function outcomeOfUpdate(
  found: StoredSession | undefined,
  session: SessionWrite,
  ifVersion: Version,
  uniqueValues: boolean,
): Outcome<Version> {
  if (found === undefined) return UNKNOWN;
  if (found.version === ifVersion) return NOT_APPLIED;
  return uniqueValues && isSame(found.value, session.value) ? found.version : UNKNOWN;
}

/**
 * No other caller writes under a new key. A create that is not there may still land, even after a second attempt's session
 * has ended, and must not revive that: it is never sent again under this key.
 */
export function outcomeOfCreate(found: StoredSession | undefined, session: SessionWrite): Outcome<Version | "exists"> {
  if (found === undefined) return UNKNOWN;
  return isSame(found.value, session.value) ? found.version : "exists";
}

/** A missing session does not tell who deleted it. */
export function outcomeOfDelete(found: StoredSession | undefined, ifVersion: Version): Outcome<boolean> {
  if (found === undefined) return UNKNOWN;
  return found.version === ifVersion ? NOT_APPLIED : false;
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
