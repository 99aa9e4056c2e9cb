// Opens a store by its address.

import { existsSync } from "node:fs";
import { redacted } from "../redaction/texts.ts";
import type { SessionStore } from "../store.ts";
import { CliError, USAGE_ERROR } from "./cli-error.ts";

export interface StoreFlags {
  prefix?: string;
  table?: string;
}

type Opener = (address: string, flags: StoreFlags) => Promise<SessionStore>;

const redis: Opener = async (url, { prefix }) =>
  (await import("../stores/redis/index.ts")).redis({ url, ...(prefix !== undefined && { prefix }) });
const postgres: Opener = async (url, { table }) =>
  (await import("../stores/postgres/index.ts")).postgres({ url, ...(table !== undefined && { table }) });
const mysql: Opener = async (url, { table }) =>
  (await import("../stores/mysql/index.ts")).mysql({
    url: url.replace(/^mariadb:/, "mysql:"),
    ...(table !== undefined && { table }),
  });

/** By the scheme of the address. A store is loaded when it is named, so that no other one's client is needed. */
const OPENERS: Record<string, Opener> = {
  redis,
  rediss: redis,
  postgres,
  postgresql: postgres,
  mysql,
  mariadb: mysql,
  file: async (address) => (await import("../stores/file/index.ts")).file({ path: pathOf(address) }),
  sqlite: async (address, { table }) =>
    (await import("../stores/sqlite/index.ts")).sqlite({
      path: pathOf(address),
      ...(table !== undefined && { table }),
    }),
};

/** @throws CliError if no store has such an address. */
export function openStore(address: string, flags: StoreFlags = {}): Promise<SessionStore> {
  const scheme = /^([a-z]{2,}):/i.exec(address)?.[1]?.toLowerCase();
  if (scheme === undefined) {
    throw new CliError(
      `"${redacted(address)}" is no store's address: write file:FOLDER, sqlite:FILE, redis://HOST:PORT, postgres://USER@HOST/NAME or mysql://USER@HOST/NAME. The name of a configuration ends in .json or .config.`,
      USAGE_ERROR,
    );
  }
  const opener = OPENERS[scheme];
  if (opener === undefined) {
    const known = Object.keys(OPENERS).join(", ");
    throw new CliError(
      `"${scheme}" is the beginning of no store's address: use one of ${known}, or --config with a session.json for any other store.`,
      USAGE_ERROR,
    );
  }
  return opener(address, flags);
}

/** The name of the store that has such an address. */
export function storeTypeOf(address: string): string {
  const scheme = /^[a-z]+/i.exec(address)?.[0].toLowerCase() ?? "";
  return { rediss: "redis", postgresql: "postgres", mariadb: "mysql" }[scheme] ?? scheme;
}

/**
 * The address, if there is something at it: a misspelt path would begin an empty store.
 *
 * @throws CliError if a file or a folder is missing.
 */
export function existing(address: string): string {
  if (!/^(file|sqlite)$/.test(storeTypeOf(address))) return address;
  const path = pathOf(address);
  if (path === "" || path === ":memory:" || existsSync(path)) return address;
  throw new CliError(
    `there is no store at ${path}: look for a mistake in --store or --from, and in which folder this runs.`,
  );
}

export function pathOf(address: string): string {
  return address.replace(/^\w+:(\/\/)?/, "");
}
