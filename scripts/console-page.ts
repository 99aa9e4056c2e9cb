// Builds the console's page if it is missing in dist/, or older than its sources.
//   node scripts/console-page.ts

import { globSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Rolldown } from "vite";

const root = fileURLToPath(new URL("..", import.meta.url));
const SOURCES = ["src/console/page/**/*.*", "src/console/protocol.ts", "package-lock.json"];
/** Where the server looks for it. */
export const CONSOLE_PAGE = join(root, "dist/console");

/** Several processes may do it together: none sees a page without its assets. */
export async function buildConsolePage(): Promise<void> {
  const newest = Math.max(...globSync(SOURCES, { cwd: root }).map((source) => timeOf(join(root, source))));
  if (timeOf(join(CONSOLE_PAGE, "index.html")) > newest) return;
  const built = await build({ configFile: join(root, "src/console/page/vite.config.ts") });
  const files = (built as Rolldown.RolldownOutput).output;
  const assets = join(CONSOLE_PAGE, "assets");
  mkdirSync(assets, { recursive: true });
  // The page comes last.
  for (const file of files.toSorted((a, b) => Number(isPage(a)) - Number(isPage(b)))) {
    replace(join(CONSOLE_PAGE, file.fileName), file.type === "chunk" ? file.code : file.source);
  }
  for (const name of readdirSync(assets)) {
    if (!files.some(({ fileName }) => fileName === `assets/${name}`)) rmSync(join(assets, name), { force: true });
  }
}

const isPage = ({ fileName }: { fileName: string }) => fileName.endsWith(".html");

const timeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** Another process sees the old file or the new one, and no half. */
function replace(path: string, content: string | Uint8Array): void {
  const unfinished = `${path}.${process.pid}`;
  writeFileSync(unfinished, content);
  renameSync(unfinished, path);
}

if (import.meta.main) await buildConsolePage();
