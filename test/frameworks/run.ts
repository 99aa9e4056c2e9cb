// Runs the tests of the examples and of the frameworks that only an example installs: node test/frameworks/run.ts [NAME …]

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { exampleNames, packLibrary } from "../../scripts/examples.ts";

const fileOf = (name: string) => fileURLToPath(new URL(`${name}.ts`, import.meta.url));
const all = [...exampleNames(), "recipes"].filter((name) => existsSync(fileOf(name)));
const given = process.argv.slice(2);
const unknown = given.find((name) => !all.includes(name));
if (unknown !== undefined) {
  console.error(`There are no tests of "${unknown}". There are those of ${all.join(", ")}.`);
  process.exit(1);
}

console.log("Packing the library …");
const env = { ...process.env, COATCHECK_TARBALL: packLibrary() };
const files = (given.length > 0 ? given : all).map(fileOf);
const args = ["--test", "--test-concurrency=2", "--test-timeout=600000", ...files];
spawn(process.execPath, args, { stdio: "inherit", env }).on("exit", (code) => {
  process.exitCode = code ?? 1;
});
