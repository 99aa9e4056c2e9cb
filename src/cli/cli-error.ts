// The errors of the command line, and the exit codes.

/** What a command did not find, or found wrong. Its message is for the user, and its exit code for scripts. */
export class CliError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The exit code for a wrong command line. */
export const USAGE_ERROR = 2;
