// Loading a module does nothing: no random numbers, no timers, no I/O.

import assert from "node:assert/strict";
import { globSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run, tempDir } from "./servers/process.ts";

const SRC = join(import.meta.dirname, "../src");
const WATCHER = join(import.meta.dirname, "fixtures/module-load/watcher.ts");
/** Programs of their own, and no modules to import. */
const PROGRAMS = ["cli/index.ts", "conformance/worker.ts"];

async function doneWhileLoading(folder: string, modules: string[]): Promise<string[]> {
  const printed = await run(process.execPath, [
    WATCHER,
    `${folder}/`,
    ...modules.map((module) => join(folder, module)),
  ]);
  return JSON.parse(printed.trim().split("\n").at(-1)!) as string[];
}

// Some runtimes, such as Cloudflare's workerd, refuse a module that does any of it while it loads.
test("nothing random, no timer and no I/O while a module loads", async () => {
  // The console's page runs in browsers.
  const files = globSync("**/*.ts", { cwd: SRC }).filter((file) => !file.startsWith("console/page/"));
  const modules = files.filter((file) => !PROGRAMS.includes(file));
  assert.ok(modules.length > 100);
  assert.deepEqual(await doneWhileLoading(SRC, modules), []);
});

test("what a module does while it loads would be found", async () => {
  const folder = tempDir("module");
  const lines = [
    'import { randomInt } from "node:crypto";',
    'import { existsSync } from "node:fs";',
    "export const a = randomInt(10);",
    "export const b = existsSync(import.meta.filename);",
    "export const c = crypto.randomUUID();",
    "setTimeout(() => {}, 1);",
  ];
  writeFileSync(join(folder, "module.mjs"), lines.join("\n"));
  const found = await doneWhileLoading(folder, ["module.mjs"]);
  assert.deepEqual(found.map((line) => line.split(" ")[0]).sort(), [
    "crypto.randomInt",
    "crypto.randomUUID",
    "fs.existsSync",
    "setTimeout",
  ]);
});
