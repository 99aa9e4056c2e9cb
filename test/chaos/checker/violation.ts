// The violations that the checker reports.
import type { Operation } from "../history.ts";

/** Kinds of violations. */
export type Anomaly =
  /** An acknowledged write is never seen again. */
  | "lost update"
  /** A read missed what had been acknowledged or seen before it began. */
  | "stale read"
  /** A session was found or stored after it had ended. */
  | "revived session"
  /** A session was not found, although it had not ended. */
  | "lost session"
  /** A browser saw another session's data. */
  | "foreign data"
  /** A value was seen that was not written by then, was refused, or counts twice. */
  | "impossible value"
  /** Two requests had the session in exclusive mode at the same time, and both wrote. */
  | "lock overlap"
  /** A reader saw a part of one write. */
  | "torn read";

export interface Violation {
  anomaly: Anomaly;
  /** The violation in a sentence. */
  message: string;
  /** The operations that contradict each other. */
  operations: Operation[];
}
