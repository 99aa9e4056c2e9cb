// Command-line arguments of the benchmark's scripts.
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Reads a script's arguments. Prints the usage and exits if `--help` is among them or `read` throws. */
export function readArguments<Read>(usage: string, read: () => Read): Read {
  if (process.argv.includes("--help")) {
    console.log(usage);
    process.exit();
  }
  try {
    return read();
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    process.exit(2);
  }
}

/** Names separated by commas. Without a value, all of them. @throws Error unless each is one of `all` */
export function chosen<Name extends string>(option: string, value: string | undefined, all: readonly Name[]): Name[] {
  const names = value?.split(",") ?? all;
  return [...new Set(names)].map((name) => {
    const found = all.find((one) => one === name);
    if (found === undefined) throw new Error(`--${option}: unknown name "${name}".`);
    return found;
  });
}

/** A whole number from 1; without a value, `otherwise`. @throws Error for any other value */
export function count(option: string, value: string | undefined, otherwise: number): number {
  if (value === undefined) return otherwise;
  if (!/^[1-9]\d*$/.test(value)) throw new Error(`--${option}: expected a whole number from 1, got "${value}".`);
  return Number(value);
}

/** Where results go. Created immediately, so that a missing permission shows before hours of measuring. */
export function folder(path = fileURLToPath(new URL("results", import.meta.url))): string {
  mkdirSync(path, { recursive: true });
  return path;
}
