// Builds the console's page if it is missing in dist/, or older than its sources.
//   node scripts/console-page.ts

import { globSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const root = fileURLToPath(new URL("..", import.meta.url));
const SOURCES = ["src/console/page/**/*.*", "src/console/protocol.ts", "package-lock.json"];
const BUILT = "dist/console/index.html";

const timeOf = (path: string) => statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** Several processes may call it together. */
export async function buildConsolePage(): Promise<void> {
  const newest = Math.max(...globSync(SOURCES, { cwd: root }).map(timeOf));
  if (timeOf(BUILT) > newest) return;
  await build({ configFile: join(root, "src/console/page/vite.config.ts") });
}

if (import.meta.main) await buildConsolePage();
