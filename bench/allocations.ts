// node bench/allocations.ts, with the flags below: prints the heap bytes that each code path allocates, as JSON.
import { codePaths } from "./code-paths.ts";

/**
 * The young generation is so large that nothing is collected while bytes are counted, and V8 does all its work on one
 * thread, in the same order each time. The same source gives the same bytes on any machine, busy or not.
 */
export const FLAGS = [
  ...["--min-semi-space-size=512", "--max-semi-space-size=512", "--expose-gc"],
  ...["--single-threaded", "--predictable", "--random-seed=1", "--hash-seed=1", "--no-warnings"],
];

/** Runs before the count. V8 has compiled everything by then. */
const WARM = 20_000;
const COUNTED = 2_000;
const TIMES = 5;

if (import.meta.main) {
  const bytes: Record<string, number> = {};
  for (const [name, run] of Object.entries(codePaths)) {
    for (let i = 0; i < WARM; i++) await run();
    const counts: number[] = [];
    for (let time = 0; time < TIMES; time++) {
      globalThis.gc!({ type: "minor" });
      const before = process.memoryUsage().heapUsed;
      for (let i = 0; i < COUNTED; i++) await run();
      counts.push((process.memoryUsage().heapUsed - before) / COUNTED);
    }
    bytes[name] = Math.round(counts.sort((one, other) => one - other)[TIMES >> 1]!);
  }
  console.log(JSON.stringify(bytes));
  process.exit();
}
