// What migrate-from finds: changes that it can make, and places that a person has to look at.

import type { Node } from "./syntax.ts";

/** A place in a file. */
export interface Suggestion {
  file: string;
  line: number;
  /** What is there. */
  found: string;
  /** What to write instead, or what to do. */
  change: string;
  /** Why a person has to do it. Undefined: `--write` does. */
  why?: string;
  /** What `--write` replaces. */
  edit?: Edit;
}

export interface Edit {
  start: number;
  end: number;
  text: string;
}

const MAX_QUOTED = 100;

/** A suggestion for a person. `shown`: the part of the file that is quoted. */
export function byHand(file: string, text: string, shown: Node, change: string, why: string): Suggestion {
  return { file, line: shown.loc.start.line, found: quoted(text, shown), change, why };
}

/** The text of a node, on one line and shortened. */
export function quoted(text: string, { start, end }: Node): string {
  const line = text.slice(start, end).replace(/\s+/g, " ");
  return line.length > MAX_QUOTED ? `${line.slice(0, MAX_QUOTED - 1)}…` : line;
}

/** Applies edits to a text. They do not overlap. */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  let result = text;
  for (const { start, end, text: replacement } of [...edits].sort((one, other) => other.start - one.start)) {
    result = result.slice(0, start) + replacement + result.slice(end);
  }
  return result;
}
