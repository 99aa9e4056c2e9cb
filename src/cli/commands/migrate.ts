// coatcheck migrate: moves all sessions from one store to another one, while applications run.

import { randomBytes } from "node:crypto";
import type { Command } from "commander";
import { migrating } from "../../compose/index.ts";
import { reasonOf } from "../../errors.ts";
import { redacted } from "../../redaction/texts.ts";
import type { SessionStore } from "../../store.ts";
import { isSessionKey } from "../../util/side-records.ts";
import { CliError, USAGE_ERROR } from "../cli-error.ts";
import { existing, openStore } from "../open-store.ts";
import { counted, grouped, type Output } from "../output.ts";
import { isConfiguration, loadVariables, readConfiguration, refuseInProcess } from "../target.ts";

interface Flags {
  from: string;
  to: string;
  perSecond: string;
  json?: boolean;
}

/** How long the record lives by which two stores are told apart, if this process is killed. */
const PROBE_MS = 60_000;

export function addMigrate(program: Command, output: Output): void {
  program
    .command("migrate")
    .description("move all sessions to another store; may be stopped, and goes on where it was")
    .requiredOption("--from <address>", "the store that has the sessions: an address, or a session.json")
    .requiredOption("--to <address>", "the store that gets them: an address, or a session.json")
    .option("--per-second <number>", "the most sessions to move in a second", "500")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nThe servers of a running farm first need the composed store migrating(): see docs/composing.md.",
    )
    .action(async (flags: Flags) => {
      const perSecond = Number(flags.perSecond);
      if (!(perSecond > 0))
        throw new CliError(`--per-second is "${flags.perSecond}": give a number above 0.`, USAGE_ERROR);
      const [from, to] = await openBoth(flags.from, flags.to);
      const interrupted = new AbortController();
      const stop = () => interrupted.abort(new CliError("stopped. Run the same command again to go on."));
      process.once("SIGINT", stop).once("SIGTERM", stop);
      const progress = output.progress("Moving");
      try {
        if (await isOneStore(from, to)) {
          throw new CliError(`${redacted(flags.from)} and ${redacted(flags.to)} are the same store.`, USAGE_ERROR);
        }
        output.note("A server that uses the old store alone loses the sessions that move: see docs/composing.md.");
        const result = await migrating({ from, to }).copy({
          perSecond,
          signal: interrupted.signal,
          onProgress: ({ moved, left }) => progress.update(moved, moved + left),
        });
        progress.end();
        if (result.left > 0) {
          throw new CliError(
            `${counted(result.left, "session")} could not be moved: ${reasonOf(result.error).replace(/^coatcheck: /, "")}`,
          );
        }
        const [left, arrived] = await Promise.all([count(from), count(to)]);
        if (flags.json) output.json({ moved: result.moved, left, arrived });
        else
          output.line(
            `${counted(result.moved, "record")} moved. ${counted(arrived, "session")} in the new store, ${grouped(left)} left in the old one.`,
          );
        if (left > 0) {
          throw new CliError(
            "some sessions are still in the old store. Either they began during the move, since some server uses that store alone: restart it with migrating(), and run this again. Or the new store has its own under the same keys, as after a restored backup: those are in use.",
          );
        }
      } finally {
        progress.end();
        process.off("SIGINT", stop).off("SIGTERM", stop);
        await Promise.allSettled([from.close(), to.close()]);
      }
    });
}

async function openBoth(from: string, to: string): Promise<[from: SessionStore, to: SessionStore]> {
  loadVariables();
  const opened = await Promise.allSettled([open(from, existing), open(to)]);
  const [first, second] = opened;
  if (first.status === "fulfilled" && second.status === "fulfilled") return [first.value, second.value];
  await Promise.allSettled(opened.map((one) => one.status === "fulfilled" && one.value.close()));
  throw opened.find((one) => one.status === "rejected")!.reason;
}

/** A file says more than an address: a prefix, a table, and any kind of store. */
async function open(place: string, check: (address: string) => string = (address) => address): Promise<SessionStore> {
  const store = isConfiguration(place) ? (await readConfiguration(place)).store! : await openStore(check(place));
  refuseInProcess(place, store);
  return store;
}

/** Two addresses may lead to one store. What is written to the one is then in the other. */
async function isOneStore(one: SessionStore, other: SessionStore): Promise<boolean> {
  const key = randomBytes(18).toString("base64url");
  await other.create(key, { value: randomBytes(16), expiresAt: Date.now() + PROBE_MS });
  try {
    return (await one.read(key)) !== undefined;
  } finally {
    await other.delete(key);
  }
}

async function count(store: SessionStore): Promise<number> {
  let sessions = 0;
  for await (const { key } of store.list!({})) if (isSessionKey(key)) sessions++;
  return sessions;
}
