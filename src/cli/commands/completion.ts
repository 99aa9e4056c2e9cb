// coatcheck completion: a script that completes the command in a shell.

import { Argument, type Command } from "commander";
import type { Output } from "../output.ts";

type Shell = "bash" | "zsh" | "fish";
const SHELLS: readonly Shell[] = ["bash", "zsh", "fish"];

export function addCompletion(program: Command, output: Output): void {
  program
    .command("completion")
    .description("print a script that completes commands and options in a shell")
    .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
    .addHelpText("after", '\nFor bash, add to ~/.bashrc:  eval "$(npx coatcheck completion bash)"')
    .action((shell: Shell) => output.line(scriptFor(shell, wordsOf(program))));
}

/** The commands, each with its options. */
function wordsOf(program: Command): [name: string, about: string, options: string[]][] {
  return program.commands.map((command) => [
    command.name(),
    command.description(),
    command.options.flatMap(({ long }) => (long === undefined || long === null ? [] : [long])),
  ]);
}

function scriptFor(shell: Shell, words: ReturnType<typeof wordsOf>): string {
  const names = words.map(([name]) => name).join(" ");
  if (shell === "fish") {
    return words
      .flatMap(([name, about, options]) => [
        `complete -c coatcheck -n __fish_use_subcommand -f -a ${name} -d '${about.replaceAll("'", "")}'`,
        ...options.map(
          (option) => `complete -c coatcheck -n '__fish_seen_subcommand_from ${name}' -l ${option.slice(2)}`,
        ),
      ])
      .join("\n");
  }
  const cases = words.map(([name, , options]) => `    ${name}) words="${options.join(" ")}" ;;`).join("\n");
  const bash = `_coatcheck() {
  local words
  case "\${COMP_WORDS[1]}" in
${cases}
    *) words="${names}" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _coatcheck coatcheck`;
  return shell === "bash" ? bash : `autoload -U +X bashcompinit && bashcompinit\n${bash}`;
}
