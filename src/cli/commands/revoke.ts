// coatcheck revoke: ends a session, or all sessions of an owner.

import type { Command } from "commander";
import { CliError, USAGE_ERROR } from "../cli-error.ts";
import { grouped, type Output } from "../output.ts";
import { onSessions, type TargetFlags, withTarget } from "../target.ts";

interface Flags extends TargetFlags {
  owner?: string;
  json?: boolean;
}

export function addRevoke(program: Command, output: Output): void {
  withTarget(program.command("revoke [id]"))
    .description("end a session by its public id, or all sessions of an owner")
    .option("-o, --owner <id>", "end all sessions of this owner (needs the secret)")
    .option("--json", "print JSON")
    .action((id: string | undefined, flags: Flags) => {
      if ((id === undefined) === (flags.owner === undefined)) {
        throw new CliError("give the id of a session, or --owner.", USAGE_ERROR);
      }
      return onSessions(flags, async ({ sessions, hasSecret }) => {
        let ended: number;
        if (flags.owner === undefined) ended = Number(await sessions.revoke(id!));
        else if (hasSecret) ended = await sessions.revokeAll(flags.owner);
        else throw new CliError(`--owner needs the secret: set ${flags.secretEnv}.`, USAGE_ERROR);
        if (flags.json) output.json({ ended });
        else output.line(ended === 1 ? "1 session ended." : `${grouped(ended)} sessions ended.`);
        if (ended === 0) output.exitCode = 1;
      });
    });
}
