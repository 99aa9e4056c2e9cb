// Warns, outside of production, of changes that came too late to be saved.

import type { Changes } from "../commit/merge.ts";
import { RESERVED, type SessionRecord } from "../records/record.ts";
import type { WorkingCopy } from "./working-copy.ts";

// An application has a few such places. A key that comes from outside must not fill the memory.
const MAX_WARNINGS = 100;
const warned = new Set<string>();

let inProduction: boolean | undefined;

/** Reads the environment once, when it is first needed: each read of it costs as much as a small request. */
export function isProduction(): boolean {
  inProduction ??= process.env.NODE_ENV === "production";
  return inProduction;
}

/** The keys that were changed in place after the commit, or in mode readonly. */
export function lateKeys(
  keys: WorkingCopy,
  record: SessionRecord | undefined,
  committed: Changes | undefined,
): string[] {
  try {
    if (committed !== undefined) keys.rebase(record!, committed);
    const names = keys.changes()?.keys.map(({ key }) => key) ?? [];
    return names.filter((name) => !name.startsWith(RESERVED));
  } catch {
    return keys.keys(); // one of them can't be stored
  }
}

/** Warns once of these keys. */
export function warnOfLateChange(id: string, keys: readonly string[], isReadonly: boolean): void {
  const names = keys.map((key) => `"${key}"`).join(", ");
  if (warned.has(names) || warned.size === MAX_WARNINGS) return;
  warned.add(names);
  const why = isReadonly
    ? 'the request had opened the session with mode "readonly". Use "merge" to change it'
    : "the response had started, and the session was committed. Change it before the first byte";
  process.emitWarning(
    `coatcheck: a change in place of ${names} in session ${id} is not saved: ${why}. (The event lateChange reports each.)`,
    { code: "COATCHECK_LATE_CHANGE" },
  );
}
