// ConfigError: what is wrong in a configuration.

import { CoatcheckError, listOf } from "../errors.ts";

/** The configuration is wrong. The message has one line for each problem: where it is, what is there, what was expected. */
export class ConfigError extends CoatcheckError {
  /** The problems, each in one sentence. */
  readonly problems: readonly string[];

  /** @param source the file's name, or `"configuration"` for an object. */
  constructor(source: string, problems: string | readonly string[], cause?: unknown) {
    const all = typeof problems === "string" ? [problems] : problems;
    super("COATCHECK_CONFIG", `coatcheck: ${source}:${listOf(all)}`, { cause });
    this.problems = all;
  }
}
