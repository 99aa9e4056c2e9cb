import type { SessionContext } from "./context.ts";

/**
 * `regenerate` leaves a note of the old ticket, for requests that were on their way with it. One that writes would begin a
 * new session, and its cookie would take the browser's new ticket away: a login would be lost.
 */

// By then the browser has had its new cookie, or never gets it.
const NOTE_FOR = 30_000;
const NOTHING = new Uint8Array(0);

/** A note lies beside where the session was, under what is no session's key. */
const noteOf = (key: string) => `${key}-replaced`;

export async function noteReplaced({ store, carried }: SessionContext, key: string): Promise<void> {
  if (carried !== undefined) return; // the browser has all there is
  try {
    await store.create(noteOf(key), { value: NOTHING, expiresAt: Date.now() + NOTE_FOR });
  } catch {
    // Reported by the guard. Without the note all is as it is after any other end of a session.
  }
}

/** True if one of these sessions, which are not there, got a new ticket just now. */
export async function wasReplaced({ store }: SessionContext, keys: readonly string[]): Promise<boolean> {
  const notes = await Promise.all(keys.map((key) => store.read(noteOf(key))));
  return notes.some((note) => note !== undefined);
}
