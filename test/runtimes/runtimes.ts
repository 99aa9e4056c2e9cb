// The runtimes: how each is installed from npm, and how it runs the program.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { launch, tempDir } from "../servers/process.ts";

/** A server that runs the program. */
export interface Running {
  url: string;
  stop(): Promise<void>;
}

export interface Runtime {
  name: string;
  /** The version that runs, after `install`. */
  version(): string;
  /** The parts and adapters that make no sense there, and why. They are not run. */
  without: Readonly<Record<string, string>>;
  /** True: its parts follow each other. A thousand Durable Objects on one thread would hold up the cases of another part. */
  oneByOne?: boolean;
  start(app: string, env: Record<string, string>): Promise<Running>;
}

/** Where runtimes stay between runs. Outside of the repository, since they take 600 MB. */
const CACHE = process.env.COATCHECK_RUNTIMES ?? join(tmpdir(), "coatcheck-runtimes");

/** A date on which `nodejs_compat` has all that the newest workerd has. It may not be later than the installed release. */
const COMPATIBILITY_DATE = "2026-07-01";

const NO_BINDING = "needs a binding of Cloudflare";
const EDGE_STORES = { d1: NO_BINDING, "durable-object": NO_BINDING, "durable-object with shards": NO_BINDING };

/** @throws Error with npm's output, if a package can't be had. */
export function runtimes(): Record<string, () => Runtime> {
  return {
    "node 22": () => onServer("Node 22", install("node22", "node@22"), "node_modules/node/bin/node", []),
    "node 24": () => onServer("Node 24", install("node24", "node@24"), "node_modules/node/bin/node", []),
    "node 26": () => onServer("Node 26", install("node26", "node@26"), "node_modules/node/bin/node", []),
    bun: () => onServer("Bun", install("bun", "bun@1"), "node_modules/bun/bin/bun.exe", ["run"]),
    deno: () => onServer("Deno", install("deno", "deno@2"), "node_modules/deno/deno", DENO),
    workerd: () => onWorkerd(install("workerd", "miniflare@4", "esbuild@0.28")),
  };
}

const DENO = ["run", "--allow-all", "--node-modules-dir=manual", "--no-check", "--quiet"];

/** Installs packages once, and gives their folder. Their scripts fetch the binaries from npm. */
function install(name: string, ...packages: string[]): string {
  const folder = join(CACHE, name);
  const done = join(folder, "installed");
  if (existsSync(done)) return folder;
  mkdirSync(folder, { recursive: true });
  const allowScripts = Object.fromEntries(
    ["node", "bun", "deno", "workerd", "esbuild", "sharp"].map((script) => [script, true]),
  );
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, allowScripts }));
  npm(["install", ...packages], folder);
  writeFileSync(done, packages.join("\n"));
  return folder;
}

/** Installs packages into an application's folder. */
export function npm(args: string[], cwd: string): void {
  try {
    execFileSync("npm", [...args, "--no-audit", "--no-fund", "--loglevel=error"], { cwd, stdio: "pipe" });
  } catch (error) {
    throw new Error(`npm ${args.join(" ")}: ${(error as { stderr?: Buffer }).stderr?.toString() ?? error}`);
  }
}

function onServer(name: string, folder: string, path: string, args: string[]): Runtime {
  const command = join(folder, path);
  return {
    name,
    version: () => /\d+\.\d+\.\d+/.exec(execFileSync(command, ["--version"], { encoding: "utf8" }))![0],
    without: EDGE_STORES,
    async start(app, env) {
      let port: string | undefined;
      const server = await launch({
        name,
        command,
        args: [...args, "serve.ts"],
        cwd: app,
        env: {
          ...process.env,
          ...env,
          NAME: name.toLowerCase().replace(" ", ""),
          FOLDER: tempDir("runtime"),
          NODE_OPTIONS: "",
          NODE_TEST_CONTEXT: "",
        },
        ready: () => true,
      });
      for (let tries = 0; port === undefined; tries++) {
        port = /listening on port (\d+)/.exec(server.output())?.[1];
        if (port !== undefined) break;
        if (tries > 300 || !server.running) throw new Error(`${name} does not start:\n${server.output()}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      return { url: `http://127.0.0.1:${port}`, stop: () => server.stop() };
    },
  };
}

interface Miniflare {
  ready: Promise<URL>;
  dispose(): Promise<void>;
}

function onWorkerd(folder: string): Runtime {
  const require = createRequire(join(folder, "package.json"));
  const noFiles = "workerd has no files";
  return {
    name: "workerd",
    oneByOne: true,
    version: () => /\d+\.\d+/.exec(require("workerd/package.json").version)![0],
    without: {
      "entry points": "a bundle has only what it imports",
      file: noFiles,
      sqlite: noFiles,
      redis: "not tested: sockets of workerd belong to one request",
      postgres: "not tested: sockets of workerd belong to one request",
      "adapter elysia": "Elysia compiles functions while it runs, which workerd forbids",
    },
    async start(app) {
      const { build } = require("esbuild") as { build(options: object): Promise<unknown> };
      const scriptPath = join(app, "worker.js");
      // As Wrangler bundles. The clients of databases stay imports: nobody makes them here.
      await build({
        entryPoints: [join(app, "worker.ts")],
        outfile: scriptPath,
        bundle: true,
        format: "esm",
        platform: "neutral",
        conditions: ["workerd", "worker", "browser"],
        mainFields: ["browser", "module", "main"],
        external: ["node:*", "cloudflare:*", "redis", "pg"],
        logLevel: "error",
      });
      const { Miniflare } = (await import(pathToFileURL(require.resolve("miniflare")).href)) as {
        Miniflare: new (options: object) => Miniflare;
      };
      const miniflare = new Miniflare({
        modules: [{ type: "ESModule", path: scriptPath }],
        modulesRoot: app,
        compatibilityDate: COMPATIBILITY_DATE,
        compatibilityFlags: ["nodejs_compat"],
        host: "127.0.0.1",
        port: 0,
        d1Databases: { DB: "sessions" },
        durableObjects: {
          SESSIONS: { className: "SessionObject", useSQLite: true },
          SHARDS: { className: "ShardObject", useSQLite: true },
        },
      });
      const url = String(await miniflare.ready).replace(/\/$/, "");
      return { url, stop: () => miniflare.dispose() };
    },
  };
}
