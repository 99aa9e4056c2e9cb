// Writes goals.md, from the results of `npm run bench -- --goals` and of `npm run bench:latency`.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { goals } from "./goals.ts";
import type { LatencyResults } from "./latency-results.ts";
import type { Results } from "./results.ts";

/** Returns the text. Undefined: the goals were never measured there. */
export function writeGoals(folder: string): string | undefined {
  const results = read<Results>(`${folder}/goals.json`);
  if (results === undefined) return undefined;
  const text = goals(results, read<LatencyResults>(`${folder}/latency.json`));
  writeFileSync(`${folder}/goals.md`, text);
  return text;
}

function read<Content>(file: string): Content | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Content) : undefined;
}
