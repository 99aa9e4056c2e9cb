import type { Operation } from "../history.ts";

/** What must not happen. */
export type Wrong =
  /** A write that was acknowledged is not there, and does not come back. */
  | "lost update"
  /** A read saw less than had been acknowledged, or seen, before it began. */
  | "stale read"
  /** A session that had ended was seen, or stored, again. */
  | "revived session"
  /** A session that nobody ended is not there. */
  | "lost session"
  /** A browser saw what belongs to another session. */
  | "foreign data"
  /** A value that nobody can have written by then, that was refused, or that counts twice. */
  | "impossible value"
  /** Two had the session for themselves at the same time, and both wrote. */
  | "lock overlap"
  /** A reader saw half of what was written in one go. */
  | "torn read";

export interface Violation {
  wrong: Wrong;
  /** What is wrong, in a sentence. */
  message: string;
  /** The operations that can't all have happened. */
  operations: Operation[];
}
