// Uses the packed library with the tools that applications are made with: node test/tools/run.ts [--write] [WORD …]
// With words, only what has one of them in its name runs. With --write, the tables of docs/runtimes.md are written, too.

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { printTable, writeTable } from "../support/doc-table.ts";
import { CASES, COMPILERS, compile, SETUPS } from "./projects.ts";
import { openWorkspace } from "./workspace.ts";

const write = process.argv.includes("--write");
const words = process.argv.slice(2).filter((word) => word !== "--write");
const isWanted = (name: string) =>
  words.length === 0 || words.some((word) => name.toLowerCase().includes(word.toLowerCase()));

console.log("Installing the tools and the library …");
const workspace = openWorkspace();
const failures: string[] = [];

function attempt(name: string, run: () => void): string {
  if (!isWanted(name)) return "not run";
  console.log(`${name} …`);
  try {
    run();
    return "works";
  } catch (error) {
    failures.push(`${name}: ${(error as Error).message}`);
    return "fails";
  }
}

const tools = [
  ["tool", "version", "what", ""],
  ...CASES.map(({ tool, what, version, run }) => {
    const name = `${tool}: ${what}`;
    return [tool, workspace.version(version), what, attempt(name, () => run(workspace))];
  }),
];
const compilers = [
  ["TypeScript", ...SETUPS.map(({ name }) => name)],
  ...COMPILERS.map((compiler) => {
    const version = workspace.version(compiler);
    const cells = SETUPS.map((setup) => {
      const why = setup.without?.[compiler];
      const compiles = () => compile(workspace, compiler, setup);
      const name = `TypeScript ${version}: ${setup.name}`;
      if (why === undefined) return attempt(name, compiles);
      return attempt(`${name} ${why}`, () => assert.throws(compiles)) === "works" ? why : "works, which it should not";
    });
    return [version, ...cells];
  }),
];
workspace.close();

printTable(tools);
console.log();
printTable(compilers);
for (const failure of failures) console.log(`\n${failure}`);
if (write) {
  const page = fileURLToPath(new URL("../../docs/runtimes.md", import.meta.url));
  writeTable(page, "tools", tools);
  writeTable(page, "compilers", compilers);
}
console.log(failures.length === 0 ? "Everything works." : `${failures.length} fail.`);
process.exitCode = failures.length === 0 ? 0 : 1;
