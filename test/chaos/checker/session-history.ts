// Splits a history by sessions.
import type { Kind, Operation } from "../history.ts";
import type { Lives } from "./lives.ts";

/** A change, with the times that the checks of single keys need. */
export interface Write {
  operation: Operation;
  call: number;
  /** By then it had certainly happened. Infinity if it may never happen. */
  end: number;
}

/** The operations on one session, with all its tickets. */
export interface SessionHistory {
  root: string;
  /** Answered operations that found the session. */
  reads: Operation[];
  /** Operations that changed the session or may have. Refused ones are left out. */
  writes: Write[];
}

const WRITES: ReadonlySet<Kind> = new Set([
  ...(["set", "delete", "increment", "count", "append", "tag", "untag", "serial"] as const),
]);

/** `isRead`: whether what an operation saw counts. */
export function sessionHistories(
  operations: readonly Operation[],
  lives: Lives,
  isRead: (operation: Operation) => boolean,
): Map<string, SessionHistory> {
  const histories = new Map<string, SessionHistory>();
  const of = (root: string) => {
    const known = histories.get(root);
    if (known !== undefined) return known;
    const history: SessionHistory = { root, reads: [], writes: [] };
    histories.set(root, history);
    return history;
  };
  for (const operation of operations) {
    const { outcome, seen, kind, id } = operation;
    const root = lives.rootOf(operation);
    if (root === undefined) continue;
    if (outcome !== "unknown" && seen?.root != null && isRead(operation)) of(seen.root).reads.push(operation);
    if (!WRITES.has(kind) || outcome === "dropped") continue;
    const isCertain =
      outcome === "done" && (operation.save || id === undefined || !lives.mayHaveEnded(id, operation.end));
    of(root).writes.push({ operation, call: operation.call, end: isCertain ? operation.end : Infinity });
  }
  return histories;
}
