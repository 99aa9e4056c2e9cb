import type { SessionWrite, StoredSession, Version } from "./store.ts";

/**
 * A write whose answer was lost may have been done, may still be on its way, or may never arrive. What is in the store
 * tells, in most cases: these judge it, for each kind of write.
 */
export type Verdict<Answer> = Answer | typeof NOT_DONE | typeof UNKNOWN;

/** It can be sent again: should the first come after all, only one of them succeeds. */
export const NOT_DONE = Symbol("not done");

/** It may have been done by us or by somebody else, or may still come. */
export const UNKNOWN = Symbol("unknown");

/**
 * Our own bytes under another version: it was done. Bytes show that only if no two writes have the same ones.
 * Other bytes: somebody has written since, over ours or instead of it. Nothing: the session has ended, or goes on under
 * another key, perhaps with what we wrote in it; "gone" would say that it was not.
 */
export function judgeUpdate(
  found: StoredSession | undefined,
  session: SessionWrite,
  ifVersion: Version,
  uniqueValues: boolean,
): Verdict<Version> {
  if (found === undefined) return UNKNOWN;
  if (found.version === ifVersion) return NOT_DONE;
  return uniqueValues && isSame(found.value, session.value) ? found.version : UNKNOWN;
}

/**
 * Nobody else writes under a key that is new. What is not there may still come, even after the session of a second try
 * was ended, and must not revive it: it is never sent again under this key.
 */
export function judgeCreate(found: StoredSession | undefined, session: SessionWrite): Verdict<Version | "exists"> {
  if (found === undefined) return UNKNOWN;
  return isSame(found.value, session.value) ? found.version : "exists";
}

/** Who removed what is not there any more can't be told. */
export function judgeDelete(found: StoredSession | undefined, ifVersion: Version): Verdict<boolean> {
  if (found === undefined) return UNKNOWN;
  return found.version === ifVersion ? NOT_DONE : false;
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
