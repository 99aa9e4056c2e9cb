// coatcheck show: what is known of one session.

import type { Command } from "commander";
import { CliError } from "../cli-error.ts";
import { bytes, instant, type Output } from "../output.ts";
import { onSessions, type TargetFlags, withTarget } from "../target.ts";

interface Flags extends TargetFlags {
  reveal?: boolean;
  json?: boolean;
}

export function addShow(program: Command, output: Output): void {
  withTarget(program.command("show <id>"))
    .description("show what is known of a session, without its values")
    .option("--reveal", "show its values, too (needs the secret)")
    .option("--json", "print JSON")
    .action((id: string, flags: Flags) =>
      onSessions(flags, async ({ store, sessions, hasSecret }) => {
        if (flags.reveal && !hasSecret) throw new CliError(`--reveal needs the secret: set ${flags.secretEnv}.`);
        const stored = await store.read(id);
        if (stored === undefined) throw new CliError(`there is no session "${id}": it has ended, or never was.`);
        const opened = hasSecret ? await sessions.find(id) : undefined;
        const known = {
          id,
          ...(opened?.owner !== undefined && { owner: opened.owner }),
          hasOwner: stored.owner !== undefined,
          ...(opened?.createdAt !== undefined && { createdAt: opened.createdAt }),
          expiresAt: stored.expiresAt,
          bytes: stored.value.length,
          ...(opened?.createdAt !== undefined && { keys: Object.keys(opened.data) }),
          ...(flags.reveal && { data: opened?.data }),
        };
        if (flags.json) {
          output.json(known);
          return;
        }
        const rows: [string, string][] = [
          ["id", id],
          ["owner", known.owner ?? (known.hasOwner ? "sealed" : "none")],
          ["since", known.createdAt === undefined ? "sealed" : instant(known.createdAt)],
          ["ends", instant(known.expiresAt)],
          ["size", bytes(known.bytes)],
          ["keys", known.keys?.join(", ") || (known.keys === undefined ? "sealed" : "none")],
        ];
        for (const [name, value] of rows) output.line(`${name.padEnd(6)} ${value}`);
        if (flags.reveal) output.json(known.data);
      }),
    );
}
