import type { CookieJar } from "./cookie.ts";
import type { SessionRecord } from "./record.ts";

/*
 * What a browser has seen of its session, for stores that keep copies. Each write to a session counts its revision up; the
 * browser gets it in a cookie beside the ticket's, a mark, and a server whose copy is older asks the store.
 *
 * The answers to parallel requests may arrive in any order, so the mark of an older revision must not replace that of a
 * newer one: neighbouring revisions have cookies of their own, and an answer takes away the marks that came with its
 * request, since it knows a newer one. Marks are not signed: a forged one only makes its browser's reads ask the store.
 */

// An answer that ten writes overtake may replace a newer mark.
const SLOTS = 10;
const ID_CHARS = 4;
const NO_COOKIES: string[] = [];

/** The revision of what is written over `base`. A record from before revisions were counted is as good as the first. */
export function nextRevision(base: SessionRecord | undefined): number {
  return base === undefined ? 1 : (base.revision ?? 1) + 1;
}

/** The latest revision that the marks say was seen of a session. 1, the first, if they say nothing: it needs no mark. */
export function lastSeen(marks: readonly string[], key: string): number {
  let latest = 1;
  for (const mark of marks) {
    // Of an earlier session of this browser, or of one under another path.
    if (!mark.startsWith(key.slice(0, ID_CHARS), 2)) continue;
    const revision = Number.parseInt(mark.slice(2 + ID_CHARS), 36);
    if (revision > latest) latest = revision;
  }
  return latest;
}

/** The `Set-Cookie` values that let the browser's marks say that it has seen this revision. */
export function markCookies(
  jar: CookieJar,
  secure: boolean,
  marks: readonly string[],
  key: string,
  revision: number,
): string[] {
  if (lastSeen(marks, key) === revision) return NO_COOKIES;
  const slot = String(revision % SLOTS);
  const older = marks.filter((mark) => mark[0] !== slot);
  const mark = `${slot}=${key.slice(0, ID_CHARS)}${revision.toString(36)}`;
  return [jar.mark(mark, secure), ...clearMarks(jar, secure, older)];
}

/** The `Set-Cookie` values that take these marks away. */
export function clearMarks(jar: CookieJar, secure: boolean, marks: readonly string[]): string[] {
  return marks.map((mark) => jar.clearMark(mark[0]!, secure));
}
