// Checks the names of options, and says which one was probably meant.

import { OptionError } from "../errors.ts";
import { redacted } from "../redaction/texts.ts";

/** What the value of an option has to be, where nothing else checks it. */
type Kind = "boolean" | "string" | "object";

/**
 * The options of an object: `true` for any value, the kind of the value, or the options of an object in it. A list of the
 * type `OptionNames<RedisOptions>` has every option and no other, or it does not compile.
 */
export type OptionNames<Options extends object> = {
  readonly [Name in keyof Required<Options>]: true | Kind | object;
};

/** What to do instead of an option that some other package has, by the option's path: `"cookie.httpOnly"`. */
export type OptionHints = Readonly<Record<string, string>>;

interface AnyNames {
  readonly [name: string]: true | Kind | AnyNames;
}

const FIXES: Record<Kind, string> = {
  boolean: "give true or false.",
  string: "give a text.",
  object: "give an object.",
};

/**
 * Refuses options that are misspelt or belong to another package, and values of a wrong kind, all of them in one error.
 *
 * @param owner what the options are for, for the message: "redis()".
 * @throws OptionError
 */
export function checkNames<Options extends object>(
  owner: string,
  options: Options | undefined,
  names: OptionNames<Options>,
  hints: OptionHints = {},
): void {
  const problems = nameProblems(owner, options, names, hints);
  if (problems.length > 0) throw new OptionError(problems);
}

/** What is wrong with the names, each problem in one sentence. */
export function nameProblems<Options extends object>(
  owner: string,
  options: Options | undefined,
  names: OptionNames<Options>,
  hints: OptionHints = {},
): string[] {
  if (!isPlain(options)) return notAnObject(`the options of ${owner} are`, options, names as AnyNames);
  return unknownNames(owner, options, names as AnyNames, hints, "");
}

function unknownNames(owner: string, options: object, names: AnyNames, hints: OptionHints, parent: string): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const path = parent + name;
    const known = Object.hasOwn(names, name) ? names[name] : undefined;
    if (known === true || (known !== undefined && value === undefined)) return [];
    if (typeof known === "string") {
      const fits = typeof value === known && value !== null;
      return fits ? [] : new OptionError(path, value, FIXES[known]).problems;
    }
    if (known !== undefined) {
      return isPlain(value)
        ? unknownNames(owner, value, known, hints, `${path}.`)
        : notAnObject(`option "${path}" is`, value, known);
    }
    const fix = Object.hasOwn(hints, path) ? hints[path]! : suggestion(name, Object.keys(names));
    return [`option "${redacted(path)}" of ${owner} is unknown: ${fix}`];
  });
}

function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function notAnObject(subject: string, value: unknown, names: AnyNames): string[] {
  const kind =
    value === undefined ? "missing" : value === null ? "null" : Array.isArray(value) ? "an array" : `a ${typeof value}`;
  return [`${subject} ${kind}: give an object, such as { ${Object.keys(names)[0]}: … }.`];
}

/** `did you mean "x"?` if one of the names is similar, else the list of them. */
export function suggestion(name: string, names: readonly string[]): string {
  const similar = mostSimilar(name, names);
  if (similar !== undefined) return `did you mean "${similar}"?`;
  return names.length === 0 ? "none is defined." : `expected one of ${names.join(", ")}.`;
}

/** The name that is nearly the same, or undefined. */
export function mostSimilar(name: string, names: readonly string[]): string | undefined {
  const ranked = names
    .map((candidate) => ({ candidate, edits: distance(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((one, other) => one.edits - other.edits);
  const [best] = ranked;
  return best !== undefined && best.edits <= Math.max(1, best.candidate.length / 3) ? best.candidate : undefined;
}

/** The edit distance: letters to insert, delete, replace, or swap with their neighbour. */
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
