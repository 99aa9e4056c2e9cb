// coatcheck stats: how many sessions there are, how large, and how long they last.

import type { Command } from "commander";
import { isSessionKey } from "../../util/side-records.ts";
import { CliError, USAGE_ERROR } from "../cli-error.ts";
import { bytes, counted, grouped, type Output } from "../output.ts";
import { onSessions, type TargetFlags, withTarget } from "../target.ts";

interface Flags extends TargetFlags {
  sizes: string;
  json?: boolean;
}

const MINUTE = 60_000;

export function addStats(program: Command, output: Output): void {
  withTarget(program.command("stats"))
    .description("count sessions and owners, and measure sizes")
    .option("--sizes <number>", "read this many sessions for their sizes", "1000")
    .option("--json", "print JSON")
    .action((flags: Flags) => {
      const wanted = Number(flags.sizes);
      if (!Number.isInteger(wanted) || wanted < 0) {
        throw new CliError(`--sizes is "${flags.sizes}": give a whole number.`, USAGE_ERROR);
      }
      return onSessions(flags, async ({ name, store }) => {
        if (store.list === undefined) throw new CliError(`${name} can't list its sessions, so nothing can be counted.`);
        const now = (await store.time?.()) ?? Date.now();
        const progress = output.progress("Counting");
        const owners = new Set<string>();
        const sizes: number[] = [];
        let [sessions, owned, soon, withinHour] = [0, 0, 0, 0];
        for await (const { key, owner, expiresAt } of store.list({})) {
          if (!isSessionKey(key)) continue;
          progress.update(++sessions);
          if (owner !== undefined) {
            owned++;
            owners.add(owner);
          }
          if (expiresAt < now + 5 * MINUTE) soon++;
          if (expiresAt < now + 60 * MINUTE) withinHour++;
          if (sizes.length < wanted) {
            const stored = await store.read(key);
            if (stored !== undefined) sizes.push(stored.value.length);
          }
        }
        progress.end();
        sizes.sort((one, other) => one - other);
        const at = (share: number) => sizes[Math.min(Math.floor(share * sizes.length), sizes.length - 1)] ?? 0;
        const stats = {
          sessions,
          owned,
          owners: owners.size,
          endWithin5Minutes: soon,
          endWithinAnHour: withinHour,
          bytes: { measured: sizes.length, median: at(0.5), p99: at(0.99), largest: at(1) },
        };
        if (flags.json) {
          output.json(stats);
          return;
        }
        output.line(`${counted(sessions, "session")} in ${name}`);
        if (sessions === 0) return;
        output.line(`${grouped(owned)} of them have an owner; ${counted(owners.size, "owner")}`);
        output.line(`${grouped(soon)} end within 5 minutes if no request comes, ${grouped(withinHour)} within an hour`);
        if (sizes.length === 0) return;
        output.line(
          `size: median ${bytes(stats.bytes.median)}, 99 of 100 up to ${bytes(stats.bytes.p99)}, largest ${bytes(stats.bytes.largest)} (of ${grouped(sizes.length)} measured)`,
        );
      });
    });
}
