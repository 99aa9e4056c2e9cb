// coatcheck sweep: removes expired sessions now.

import type { Command } from "commander";
import { grouped, type Output } from "../output.ts";
import { onSessions, type TargetFlags, withTarget } from "../target.ts";

export function addSweep(program: Command, output: Output): void {
  withTarget(program.command("sweep"))
    .description("remove what has expired")
    .option("--json", "print JSON")
    .action((flags: TargetFlags & { json?: boolean }) =>
      onSessions(flags, async ({ sessions }) => {
        const removed = await sessions.sweep();
        if (flags.json) output.json({ removed });
        else output.line(`${grouped(removed)} expired sessions removed.`);
      }),
    );
}
