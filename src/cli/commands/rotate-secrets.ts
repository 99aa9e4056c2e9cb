// coatcheck rotate-secrets: what is still sealed under which secret, and what to do next.

import type { Command } from "commander";
import { createSessions } from "../../index.ts";
import { isSessionKey } from "../../util/side-records.ts";
import { CliError } from "../cli-error.ts";
import { grouped, type Output } from "../output.ts";
import { onSessions, type TargetFlags, withTarget } from "../target.ts";

interface Flags extends TargetFlags {
  json?: boolean;
}

export function addRotateSecrets(program: Command, output: Output): void {
  withTarget(program.command("rotate-secrets"))
    .description("count the sessions that are sealed under each secret, and say what to do next")
    .option("--json", "print JSON")
    .action((flags: Flags) =>
      onSessions(flags, async ({ name, store, options, hasSecret }) => {
        if (!hasSecret || options.secret === undefined) throw new CliError(`set the secrets of ${name} first.`);
        if (store.list === undefined) throw new CliError(`${name} can't list its sessions.`);
        const secrets = [options.secret].flat();
        // Each opens only what is sealed under its own secret. None of them is closed: they share the store.
        const openers = secrets.map((secret) => createSessions({ ...options, secret, sweepInterval: false }));
        const counts = secrets.map(() => 0);
        let [unknown, done] = [0, 0];
        const progress = output.progress("Looking");
        for await (const { key } of store.list({})) {
          progress.update(++done);
          if (!isSessionKey(key)) continue;
          let found = false;
          for (const [i, sessions] of openers.entries()) {
            const session = await sessions.find(key);
            if (session?.createdAt === undefined) continue;
            counts[i]!++;
            found = true;
            break;
          }
          if (!found) unknown++;
        }
        progress.end();
        if (unknown > 0) output.exitCode = 1;
        if (flags.json) {
          output.json({ secrets: counts, unknown });
          return;
        }
        const rows = counts.map((count, i) => [i === 0 ? "first (it seals)" : `number ${i + 1}`, grouped(count)]);
        output.table(["SECRET", "SESSIONS"], [...rows, ["none of these", grouped(unknown)]], "");
        output.line();
        output.line(advice(counts, unknown));
      }),
    );
}

function advice(counts: readonly number[], unknown: number): string {
  if (unknown > 0) {
    return 'Some sessions can\'t be opened: a secret is missing here, or encryption is "ticket". Add the old secret behind the first one.';
  }
  if (counts.length === 1) {
    return "To rotate: 1. secret: [OLD, NEW] on every server; 2. secret: [NEW, OLD]; 3. secret: NEW, after absoluteTimeout.";
  }
  const left = counts.slice(1).reduce((sum, count) => sum + count, 0);
  return left > 0
    ? `${grouped(left)} sessions are still sealed under an older secret. They are sealed again when they are used. Tickets last until absoluteTimeout: keep the older secrets until then.`
    : "No record needs an older secret any more. Tickets that were issued under it do, until absoluteTimeout after the change.";
}
