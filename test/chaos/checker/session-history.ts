import type { Kind, Operation } from "../history.ts";
import type { Lives } from "./lives.ts";

/** A change as the checks of single keys see it. */
export interface Write {
  operation: Operation;
  call: number;
  /** When it had surely happened; Infinity: perhaps it never does. */
  end: number;
}

/** Everything that was done to one session, under all its tickets. */
export interface SessionHistory {
  root: string;
  /** Answered operations that found the session. */
  reads: Operation[];
  /** What changed it or may have. What was refused is left out. */
  writes: Write[];
}

const WRITES: ReadonlySet<Kind> = new Set([
  ...(["set", "delete", "increment", "count", "append", "tag", "untag", "serial"] as const),
]);

/** Parts a history by sessions. */
export function sessionHistories(operations: readonly Operation[], lives: Lives): Map<string, SessionHistory> {
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
    if (outcome !== "unknown" && seen?.root != null) of(seen.root).reads.push(operation);
    if (!WRITES.has(kind) || outcome === "dropped") continue;
    const surely = outcome === "done" && (operation.save || id === undefined || !lives.mayHaveEnded(id, operation.end));
    of(root).writes.push({ operation, call: operation.call, end: surely ? operation.end : Infinity });
  }
  return histories;
}
