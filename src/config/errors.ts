import { CoatcheckError } from "../errors.ts";

/** A configuration that can't be used. The message has a line for each problem: where, what it is, what was expected. */
export class ConfigError extends CoatcheckError {
  readonly problems: readonly string[];

  /** `source`: the file's name, or what else the configuration came from. */
  constructor(source: string, problems: string | readonly string[], cause?: unknown) {
    const all = typeof problems === "string" ? [problems] : problems;
    const message = all.length === 1 ? ` ${all[0]}` : all.map((problem) => `\n  - ${problem}`).join("");
    super("COATCHECK_CONFIG", `coatcheck: ${source}:${message}`, { cause });
    this.problems = all;
  }
}

/** `; did you mean "x"?` if one of the names is near, else a list of them. */
export function suggestion(name: string, names: readonly string[]): string {
  const near = nearest(name, names);
  if (near !== undefined) return `did you mean "${near}"?`;
  return names.length === 0 ? "nothing is expected there." : `known here: ${names.join(", ")}.`;
}

function nearest(name: string, names: readonly string[]): string | undefined {
  const ranked = names
    .map((candidate) => ({ candidate, edits: distance(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((one, other) => one.edits - other.edits);
  const [best] = ranked;
  return best !== undefined && best.edits <= Math.max(1, best.candidate.length / 3) ? best.candidate : undefined;
}

/** Letters to insert, remove, replace or swap with their neighbour. */
function distance(from: string, to: string): number {
  if (from.length > 100) return Infinity;
  const rows = [Array.from({ length: to.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= from.length; i++) {
    rows[i] = [i];
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1] ? 0 : 1;
      let least = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, rows[i - 1]![j - 1]! + same);
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) {
        least = Math.min(least, rows[i - 2]![j - 2]! + 1);
      }
      rows[i]![j] = least;
    }
  }
  return rows[from.length]![to.length]!;
}
