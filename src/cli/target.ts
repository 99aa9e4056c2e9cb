// The store and the settings that a command works on: from a configuration, or from a store's address.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { loadEnvFile } from "node:process";
import type { Command } from "commander";
import { type ConfiguredOptions, fromConfig, fromWebConfig } from "../config/index.ts";
import { readStoreChoice } from "../config/json.ts";
import { readWebConfig } from "../config/web/read.ts";
import { createSessions, type Sessions, type SessionsOptions } from "../index.ts";
import { redacted } from "../redaction/texts.ts";
import type { SessionStore } from "../store.ts";
import { CliError, USAGE_ERROR } from "./cli-error.ts";
import { existing, openStore, pathOf, type StoreFlags, storeTypeOf } from "./open-store.ts";

export interface TargetFlags extends StoreFlags {
  config?: string;
  store?: string;
  secretEnv: string;
}

export interface Target {
  /** What it is, for messages: a file, or an address without its password. */
  readonly name: string;
  readonly store: SessionStore;
  readonly options: SessionsOptions<object>;
  /** False: sessions can be counted and ended, but not opened. */
  readonly hasSecret: boolean;
  readonly sessions: Sessions<Record<string, unknown>>;
}

const DEFAULT_FILES = ["session.json", "web.config", "Web.config"];

/** Adds the options by which a command finds its store. */
export function withTarget(command: Command): Command {
  return command
    .option("-c, --config <file>", `session.json or web.config (default: ${DEFAULT_FILES[0]}, if it is there)`)
    .option("-s, --store <address>", "the store itself, such as redis://localhost:6379 or postgres://user@host/name")
    .option("--prefix <text>", "the prefix of the keys, with a Redis address")
    .option("--table <name>", "the table, with the address of an SQL server")
    .option("--secret-env <name>", "the variable with the secret, beside --store", "SESSION_SECRET");
}

/** Opens the target, hands it to `work`, and closes it. */
export async function onTarget<Result>(flags: TargetFlags, work: (target: Target) => Promise<Result>): Promise<Result> {
  const target = await open(flags);
  try {
    return await work(target);
  } finally {
    await target.sessions.close().catch(() => {});
  }
}

/** As `onTarget`, for commands about the sessions of servers. */
export function onSessions<Result>(flags: TargetFlags, work: (target: Target) => Promise<Result>): Promise<Result> {
  return onTarget(flags, (target) => {
    refuseInProcess(target.name, target.store);
    return work(target);
  });
}

/** @throws CliError if no other process can have sessions in this store. */
export function refuseInProcess(name: string, store: SessionStore): void {
  if (!store.inProcess) return;
  throw new CliError(
    `${name} keeps sessions in the memory of each server, where no other process can see them. For a store that can be looked at: npx coatcheck init --force --store file`,
  );
}

/** Where a store is, for checks that ask the server itself. */
export interface StoreAddress {
  type: string;
  url?: string;
  path?: string;
  table?: string;
  schema?: string;
  /** All options of the store. */
  options: Record<string, unknown>;
}

/** The address of the target's store. Undefined: the store has none of this form. */
export async function addressOf({ config, store, table }: TargetFlags): Promise<StoreAddress | undefined> {
  if (store !== undefined) {
    const type = storeTypeOf(store);
    const place = /^(file|sqlite)$/.test(type) ? { path: pathOf(store) } : { url: store };
    const options = { ...place, ...(table !== undefined && { table }) };
    return { ...options, type, options };
  }
  const file = config ?? DEFAULT_FILES.find((file) => existsSync(file));
  if (file === undefined) return undefined;
  const choice = await (isWebConfig(file)
    ? readWebConfig(file, process.env).then(({ store }) => store)
    : readStoreChoice(file, process.env));
  if (choice === undefined) return undefined;
  return {
    ...(choice.options as object),
    type: choice.type.replace(/^coatcheck\//, ""),
    options: choice.options as Record<string, unknown>,
  };
}

function isWebConfig(file: string): boolean {
  return /\.config$/i.test(file);
}

/** True for the name of a session.json or a web.config. A store's address has a scheme. */
export function isConfiguration(text: string): boolean {
  return /\.(json|config)$/i.test(text) && !/^[a-z]{2,}:/i.test(text);
}

/** The options of createSessions that a file gives. A file `.env` beside it is read first. */
export function readConfiguration(file: string): Promise<ConfiguredOptions> {
  loadVariables(dirname(file));
  return (isWebConfig(file) ? fromWebConfig : fromConfig)(file);
}

/** Reads the file `.env` of a folder, if it is there. Variables that are set already stay as they are. */
export function loadVariables(folder = "."): void {
  const file = join(folder, ".env");
  if (existsSync(file)) loadEnvFile(file);
}

async function open(flags: TargetFlags): Promise<Target> {
  loadVariables();
  const { name, options } = await optionsFrom(flags);
  const hasSecret = options.secret !== undefined || options.store!.inProcess === true;
  // Nothing is sealed with it: without the right one, a record stays closed.
  const secret = options.secret ?? "x".repeat(32);
  const sessions = createSessions<Record<string, unknown>>({ ...options, secret, sweepInterval: false });
  return { name, store: options.store!, options, hasSecret, sessions };
}

async function optionsFrom(
  flags: TargetFlags,
): Promise<{ name: string; options: SessionsOptions<Record<string, unknown>> }> {
  const { config, store: address, secretEnv } = flags;
  if (config !== undefined && address !== undefined) {
    throw new CliError("give --config or --store, not both.", USAGE_ERROR);
  }
  if (address !== undefined) {
    const store = await openStore(existing(address), flags);
    const secret = process.env[secretEnv];
    return { name: redacted(address), options: { store, ...(secret !== undefined && { secret }) } };
  }
  const file = config ?? DEFAULT_FILES.find((file) => existsSync(file));
  if (file === undefined) {
    throw new CliError(
      "there is no session.json here. Give --config FILE or --store ADDRESS, or make one with: npx coatcheck init",
      USAGE_ERROR,
    );
  }
  return { name: file, options: await readConfiguration(file) };
}
