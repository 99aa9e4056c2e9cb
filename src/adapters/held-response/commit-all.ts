// Commits the sessions of a response together.

import { CoatcheckError } from "../../index.ts";
import type { Entry, HeldResponse, Hold } from "../hold.ts";
import { replacedSessionError } from "../property-errors.ts";

/** Commits all sessions of the response. A rejection waits until the others are committed, too. */
export function commitAll(res: HeldResponse, hold: Hold): string[] | Promise<string[]> {
  let commits: (string[] | Promise<string[]>) | undefined;
  for (let entry: Entry | undefined = hold; entry !== undefined; entry = entry.next) {
    const commit = commitOne(res, entry);
    commits = commits === undefined ? commit : both(commits, commit);
  }
  if (Array.isArray(commits) && commits.length > 0 && res.headersSent) return Promise.reject(lateSessionError());
  return commits!;
}

function commitOne(res: HeldResponse, { session, req, property, saveFailed }: Entry): string[] | Promise<string[]> {
  if (property !== undefined && (req as Record<string, unknown>)[property] !== session) {
    session.discard();
    return both(session.commit(), Promise.reject(replacedSessionError("req", property)));
  }
  if (res.statusCode >= 500 && !saveFailed) session.discard();
  return session.commit();
}

function both(one: string[] | Promise<string[]>, other: string[] | Promise<string[]>): string[] | Promise<string[]> {
  if (Array.isArray(one) && Array.isArray(other)) return withoutClash(one, other);
  return Promise.allSettled([one, other]).then(([one, other]) => {
    if (one.status === "rejected") throw one.reason;
    if (other.status === "rejected") throw other.reason;
    return withoutClash(one.value, other.value);
  });
}

function withoutClash(one: string[], other: string[]): string[] {
  const names = new Set(one.map(nameOf));
  const clash = other.map(nameOf).find((name) => names.has(name));
  if (clash !== undefined) {
    process.emitWarning(
      `coatcheck: two sessions of one response have the same cookie "${clash}", so the browser keeps only one of them. Give one a name of its own: createSessions({ cookie: { name } }).`,
      { code: "COATCHECK_SAME_COOKIE" },
    );
  }
  return [...one, ...other];
}

function nameOf(cookie: string): string {
  return cookie.slice(0, cookie.indexOf("="));
}

/** The error for a session that was opened after its response had started. */
export function lateSessionError(): CoatcheckError {
  return new CoatcheckError(
    "COATCHECK_LATE",
    "coatcheck: the response had started before its session was opened, so the session's cookie can't be sent. Put session() before what writes the response.",
  );
}
