// Installs, builds and starts examples as their users would, in a temporary folder, with the packed library.

import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installPackages, packLibrary, scriptsOf } from "../../scripts/examples.ts";
import { freePort, launch, run, type ServerProcess, tempDir } from "../servers/process.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Installs an example, with the files of test/frameworks/<name>/ over it if there are any: routes for the adapters' suite,
 * which `placeSuite` gives them. Returns the folder.
 */
export function installExample(name: string): string {
  const folder = join(tempDir(`example-${name}`), name);
  const isSource = (path: string) =>
    !/\/(node_modules|\.next|\.svelte-kit|\.output|\.astro|dist|build)(\/|$)/.test(path);
  cpSync(join(root, "examples", name), folder, { recursive: true, filter: isSource });
  const overlay = join(root, "test/frameworks", name);
  if (existsSync(overlay)) cpSync(overlay, folder, { recursive: true });
  process.env.COATCHECK_TARBALL ??= packLibrary();
  installPackages(folder, process.env.COATCHECK_TARBALL);
  return folder;
}

/** Writes the suite's route to a path in an installed example. It imports the package there, and not the sources. */
export function placeSuite(folder: string, path: string): void {
  const text = readFileSync(join(root, "test/adapters/suite-app.ts"), "utf8");
  writeFileSync(join(folder, path), text.replaceAll("../../src/index.ts", "coatcheck"));
}

/** Runs a script of an example's package.json, if it is there. Rejects with its output if it fails. */
export async function runScript(folder: string, script: string): Promise<void> {
  if (scriptsOf(folder)[script] === undefined) return;
  await run("npm", ["run", script], { cwd: folder, env: environment() });
}

/** Starts an example by `npm start` on a free port. */
export async function startExample(
  folder: string,
  env: Record<string, string> = {},
): Promise<ServerProcess & { url: string }> {
  const port = await freePort();
  const url = `http://localhost:${port}`;
  const server = await launch({
    name: `npm start in ${folder}`,
    command: "npm",
    args: ["start"],
    cwd: folder,
    env: environment({ PORT: String(port), HOST: "127.0.0.1", ORIGIN: url, ...env }),
    ready: async () => (await fetch(url)).status < 500,
    timeout: 60_000,
  });
  // A signal to npm alone does not reach the server that it has started.
  return Object.assign(server, { url, stop: () => server.kill() });
}

/** Removes an installed example. */
export function removeExample(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

/** Nothing of the test runner, whose children would think that they are tests. */
function environment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _, NODE_OPTIONS: __, ...env } = process.env;
  return { ...env, NEXT_TELEMETRY_DISABLED: "1", ASTRO_TELEMETRY_DISABLED: "1", ...more };
}
