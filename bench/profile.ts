import { mkdirSync, readFileSync } from "node:fs";
import type { Context } from "./context.ts";
import { RunningEntrant } from "./entrant.ts";
import type { ScenarioName } from "./scenarios.ts";

/** Writes a profile of each scenario of each contender, and prints where its time goes. */
export async function profile(work: Context & { count: number; folder: string }): Promise<void> {
  mkdirSync(work.folder, { recursive: true });
  for (const entrant of work.chosen) {
    const running = await RunningEntrant.start(entrant, work.databases, work.generator);
    const measure = async (scenario: ScenarioName, around: () => Promise<void> = async () => {}) => {
      await running.seed();
      await around();
      return running.measure(scenario, work.count);
    };
    for (const scenario of work.scenarios) {
      await measure(scenario);
      running.pin();
      const { cpu } = await measure(scenario);
      const file = `${work.folder}/${entrant.id}-${scenario}.cpuprofile`;
      await measure(scenario, () => running.startProfile());
      await running.writeProfile(file);
      console.log(`\n${entrant.id}, ${scenario}: ${cpu.toFixed(1)} µs/request without the profiler`);
      const shares = selfTimes(JSON.parse(readFileSync(file, "utf8")) as CpuProfile);
      console.log(lines(byFile(shares), cpu, 14));
      console.log(lines(shares, cpu, 30));
    }
    await running.stop();
  }
  console.log(`\nThe profiles are in ${work.folder}`);
}

interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[];
  samples: number[];
  timeDeltas: number[];
}

/** Each function's share of the time that was not idle. */
function selfTimes({ nodes, samples, timeDeltas }: CpuProfile): Map<string, number> {
  const names = new Map(
    nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => [
      id,
      url === "" ? functionName : `${functionName || "(anonymous)"}  ${shortened(url)}:${lineNumber + 1}`,
    ]),
  );
  const times = new Map<string, number>();
  let total = 0;
  for (const [i, id] of samples.entries()) {
    const name = names.get(id)!;
    if (name === "(idle)") continue;
    times.set(name, (times.get(name) ?? 0) + timeDeltas[i]!);
    total += timeDeltas[i]!;
  }
  return new Map([...times].map(([name, time]) => [name, time / total]));
}

function byFile(shares: Map<string, number>): Map<string, number> {
  const files = new Map<string, number>();
  for (const [name, share] of shares) {
    const file = / {2}(.*):\d+$/.exec(name)?.[1] ?? name;
    files.set(file, (files.get(file) ?? 0) + share);
  }
  return files;
}

function lines(shares: Map<string, number>, cpu: number, most: number): string {
  const sorted = [...shares].sort(([, a], [, b]) => b - a).slice(0, most);
  return sorted.map(([name, share]) => `${(share * cpu).toFixed(2).padStart(8)} µs  ${name}`).join("\n");
}

function shortened(url: string): string {
  const root = new URL("..", import.meta.url).href;
  return url.replace(root, "").replace(/^.*node_modules\//, "");
}
