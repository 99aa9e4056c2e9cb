// coatcheck list: the sessions that are alive.

import type { Command } from "commander";
import { CliError, USAGE_ERROR } from "../cli-error.ts";
import { instant, type Output, span } from "../output.ts";
import { onSessions, type TargetFlags, withTarget } from "../target.ts";

interface Flags extends TargetFlags {
  owner?: string;
  limit: string;
  json?: boolean;
}

export function addList(program: Command, output: Output): void {
  withTarget(program.command("list"))
    .description("list the sessions that are alive")
    .option("-o, --owner <id>", "only those of this owner (needs the secret)")
    .option("-n, --limit <number>", "at most this many", "100")
    .option("--json", "print JSON")
    .action((flags: Flags) => {
      const limit = Number(flags.limit);
      if (!Number.isInteger(limit) || limit < 1) {
        throw new CliError(`--limit is "${flags.limit}": give a whole number from 1.`, USAGE_ERROR);
      }
      return onSessions(flags, async ({ sessions, hasSecret }) => {
        if (flags.owner !== undefined && !hasSecret) {
          throw new CliError(`--owner needs the secret: set ${flags.secretEnv}.`, USAGE_ERROR);
        }
        const found = [];
        for await (const one of sessions.list(flags.owner === undefined ? {} : { owner: flags.owner })) {
          const { id, owner, createdAt, expiresAt } = one;
          found.push({ id, owner, createdAt, expiresAt });
          if (found.length === limit) break;
        }
        if (flags.json) {
          output.json(found);
          return;
        }
        const now = Date.now();
        const rows = found.map(({ id, owner, createdAt, expiresAt }) => [
          id,
          owner ?? (createdAt === undefined ? "sealed" : "-"),
          createdAt === undefined ? "-" : instant(createdAt),
          span(expiresAt - now),
        ]);
        output.table(["ID", "OWNER", "SINCE", "ENDS IN"], rows, "No session is alive.");
        if (found.length === limit) output.note(`These are the first ${limit}. More with --limit.`);
      });
    });
}
