// Installs and starts an example with the library as it is here: node scripts/examples.ts koa
// With --copy, writes the shared design into each example that has a copy of it.

import { execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, globSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const DESIGN = ["style.css", "pages.ts"];

/** The names of all examples. */
export function exampleNames(): string[] {
  return readdirSync(join(root, "examples")).filter((name) => existsSync(join(root, "examples", name, "package.json")));
}

/** The copies of the design's files in the examples, as [copy, original]. */
export function designCopies(): [copy: string, original: string][] {
  return DESIGN.flatMap((file) =>
    globSync(`examples/*/**/${file}`, { cwd: root, exclude: (name) => basename(name) === "node_modules" })
      .filter((copy) => !copy.startsWith(join("examples", "design")) && !copy.includes("node_modules"))
      .map((copy): [string, string] => [join(root, copy), join(root, "examples/design", file)]),
  );
}

/** Packs the library, as npm would publish it. Returns the path of the tarball. */
export function packLibrary(): string {
  const folder = mkdtempSync(join(tmpdir(), "coatcheck-package-"));
  const packed = execFileSync("npm", ["pack", "--json", "--pack-destination", folder], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [{ filename }] = JSON.parse(packed.slice(packed.indexOf("[\n"))) as [{ filename: string }];
  return join(folder, filename);
}

/** Installs an example's packages into its folder, and the library from a tarball. */
export function installPackages(folder: string, tarball: string): void {
  const arguments_ = ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error", tarball];
  execFileSync("npm", arguments_, { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
}

/** The scripts of a folder's package.json. */
export function scriptsOf(folder: string): Record<string, string> {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).scripts ?? {};
}

if (import.meta.main) {
  const [name] = process.argv.slice(2);
  if (name === "--copy") {
    for (const [copy, original] of designCopies()) cpSync(original, copy);
  } else if (name === undefined || !exampleNames().includes(name)) {
    const names = exampleNames().join(", ");
    console.error(`Name an example: npm run example -- NAME, where NAME is one of ${names}.`);
    process.exitCode = 1;
  } else {
    start(name);
  }
}

function start(name: string): void {
  const folder = join(root, "examples", name);
  console.log("Packing coatcheck …");
  const tarball = packLibrary();
  console.log(`Installing the packages of examples/${name} …`);
  installPackages(folder, tarball);
  if (scriptsOf(folder).build !== undefined) {
    console.log("Building …");
    execFileSync("npm", ["run", "build"], { cwd: folder, stdio: "inherit" });
  }
  const port = process.env.PORT ?? "3000";
  console.log(`Starting: http://localhost:${port}`);
  spawn("npm", ["start"], { cwd: folder, stdio: "inherit", env: { ...process.env, PORT: port } });
}
