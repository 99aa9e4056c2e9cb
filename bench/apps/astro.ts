// The benchmark's application on Astro, which is built before it runs.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";

const root = new URL("astro/", import.meta.url);
const cwd = fileURLToPath(root);

/** What a request's session is: none, coatcheck's, or Astro's own. */
const VARIANTS = ["bare", "coatcheck", "own"] as const;

/** Installs Astro if it is not there, and builds the application with each kind of session. */
export function buildAstro(): void {
  const stdio = ["ignore", "ignore", "inherit"] as const;
  if (!existsSync(new URL("node_modules/astro", root))) {
    execFileSync("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], {
      cwd,
      stdio: [...stdio],
    });
  }
  for (const variant of VARIANTS) {
    execFileSync("npx", ["astro", "build", "--silent"], {
      cwd,
      stdio: [...stdio],
      env: { ...process.env, NODE_ENV: "production", ASTRO_TELEMETRY_DISABLED: "1", BENCH_VARIANT: variant },
    });
  }
}

export async function astroApp(variant: (typeof VARIANTS)[number]): Promise<number> {
  const { handler } = (await import(new URL(`dist/${variant}/server/entry.mjs`, root).href)) as {
    handler: RequestListener;
  };
  const server = createServer(handler);
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}
