// The source files of a project, and what git says of them.

import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join, sep } from "node:path";

const SOURCE = /\.[mc]?[jt]sx?$/;
/** Larger files are bundles, and not what somebody writes. */
const MAX_BYTES = 1_000_000;

/**
 * The source files in a folder, in order: those that git does not ignore or, without git, all. Folders `node_modules` are
 * never looked into.
 */
export function sourceFiles(folder: string): string[] {
  const listed = git(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard")?.split("\0");
  const files = (listed ?? readdirSync(folder, { recursive: true, encoding: "utf8" })).filter(
    (file) => SOURCE.test(file) && !file.split(/[/\\]/).some((part) => part === "node_modules" || part === ".git"),
  );
  return files
    .map((file) => file.replaceAll(sep, "/"))
    .filter((file) => {
      const found = statSync(join(folder, file), { throwIfNoEntry: false });
      return found?.isFile() && found.size <= MAX_BYTES;
    })
    .sort();
}

/** Why the folder's files can't be brought back by git, if so. */
export function whyUnsafe(folder: string): string | undefined {
  const status = git(folder, "status", "--porcelain", "--", ".");
  if (status === undefined) return "this folder is not in a git repository, so a change can't be undone";
  return status === "" ? undefined : "there are changes that are not committed, and would be mixed with these";
}

function git(folder: string, ...args: string[]): string | undefined {
  try {
    return execFileSync("git", args, {
      cwd: folder,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      maxBuffer: 2 ** 28,
    });
  } catch {
    return undefined;
  }
}
