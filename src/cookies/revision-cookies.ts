// Revision cookies: what a browser has seen of its session, for stores that keep a cache.

import type { SessionCookie } from "./session-cookie.ts";

/*
 * Each write to a session counts its revision up. The browser gets the revision in a cookie beside the ticket's, and a
 * server whose cached entry is older asks the store.
 *
 * Answers to parallel requests may arrive in any order, so the cookie of an older revision must not replace that of a
 * newer one. Neighbouring revisions therefore have cookies of their own, and an answer clears the revision cookies that
 * came with its request, since it knows a newer revision. They are not signed: a forged one only makes its browser's
 * reads ask the store.
 */

// An answer that ten writes overtake may replace the cookie of a newer revision.
const SLOTS = 10;
const ID_CHARS = 4;
const NO_COOKIES: string[] = [];

/** The latest revision of a session that the browser has seen. 1, the first, needs no cookie. */
export function lastSeenRevision(revisions: readonly string[], key: string): number {
  let latest = 1;
  for (const text of revisions) {
    // Others are of an earlier session of this browser, or of one under another path.
    if (!text.startsWith(key.slice(0, ID_CHARS), 2)) continue;
    const revision = Number.parseInt(text.slice(2 + ID_CHARS), 36);
    if (revision > latest) latest = revision;
  }
  return latest;
}

/** The `Set-Cookie` values by which the browser's revision cookies name this revision. */
export function revisionCookies(
  cookie: SessionCookie,
  secure: boolean,
  revisions: readonly string[],
  key: string,
  revision: number,
): string[] {
  if (lastSeenRevision(revisions, key) === revision) return NO_COOKIES;
  const slot = String(revision % SLOTS);
  const older = revisions.filter((text) => text[0] !== slot);
  const text = `${slot}=${key.slice(0, ID_CHARS)}${revision.toString(36)}`;
  return [cookie.issueRevision(text, secure), ...clearRevisionCookies(cookie, secure, older)];
}

/** The `Set-Cookie` values that clear these revision cookies: one for each name, however often a request has it. */
export function clearRevisionCookies(cookie: SessionCookie, secure: boolean, revisions: readonly string[]): string[] {
  if (revisions.length === 0) return NO_COOKIES;
  return Array.from(new Set(revisions.map((text) => text[0]!)), (digit) => cookie.clearRevision(digit, secure));
}
