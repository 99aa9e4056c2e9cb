// node bench/instructions.ts [word]: counts the instructions of each request with valgrind, which must be installed.
import { execFileSync } from "node:child_process";
import { codePaths } from "./code-paths.ts";

/** Runs before the count. V8 has compiled everything by then. */
const WARM = 30_000;
const COUNTED = 10_000;

/** Make V8 deterministic. Within about 1 %, the counts are the same on a busy machine: they compare versions of the source. */
const FLAGS = ["--single-threaded", "--predictable", "--random-seed=1", "--hash-seed=1", "--no-warnings"];

const word = process.argv[2] ?? "";
for (const name of Object.keys(codePaths)) {
  if (!name.includes(word)) continue;
  const each = (count(name, WARM + COUNTED) - count(name, WARM)) / COUNTED;
  console.log(`${each.toFixed(0).padStart(8)}  ${name}`);
}
process.exit();

function count(name: string, times: number): number {
  const path = new URL("code-paths.ts", import.meta.url).pathname;
  const valgrind = [
    "--tool=cachegrind",
    "--cache-sim=no",
    "--cachegrind-out-file=/dev/null",
    "--smc-check=all-non-file",
  ];
  const command = [...valgrind, "--log-fd=1", process.execPath, ...FLAGS, path, name, String(times)];
  const printed = execFileSync("valgrind", command, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  return Number(/I +refs: +([\d,]+)/.exec(printed)![1]!.replaceAll(",", ""));
}
