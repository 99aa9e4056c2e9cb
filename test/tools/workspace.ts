// The tools, installed once, and folders with the packed library for the projects.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { packLibrary } from "../../scripts/examples.ts";

/** Where the tools stay between runs, outside of the repository. */
const CACHE = process.env.COATCHECK_TOOLS ?? join(tmpdir(), "coatcheck-tools");

const TOOLS = [
  "node22@npm:node@22",
  "esbuild@0.28",
  "webpack@5",
  "webpack-cli@7",
  "rollup@4",
  "@rollup/plugin-node-resolve@16",
  "@rollup/plugin-commonjs@29",
  "@rollup/plugin-json@6",
  "jest@30",
  "ts-jest@29",
  "@swc/core@1",
  "@swc/jest@0.2",
  "vitest@4",
  "pnpm@11",
  "@yarnpkg/cli-dist@4",
  "express@5",
  "@types/express@5",
  "@types/node@24",
  "ts50@npm:typescript@5.0",
  "ts53@npm:typescript@5.3",
  "ts56@npm:typescript@5.6",
  "ts59@npm:typescript@5.9",
  "ts60@npm:typescript@6",
  "ts70@npm:typescript@7",
  "typescript@npm:typescript@5.9",
];

export interface Workspace {
  /** The packed library. */
  tarball: string;
  /** A new project that finds the tools and the library, with these files. */
  project(name: string, files: Record<string, string>): Project;
  /** A new project that finds nothing but what it installs. */
  empty(name: string, files: Record<string, string>): Project;
  /** The version of an installed tool. */
  version(tool: string): string;
  close(): void;
}

export interface Project {
  folder: string;
  /** Runs a program of the project or the tools. Throws its output if it fails. */
  run(command: string, args: string[], env?: Record<string, string>): string;
}

/** Installs the tools if they are not there, and the library into a new folder. */
export function openWorkspace(): Workspace {
  const done = join(CACHE, "installed");
  const wanted = TOOLS.join("\n");
  if (!existsSync(done) || readFileSync(done, "utf8") !== wanted) {
    mkdirSync(CACHE, { recursive: true });
    const allowScripts = { node: true, node22: true, esbuild: true, "@swc/core": true };
    writeFileSync(join(CACHE, "package.json"), JSON.stringify({ private: true, allowScripts }));
    run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", "--legacy-peer-deps", ...TOOLS], CACHE);
    writeFileSync(done, wanted);
  }
  // Inside of the cache, so that projects find the tools above them.
  const home = mkdtempSync(join(CACHE, "run-"));
  const away = mkdtempSync(join(tmpdir(), "coatcheck-projects-"));
  writeFileSync(join(home, "package.json"), '{ "private": true }');
  const tarball = process.env.COATCHECK_TARBALL ?? packLibrary();
  run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", tarball], home);
  const bin = join(CACHE, "node_modules/.bin");

  function projectIn(parent: string, name: string, files: Record<string, string>): Project {
    const folder = join(parent, name.replaceAll(/\W+/g, "-"));
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), text);
    }
    return {
      folder,
      run(command, args, env = {}) {
        const tool = join(bin, command);
        return run(existsSync(tool) ? tool : command, args, folder, env);
      },
    };
  }

  return {
    tarball,
    project: (name, files) => projectIn(home, name, files),
    empty: (name, files) => projectIn(away, name, files),
    version: (tool) => JSON.parse(readFileSync(join(CACHE, "node_modules", tool, "package.json"), "utf8")).version,
    close() {
      for (const folder of [home, away]) rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The path of Node 22, the oldest that the library supports. */
export const NODE_22 = join(CACHE, "node_modules/node22/bin/node");

/** The folder of a tool. */
export const toolPath = (...path: string[]) => join(CACHE, "node_modules", ...path);

function run(command: string, args: string[], cwd: string, env: Record<string, string> = {}): string {
  try {
    return execFileSync(command, args, {
      cwd,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NODE_OPTIONS: "", NODE_TEST_CONTEXT: "", CI: "1", ...env },
    });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${command} ${args.join(" ")} fails:\n${stdout ?? ""}\n${stderr ?? error}`);
  }
}
