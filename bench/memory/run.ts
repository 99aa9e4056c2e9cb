// npm run bench:memory [-- --count 100000 --seconds 2]: measures what a million sessions in one process take, by library.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { chosen, count, folder, readArguments } from "../arguments.ts";
import { describeMachine, type Machine } from "../machine.ts";
import type { Comparison } from "./compare-reads.ts";
import { contenders } from "./contenders.ts";
import type { Figures } from "./measure.ts";
import type { Requests } from "./requests.ts";

const ids = Object.keys(contenders);

const USAGE = `npm run bench:memory [-- options]
  --only a,b    of ${ids.join(", ")}
  --count n     sessions; default: 1000000
  --seconds n   duration of the churn; default: 10
  --out folder  default: bench/results`;

const options = readArguments(USAGE, () => {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      count: { type: "string" },
      seconds: { type: "string" },
      out: { type: "string" },
    },
  });
  return {
    only: chosen("only", values.only, ids),
    count: count("count", values.count, 1_000_000),
    seconds: count("seconds", values.seconds, 10),
    out: folder(values.out),
  };
});

const machine = describeMachine();
const rows: { id: string; name: string; figures: Figures }[] = [];
for (const id of options.only) {
  const { name } = contenders[id]!;
  rows.push({ id, name, figures: run<Figures>("measure.ts", id, String(options.count), String(options.seconds)) });
  console.log(`${name}: measured`);
}
const requests = run<Requests>("requests.ts", String(options.count));

const results = { date: new Date().toISOString(), machine, count: options.count, rows, requests };
writeFileSync(`${options.out}/memory.json`, `${JSON.stringify(results, undefined, 2)}\n`);
const report = markdown(machine);
writeFileSync(`${options.out}/memory.md`, report);
console.log(`\n${report}`);

function run<Result>(script: string, ...args: string[]): Result {
  const path = new URL(script, import.meta.url).pathname;
  const output = execFileSync(process.execPath, ["--expose-gc", "--max-old-space-size=8192", path, ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  return JSON.parse(output) as Result;
}

function markdown({ cpu, cores, memory, system, loadBefore, versions }: Machine): string {
  const line = (title: string, show: (figures: Figures) => string) =>
    `| ${title} | ${rows.map(({ figures }) => show(figures)).join(" | ")} |`;
  const bytes = (value: number) => value.toFixed(0);
  const ms = (value: number) => value.toFixed(1);
  const read = (title: string, { small, large, ratio }: Comparison) =>
    `| ${title} | ${bytes(small.median)} | ${bytes(large.median)} | ${ratio.median.toFixed(2)} |`;
  return [
    "# What a session in memory takes",
    "",
    `${results.date.slice(0, 10)}, ${cpu}, ${cores} cores, ${memory}, ${system}, load before ${loadBefore.toFixed(1)}; ` +
      `Node ${versions.node}, V8 ${versions.v8}, express-session ${versions["express-session"]}, memorystore ${versions.memorystore}. ` +
      `${results.count.toLocaleString("en")} sessions of 280 to 320 bytes (300 in the mean), each contender in its own process.`,
    "",
    `| | ${rows.map(({ name }) => name).join(" | ")} |`,
    `| --- |${" ---: |".repeat(rows.length)}`,
    line("bytes for each, process memory without V8's young generation", ({ each }) => bytes(each.rssWithoutYoung)),
    line("bytes for each, process memory", ({ each }) => bytes(each.rss)),
    line("bytes for one more: the second half alone, without the young generation", ({ eachMore }) =>
      bytes(eachMore.rssWithoutYoung),
    ),
    line("bytes for each, heap and external", ({ each }) => bytes(each.heapAndExternal)),
    line("the same, after the churn", ({ eachAfterChurn }) => bytes(eachAfterChurn.heapAndExternal)),
    line("churn: operations a second", ({ churn }) => (churn.operations / options.seconds).toFixed(0)),
    line("churn: longest pause for garbage, ms", ({ churn }) => ms(churn.longestCollection)),
    line("churn: longest turn, ms of CPU", ({ churn }) => ms(churn.longestTurn)),
    line("churn: longest stall, ms", ({ churn }) => ms(churn.longestStall)),
    line("filling: longest pause for garbage, ms", ({ fill }) => ms(fill.longestCollection)),
    line("filling: longest turn, ms of CPU", ({ fill }) => ms(fill.longestTurn)),
    line("expiry of all, µs of CPU each", ({ sweep }) => (sweep ? sweep.cpu.toFixed(2) : "never, until read")),
    line("expiry of all: longest turn, ms of CPU", ({ sweep }) => (sweep ? ms(sweep.longestTurn) : "")),
    "",
    "Pauses and stalls are measured by the clock, so they include other work of the machine. V8's young generation grows to about " +
      "64 MB with the load, whatever is kept.",
    "",
    `CPU time of a read of a random key among 1,000 sessions and among ${results.count.toLocaleString("en")}, ns:`,
    "",
    "| | 1,000 | all | ratio |",
    "| --- | ---: | ---: | ---: |",
    ...rows.map(({ name, figures }) => read(`${name}: the store alone`, figures.reads)),
    read("coatcheck: open a session and get a key", requests.core),
    read("coatcheck: the same as a request on `node:http`, without a network", requests.http),
    "",
  ].join("\n");
}
