// Makes the application that the runtimes run: the packed library, the clients of databases, and the program.

import { cpSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { packLibrary } from "../../scripts/examples.ts";
import { tempDir } from "../servers/process.ts";
import { npm } from "./runtimes.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  exports: Record<string, string | { default: string }>;
  devDependencies: Record<string, string>;
};

/** The packages that the program needs beside the library. */
const PACKAGES = ["redis", "pg", "hono", "h3", "elysia"];

/** Installs the packed library into a new folder, and puts the program beside it. Gives the program's folder. */
export function prepareApp(): string {
  const folder = tempDir("runtimes-app");
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const packages = PACKAGES.map((name) => `${name}@${manifest.devDependencies[name]}`);
  npm(["install", process.env.COATCHECK_TARBALL ?? packLibrary(), ...packages], folder);
  const files = [...globSync("test/runtimes/app/*.ts", { cwd: root }), "test/adapters/suite-app.ts"];
  for (const file of files) {
    const target = join(folder, file);
    mkdirSync(dirname(target), { recursive: true });
    cpSync(join(root, file), target);
    writeFileSync(target, importingPackage(file, readFileSync(target, "utf8")));
  }
  return join(folder, "test/runtimes/app");
}

/** The text of a file with the package in place of the sources. */
function importingPackage(file: string, text: string): string {
  return text.replace(/(?<=from |import\()"([^"]+)"/g, (given, path: string) => {
    const source = relative(root, join(root, dirname(file), path));
    if (!path.startsWith(".") || !source.startsWith("src/")) return given;
    const built = source.replace(/^src/, "./dist").replace(/\.ts$/, ".js");
    const entry = Object.entries(manifest.exports).find(([, to]) => typeof to !== "string" && to.default === built);
    if (entry === undefined) throw new Error(`${file} imports ${source}, which is no entry point`);
    return `"coatcheck${entry[0].slice(1)}"`;
  });
}
