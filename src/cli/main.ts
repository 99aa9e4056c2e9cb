// Reads the command line and runs the command.

import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { CliError, USAGE_ERROR } from "./cli-error.ts";
import { type CliStreams, Output } from "./output.ts";

type Add = (program: Command, output: Output) => void;

/** The commands, in the order of the help. Only the one that is named is loaded, with what it needs. */
const COMMANDS: Readonly<Record<string, () => Promise<Add>>> = {
  init: async () => (await import("./commands/init.ts")).addInit,
  doctor: async () => (await import("./commands/doctor.ts")).addDoctor,
  stats: async () => (await import("./commands/stats.ts")).addStats,
  list: async () => (await import("./commands/list.ts")).addList,
  show: async () => (await import("./commands/show.ts")).addShow,
  revoke: async () => (await import("./commands/revoke.ts")).addRevoke,
  sweep: async () => (await import("./commands/sweep.ts")).addSweep,
  console: async () => (await import("./commands/console.ts")).addConsole,
  migrate: async () => (await import("./commands/migrate.ts")).addMigrate,
  "migrate-from": async () => (await import("./commands/migrate-from.ts")).addMigrateFrom,
  "rotate-secrets": async () => (await import("./commands/rotate-secrets.ts")).addRotateSecrets,
  bench: async () => (await import("./commands/bench.ts")).addBench,
  schema: async () => (await import("./commands/schema.ts")).addSchema,
  import: async () => (await import("./commands/import.ts")).addImport,
  keygen: async () => (await import("./commands/keygen.ts")).addKeygen,
  completion: async () => (await import("./commands/completion.ts")).addCompletion,
};
/** Lists the other commands. */
const LISTS_ALL = "completion";

/**
 * Runs a command line, without the program's name. Returns the exit code: 0, 1 if the command failed or found something
 * wrong, 2 if the command line is wrong.
 */
export async function main(args: readonly string[], streams: CliStreams = process): Promise<number> {
  const program = new Command("coatcheck")
    .description("Looks after the sessions of a web application.")
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .configureOutput({
      writeOut: (text) => void streams.stdout.write(text),
      writeErr: (text) => void streams.stderr.write(text),
    })
    .showHelpAfterError("Add --help for the options.")
    .exitOverride();
  const output = new Output(streams);
  for (const add of await commandsFor(args[0] ?? "")) add(program, output);
  for (const command of program.commands) command.exitOverride().copyInheritedSettings(program);
  try {
    await program.parseAsync(args, { from: "user" });
    return output.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_ERROR;
    output.error(error);
    return error instanceof CliError ? error.exitCode : 1;
  }
}

/** The command of this name or, for help and for a name that is wrong, all of them. */
function commandsFor(name: string): Promise<Add[]> {
  const isOne = Object.hasOwn(COMMANDS, name) && name !== LISTS_ALL;
  return Promise.all((isOne ? [COMMANDS[name]!] : Object.values(COMMANDS)).map((load) => load()));
}

function version(): string {
  const manifest = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version;
}
