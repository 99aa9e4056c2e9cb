// The benchmark's application on Next, which is built before it runs.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import type { StoreName } from "../contender.ts";

const root = new URL("next/", import.meta.url);
const dir = fileURLToPath(root);

/** Installs Next if it is not there, and builds the application. */
export function buildNext(): void {
  const options = { cwd: dir, stdio: ["ignore", "ignore", "inherit"] as ("ignore" | "inherit")[] };
  if (!existsSync(new URL("node_modules/next", root))) {
    execFileSync("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], options);
  }
  const env = { ...process.env, NODE_ENV: "production", NEXT_TELEMETRY_DISABLED: "1" };
  execFileSync("npx", ["next", "build"], { ...options, env });
}

/** What `next()` gives. */
interface Next {
  prepare(): Promise<void>;
  getRequestHandler(): RequestListener;
}

/** `routes` is the folder of the routes with one kind of session. A request's own path is below it. */
export async function nextApp(routes: "bare" | "coatcheck" | "iron-session", store: StoreName): Promise<number> {
  Object.assign(process.env, { NEXT_TELEMETRY_DISABLED: "1", BENCH_STORE: store });
  const next = createRequire(root)("next") as (options: { dev: boolean; dir: string }) => Next;
  const app = next({ dev: false, dir });
  await app.prepare();
  const handle = app.getRequestHandler();
  const server = createServer((req, res) => {
    req.url = `/${routes}${req.url}`;
    return handle(req, res);
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}
