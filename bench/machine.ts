// Describes the machine and the versions that a result depends on.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, loadavg, release, totalmem, type } from "node:os";

export interface Machine {
  cpu: string;
  cores: number;
  memory: string;
  system: string;
  /** True if server, generator and database are each pinned to a CPU. */
  pinned: boolean;
  /** The load average of the minute before the run. */
  loadBefore: number;
  versions: Record<string, string>;
}

export const hasTaskset = process.platform === "linux" && prints("taskset", "--version") !== undefined;

const PACKAGES = [
  ...["express", "fastify", "express-session", "@fastify/session", "@fastify/cookie"],
  ...["@fastify/secure-session", "iron-session", "memorystore", "connect-redis", "redis", "ioredis"],
  ...["connect-pg-simple", "express-mysql-session", "connect-session-knex", "knex", "pg", "mysql2"],
];

/** The packages of `npm run bench -- --frameworks`. */
export const FRAMEWORK_PACKAGES = [
  ...["koa", "koa-session", "hono", "@hono/node-server", "hono-sessions", "@hono/session", "h3", "astro"],
  ...["@astrojs/node", "next", "iron-session"],
];

/** The versions of what is measured: of servers, and of packages that are installed by now. */
export function versionsOf(packages: readonly string[] = PACKAGES): Machine["versions"] {
  // From where Astro and Next are installed; the others are in a folder above them.
  const places = ["apps/astro/", "apps/next/"].map((place) => createRequire(new URL(place, import.meta.url)));
  const versionOf = (name: string) => {
    const folders = places.flatMap((require) => require.resolve.paths(name)!);
    const path = folders.map((folder) => `${folder}/${name}/package.json`);
    for (const file of path) {
      try {
        return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
      } catch {
        // Not in this folder.
      }
    }
    return "not installed";
  };
  return {
    node: process.versions.node,
    v8: process.versions.v8,
    openssl: process.versions.openssl,
    "redis-server": /v=(\S+)/.exec(prints("redis-server", "--version") ?? "")?.[1] ?? "not installed",
    ...Object.fromEntries(packages.map((name) => [name, versionOf(name)])),
  };
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${type()} ${release()}`,
    pinned: hasTaskset,
    loadBefore: loadavg()[0]!,
    versions: versionsOf(),
  };
}

/** Microseconds that the host has taken from this machine's CPUs so far, all CPUs together, in steps of 10 ms. */
export function stolen(): number {
  if (process.platform !== "linux") return 0;
  const ticks = Number(readFileSync("/proc/stat", "utf8").split("\n", 1)[0]!.trim().split(/\s+/)[8]);
  return ticks * 10_000;
}

function prints(command: string, ...args: string[]): string | undefined {
  try {
    return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    return undefined;
  }
}
