// coatcheck import: writes a session.json from the <sessionState> of a web.config.

import { existsSync, writeFileSync } from "node:fs";
import type { Command } from "commander";
import { webConfigToJson } from "../../config/index.ts";
import { CliError } from "../cli-error.ts";
import type { Output } from "../output.ts";

interface Flags {
  transform?: string[];
  out: string;
  force?: boolean;
}

export function addImport(program: Command, output: Output): void {
  program
    .command("import <web.config>")
    .description("write a session.json with the settings of a web.config, and say what differs")
    .option("-t, --transform <file...>", "transformations to apply first, such as Web.Release.config")
    .option("-o, --out <file>", "the file to write", "session.json")
    .option("-f, --force", "replace the file if it is there")
    .action(async (file: string, { transform, out, force }: Flags) => {
      if (existsSync(out) && !force) throw new CliError(`${out} is there already: add --force to replace it.`);
      const { json, notes } = await webConfigToJson(file, process.env, transform);
      writeFileSync(out, `${JSON.stringify(json, null, 2)}\n`);
      output.line(`${out} is written.`);
      for (const note of notes) output.line(`- ${note}`);
    });
}
