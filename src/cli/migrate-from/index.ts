// Looks through a project for a session package: what can be changed, and what a person has to change.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CoatcheckError } from "../../errors.ts";
import { suggestByHand } from "./by-hand.ts";
import { adviseOnPackages, suggestDropIn } from "./drop-in.ts";
import { PACKAGES } from "./packages.ts";
import { sourceFiles } from "./project.ts";
import { findReferences } from "./references.ts";
import { applyEdits, type Suggestion } from "./suggestion.ts";
import { loadParser, type Parse } from "./syntax.ts";

/** What was found in a project. */
export interface Survey {
  files: number;
  suggestions: Suggestion[];
  /** Files that could not be read, and why. They may use the package. */
  unreadable: { file: string; why: string }[];
  /** What to do with packages. */
  packages: string[];
}

export const PACKAGE_NAMES: readonly string[] = ["express-session", ...Object.keys(PACKAGES)];

/** Looks for a package in the source files of a folder. */
export async function survey(packageName: string, folder: string): Promise<Survey> {
  let parse: Parse | undefined;
  const files = sourceFiles(folder);
  const result: Survey = { files: files.length, suggestions: [], unreadable: [], packages: [] };
  for (const file of files) {
    try {
      const text = read(join(folder, file));
      if (!mayUse(packageName, text)) continue;
      parse ??= await loadParser(folder);
      result.suggestions.push(...suggest(packageName, file, text, parse));
    } catch (error) {
      if (error instanceof CoatcheckError) throw error;
      result.unreadable.push({ file, why: (error as Error).message });
    }
  }
  if (packageName === "express-session") result.packages = adviseOnPackages(folder);
  return result;
}

/** Writes the changes. Returns how many files were written. */
export function writeChanges(folder: string, suggestions: readonly Suggestion[]): number {
  const byFile = Map.groupBy(
    suggestions.filter(({ edit }) => edit !== undefined),
    ({ file }) => file,
  );
  for (const [file, changes] of byFile) {
    const path = join(folder, file);
    writeFileSync(
      path,
      applyEdits(
        read(path),
        changes.map(({ edit }) => edit!),
      ),
    );
  }
  return byFile.size;
}

/** Most files have nothing of it, and need not be parsed. A computed name does not name the package. */
function mayUse(packageName: string, text: string): boolean {
  const hints = Object.hasOwn(PACKAGES, packageName) ? ["session", "Session"] : ["session", "require(", "import("];
  return hints.some((hint) => text.includes(hint));
}

function suggest(packageName: string, file: string, text: string, parse: Parse): Suggestion[] {
  const tree = parse(text, file);
  const references = findReferences(tree, packageName);
  const rules = PACKAGES[packageName];
  return rules === undefined
    ? suggestDropIn(file, text, references)
    : suggestByHand({ file, text, tree }, references, rules);
}

function read(path: string): string {
  // A byte order mark stays in the text, and places count it.
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(readFileSync(path));
}
