// Writes what CommonJS gets of each entry point: a module that requires the ES module, and its types. TypeScript lets no
// CommonJS file import the types of an ES module, but the type of each export.
//   node scripts/commonjs.ts    after the compiler has written dist/

import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

interface Entry {
  require: { types: string; default: string };
  default: string;
}

const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  exports: Record<string, Entry | string>;
};

for (const entry of Object.values(exports)) {
  if (typeof entry === "string") continue;
  const module = (await import(join(root, entry.default))) as Record<string, unknown>;
  const path = `./${basename(entry.default)}`;
  const stands = standsForModule(module);
  writeFileSync(join(root, entry.require.default), `module.exports = require("${path}")${stands ? ".default" : ""};\n`);
  const types = readFileSync(join(root, entry.default.replace(/\.js$/, ".d.ts")), "utf8");
  writeFileSync(
    join(root, entry.require.types),
    stands ? functionDeclarations(path, types) : declarations(path, module),
  );
}

/** Declares each export of a module as what it is in the module's own types. */
function declarations(path: string, module: Record<string, unknown>): string {
  const type = (name: string) => `import("${path}", { with: { "resolution-mode": "import" } }).${name}`;
  const lines = [`export type * from "${path}" with { "resolution-mode": "import" };`];
  for (const [name, value] of Object.entries(module)) {
    lines.push(`export declare const ${name}: typeof ${type(name)};`);
    if (isClass(value)) lines.push(`export type ${name} = ${type(name)};`);
  }
  return `${lines.join("\n")}\n`;
}

/** True if the module's default is a function that has all its other exports: `require` gives it, as of older packages. */
function standsForModule({ default: main, ...others }: Record<string, unknown>): boolean {
  if (typeof main !== "function" || Object.keys(others).length === 0) return false;
  return Object.entries(others).every(([name, value]) => value === main || (main as never)[name] === value);
}

/**
 * Declares a function with the module's types in its namespace. `SessionData` is an interface there, so that applications
 * can add to it.
 */
function functionDeclarations(path: string, types: string): string {
  const lists = types.matchAll(/^export (?:type )?\{([^}]*)\}/gm);
  const names = [...lists].flatMap(([, list]) => list!.split(",").map((name) => name.trim()));
  const unique = [...new Set(names)].filter((name) => /^[A-Z]\w*$/.test(name) && name !== "SessionData");
  return `import type * as module from "${path}" with { "resolution-mode": "import" };
declare const session: typeof module.default;
declare namespace session {
  interface SessionData extends module.SessionData {}
${unique.map((name) => `  type ${name} = module.${name};`).join("\n")}
}
declare global {
  namespace CoatcheckSession {
    interface Data extends session.SessionData {}
  }
}
export = session;
`;
}

function isClass(value: unknown): boolean {
  return typeof value === "function" && /^class\b/.test(Function.prototype.toString.call(value));
}
