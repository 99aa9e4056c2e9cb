// coatcheck keygen: makes a secret.

import { randomBytes } from "node:crypto";
import type { Command } from "commander";
import type { Output } from "../output.ts";

/** 256 bits: as many as the key that is derived from it. */
const SECRET_BYTES = 32;

export function addKeygen(program: Command, output: Output): void {
  program
    .command("keygen")
    .description("print a new secret")
    .action(() => output.line(newSecret()));
}

/** A secret that nobody can guess. */
export function newSecret(): string {
  return randomBytes(SECRET_BYTES).toString("base64url");
}
