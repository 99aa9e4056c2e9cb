// node bench/instructions.ts [word]: instructions for each request, by valgrind, which must be installed. Unlike times
// they come out the same on a busy machine, within about one in a hundred: made to compare two versions of the source.
import { execFileSync } from "node:child_process";
import { ways } from "./ways.ts";

/** V8 has compiled everything by then. */
const WARM = 30_000;
const COUNTED = 10_000;

const FLAGS = ["--single-threaded", "--predictable", "--random-seed=1", "--hash-seed=1", "--no-warnings"];

const word = process.argv[2] ?? "";
for (const name of Object.keys(ways)) {
  if (!name.includes(word)) continue;
  const each = (count(name, WARM + COUNTED) - count(name, WARM)) / COUNTED;
  console.log(`${each.toFixed(0).padStart(8)}  ${name}`);
}
process.exit();

function count(way: string, times: number): number {
  const path = new URL("ways.ts", import.meta.url).pathname;
  const valgrind = [
    "--tool=cachegrind",
    "--cache-sim=no",
    "--cachegrind-out-file=/dev/null",
    "--smc-check=all-non-file",
  ];
  const command = [...valgrind, "--log-fd=1", process.execPath, ...FLAGS, path, way, String(times)];
  const printed = execFileSync("valgrind", command, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  return Number(/I +refs: +([\d,]+)/.exec(printed)![1]!.replaceAll(",", ""));
}
