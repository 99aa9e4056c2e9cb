// What doctor finds.

/**
 * - `error`: users are affected now, or sessions are not safe.
 * - `warning`: something will go wrong, or is slower or weaker than it has to be.
 * - `ok`: was looked at, and is well.
 */
export type Severity = "error" | "warning" | "ok";

export interface Finding {
  severity: Severity;
  /** A short name that stays the same, for scripts. */
  check: string;
  /** What is there. */
  what: string;
  /** Why it matters. */
  why?: string;
  /** What to do, to be pasted where that is possible. */
  fix?: string;
}

export function ok(check: string, what: string): Finding {
  return { severity: "ok", check, what };
}

export function warning(check: string, what: string, why: string, fix: string): Finding {
  return { severity: "warning", check, what, why, fix };
}

export function problem(check: string, what: string, why: string, fix: string): Finding {
  return { severity: "error", check, what, why, fix };
}
