// What failover keeps in its stores beside the sessions: who has taken over, and logouts that the standby lacks.

import type { SessionStore, SessionWrite } from "../../store.ts";
import { timeOf } from "../part-clocks.ts";

/**
 * The key of a store's takeover marker, as long as a session's key, so that every store accepts it. Servers of other
 * versions look for this very key, so it must not change.
 */
export const TAKEOVER_KEY = "coatcheck-failover-note-";

/** `"active"`: the standby has taken over. `"deposed"`: another store has taken over, so this one must not be used. */
export type TakeoverMarker = "active" | "deposed";

const END_SUFFIX = "-failover-ended";
/** The owner of all end markers, so that `list` finds them. */
const END_OWNER = "coatcheck-failover-ended";

const LIFETIME_MS = 10 * 365 * 24 * 3_600_000;

/** True for the key of a marker, which is no session. */
export function isMarker(key: string): boolean {
  return key === TAKEOVER_KEY || key.endsWith(END_SUFFIX);
}

export async function readMarker(store: SessionStore): Promise<TakeoverMarker | undefined> {
  const marker = await store.read(TAKEOVER_KEY);
  return marker && (Buffer.from(marker.value).toString() as TakeoverMarker);
}

/** Writes the takeover marker if the store has none. Gives the marker that the store then has. */
export async function writeMarker(store: SessionStore, marker: TakeoverMarker): Promise<TakeoverMarker | undefined> {
  const answer = await store.create(TAKEOVER_KEY, await content(store, marker));
  return answer === "exists" ? readMarker(store) : marker;
}

/** Notes that the session has ended, and that the standby may still have it. */
export async function writeEndMarker(store: SessionStore, key: string): Promise<void> {
  await store.create(key + END_SUFFIX, { ...(await content(store, "")), owner: END_OWNER });
}

export async function deleteEndMarker(store: SessionStore, key: string): Promise<void> {
  await store.delete(key + END_SUFFIX);
}

/** The keys of sessions that have ended, and that the standby may still have. */
export async function* listEnds(store: Required<Pick<SessionStore, "list">>): AsyncGenerator<string> {
  for await (const { key } of store.list({ owner: END_OWNER })) {
    if (key.endsWith(END_SUFFIX)) yield key.slice(0, -END_SUFFIX.length);
  }
}

async function content(store: SessionStore, text: string): Promise<SessionWrite> {
  return { value: Buffer.from(text), expiresAt: Math.floor(await timeOf(store)) + LIFETIME_MS };
}
