// coatcheck migrate-from: what to change in a project that uses another session package.

import { Argument, type Command } from "commander";
import { CliError } from "../cli-error.ts";
import { PACKAGE_NAMES, type Survey, survey, writeChanges } from "../migrate-from/index.ts";
import { whyUnsafe } from "../migrate-from/project.ts";
import { counted, grouped, type Output } from "../output.ts";

interface Flags {
  write?: boolean;
  force?: boolean;
  json?: boolean;
}

export function addMigrateFrom(program: Command, output: Output): void {
  program
    .command("migrate-from")
    .description("print what to change in a project that uses another session package")
    .addArgument(new Argument("<package>", "the package").choices(PACKAGE_NAMES))
    .argument("[folder]", "the project", ".")
    .option("--write", "make the changes that need no person: for express-session, the name of the module")
    .option("-f, --force", "write although git has changes that are not committed, or there is no git")
    .option("--json", "print JSON")
    .addHelpText("after", "\nNeeds the package @babel/parser. What a function of your own returns is not followed.")
    .action(async (packageName: string, folder: string, flags: Flags) => {
      const found = await survey(packageName, folder);
      const changes = found.suggestions.filter(({ edit }) => edit !== undefined);
      let written = 0;
      if (flags.write && changes.length > 0) {
        const why = flags.force ? undefined : whyUnsafe(folder);
        if (why !== undefined) throw new CliError(`nothing was written: ${why}. Commit first, or add --force.`);
        written = writeChanges(folder, changes);
      }
      if (flags.json) {
        const byHand = found.suggestions.filter(({ edit }) => edit === undefined);
        const { files, unreadable, packages } = found;
        const place = ({ file, line, found, change, why }: (typeof changes)[number]) => ({
          file,
          line,
          found,
          change,
          why,
        });
        output.json({ files, written, changes: changes.map(place), byHand: byHand.map(place), unreadable, packages });
        return;
      }
      print(output, packageName, found, flags.write === true, written);
    });
}

function print(output: Output, packageName: string, found: Survey, isWriting: boolean, written: number): void {
  const { files, suggestions, unreadable, packages } = found;
  for (const { file, line, found, change, why } of suggestions) {
    output.line(`${output.styled("bold", `${file}:${line}`)}  ${found}`);
    output.line(`    ${why === undefined ? "changes to" : "by hand"}: ${change}`);
    if (why !== undefined) output.line(`    why: ${why}`);
  }
  for (const { file, why } of unreadable) {
    output.line(`${output.styled("yellow", file)}  can't be read: ${why}`);
    output.line("    by hand: look whether it uses the package.");
  }
  const changes = suggestions.filter(({ edit }) => edit !== undefined).length;
  const byHand = suggestions.length - changes + unreadable.length;
  if (suggestions.length > 0) output.line();
  output.line(
    suggestions.length === 0
      ? `${packageName} is not used in ${counted(files - unreadable.length, "file")}.`
      : `${counted(changes, "change")} without a person, ${grouped(byHand)} by hand, in ${counted(files, "file")}.`,
  );
  if (written > 0) output.line(`${counted(written, "file")} written.`);
  else if (changes > 0 && !isWriting) output.line("To make the changes that need no person: add --write.");
  if (suggestions.length === 0) return;
  for (const advice of packages) output.line(`- ${advice}`);
}
