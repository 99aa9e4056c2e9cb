// Profiles contenders and shows where their time goes.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Context } from "./context.ts";
import { RunningEntrant } from "./entrant.ts";
import { flameGraph } from "./flame-graph.ts";
import { type ScenarioName, scenarios } from "./scenarios.ts";
import { type CpuProfile, fold, selfTimes } from "./stacks.ts";

/** Writes a profile and a flame graph of each contender and scenario, and prints the files and functions that take longest. */
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
      const file = `${work.folder}/${entrant.id}-${scenario}`;
      await measure(scenario, () => running.startProfile());
      await running.writeProfile(`${file}.cpuprofile`);
      console.log(`\n${entrant.id}, ${scenario}: ${cpu.toFixed(1)} µs/request without the profiler`);
      const stacks = fold(JSON.parse(readFileSync(`${file}.cpuprofile`, "utf8")) as CpuProfile);
      const name = `${entrant.name} · ${entrant.contender.framework}, ${scenarios[scenario].title}`;
      writeFileSync(`${file}.svg`, flameGraph(stacks, { name, cpu }));
      const shares = selfTimes(stacks);
      console.log(lines(byFile(shares), cpu, 14));
      console.log(lines(shares, cpu, 30));
    }
    await running.stop();
  }
  console.log(`\nThe profiles and flame graphs are in ${work.folder}`);
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
