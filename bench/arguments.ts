import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Reads what a script is told. Says how it is used, and ends, if `--help` asks for that or `read` throws. */
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

/** Names with commas between them; all of them, if there is no value. @throws Error unless each is one of `all` */
export function chosen<Name extends string>(option: string, value: string | undefined, all: readonly Name[]): Name[] {
  const names = value?.split(",") ?? all;
  return [...new Set(names)].map((name) => {
    const found = all.find((one) => one === name);
    if (found === undefined) throw new Error(`--${option}: there is no "${name}".`);
    return found;
  });
}

/** @throws Error unless the value, if there is one, is a whole number from 1 */
export function count(option: string, value: string | undefined, otherwise: number): number {
  if (value === undefined) return otherwise;
  if (!/^[1-9]\d*$/.test(value)) throw new Error(`--${option} takes a whole number from 1, and not "${value}".`);
  return Number(value);
}

/** Where results go. Made at once, so that a place that can't be written is known before hours of measuring. */
export function folder(path = fileURLToPath(new URL("results", import.meta.url))): string {
  mkdirSync(path, { recursive: true });
  return path;
}
