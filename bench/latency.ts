// npm run bench:latency [-- --quick]: measures latency at fixed rates below saturation, undisturbed and during disturbances.
import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { chosen, count, folder, readArguments } from "./arguments.ts";
import { CPUS, startChild } from "./child.ts";
import { Databases } from "./databases.ts";
import { type Entrant, entrants, type Generator, RunningEntrant, startGenerator } from "./entrant.ts";
import { writeGoals } from "./goals-file.ts";
import { LATE, type LatencyResults, type LatencyRow } from "./latency-results.ts";
import { describeMachine } from "./machine.ts";
import type { Latency, PacerAnswer, PacerQuestion } from "./pacer.ts";
import { latencyPlot } from "./plots.ts";
import { table } from "./report.ts";
import { request } from "./scenarios.ts";

/** coatcheck, and the most used store of express-session for each database. */
const DEFAULT_IDS = ["memory", "redis", "cached", "postgres", "mysql"].flatMap((store) => [
  `coatcheck-express+${store}`,
  ...({
    memory: ["express-session+memory"],
    redis: ["connect-redis+redis"],
    postgres: ["connect-pg-simple+postgres"],
    mysql: ["express-mysql-session+mysql"],
  }[store] ?? []),
]);

const USAGE = `npm run bench:latency [-- options]
  --quick       measures for a shorter time; results go to quick-latency.*
  --only a,b    contenders, as "npm run bench -- --help" lists them
  --rates a,b   requests a second; default: 250,1000
  --out folder  default: bench/results`;

const options = readArguments(USAGE, () => {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", default: DEFAULT_IDS.join(",") },
      rates: { type: "string", default: "250,1000" },
      out: { type: "string" },
    },
  });
  const ids = chosen(
    "only",
    values.only,
    entrants.map(({ id }) => id),
  );
  return {
    quick: values.quick,
    wanted: ids.map((id) => entrants.find((one) => one.id === id)!),
    rates: values.rates.split(",").map((rate) => count("rates", rate, 0)),
    out: folder(values.out),
  };
});

const SECONDS = options.quick ? 3 : 8;
const WARM_UP = 2;
const CONNECTIONS = 256;
/** Enough to affect latency when all of them expire during the measurement. */
const EXPIRING = options.quick ? 3_000 : 10_000;
/** Sessions begin to expire with the measurement or a little later. */
const IDLE_SECONDS = 12;
const HICCUPS = [50, 100, 200];
if (import.meta.main) await main();

async function main(): Promise<void> {
  const machine = describeMachine();
  const databases = await Databases.start(options.wanted.map(({ store }) => store));
  const generator = await startGenerator();
  const rows: LatencyRow[] = [];
  const add = (entrant: Entrant, situation: string, rate: number, latency: Latency) => {
    const { id, name, contender } = entrant;
    rows.push({ id, name, ours: contender.ours ?? false, situation, rate, latency });
    console.log(`${situation}, ${rate}/s  ${id}  p50 ${latency.p50} p99 ${latency.p99} p99.9 ${latency.p999} ms`);
  };
  try {
    for (const entrant of options.wanted) {
      await databases.of(entrant.store)?.clear();
      const running = await startWarm(entrant, databases, generator);
      for (const rate of options.rates) add(entrant, "at rest", rate, await pace(running, rate));
      if (databases.redis !== undefined && databases.of(entrant.store)?.port === databases.redis.port) {
        const { redis } = databases;
        const stop = repeat(async (turn) => {
          redis.pause();
          await sleep(HICCUPS[turn % HICCUPS.length]!);
          redis.resume();
        });
        add(
          entrant,
          "Redis stands still for 50, 100, 200 ms, once a second",
          options.rates[0]!,
          await pace(running, options.rates[0]!),
        );
        await stop();
      }
      await running.stop();
      if (!entrant.contender.ours) continue;
      const short = await startWarm(entrant, databases, generator, {
        BENCH_IDLE_SECONDS: String(IDLE_SECONDS),
      });
      await short.begin(EXPIRING);
      await short.seed();
      add(
        entrant,
        `${EXPIRING} sessions expire and are swept`,
        options.rates[0]!,
        await pace(short, options.rates[0]!),
      );
      await short.stop();
    }
  } finally {
    await generator.stop();
    await databases.stop();
  }
  const results = { date: new Date().toISOString(), machine, seconds: SECONDS, rows };
  const file = `${options.out}/${options.quick ? "quick-" : ""}latency`;
  writeFileSync(`${file}.json`, `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(`${file}.md`, markdown(results));
  writeFileSync(`${file}.svg`, latencyPlot(results));
  if (!options.quick) writeGoals(options.out);
  console.log(markdown(results));
}

async function startWarm(
  entrant: Entrant,
  databases: Databases,
  generator: Generator,
  env: NodeJS.ProcessEnv = {},
): Promise<RunningEntrant> {
  const running = await RunningEntrant.start(entrant, databases, generator, { env });
  for (const name of ["new", "read", "change"] as const) {
    if (name === "read") await running.seed();
    await running.measure(name, options.quick ? 1_000 : 4_000);
  }
  running.pin();
  return running;
}

/** Sends four requests that read for each that changes its session. */
async function pace(running: RunningEntrant, rate: number): Promise<Latency> {
  const requests = running.cookies.map((cookie, i) => request(i % 5 === 0 ? "/change" : "/read", cookie));
  const { child: pacer } = await startChild<PacerQuestion, PacerAnswer>("pacer.ts", [], CPUS.generator);
  const job = { port: running.port, connections: CONNECTIONS, requests, rate, seconds: SECONDS, warmUp: WARM_UP };
  const latency = (await pacer.ask({ ask: "run", job })) as Latency;
  await pacer.stop();
  return latency;
}

/** Runs once a second, until the result is called. */
function repeat(run: (turn: number) => Promise<void>): () => Promise<void> {
  let going = true;
  const loop = (async () => {
    for (let turn = 0; going; turn++) {
      await run(turn);
      await sleep(1_000);
    }
  })();
  return async () => {
    going = false;
    await loop;
  };
}

function markdown({ date, machine, seconds, rows }: LatencyResults): string {
  const late = Math.max(...rows.map(({ latency }) => latency.late));
  const titleOf = ({ situation, rate }: LatencyRow) => `${situation}, ${rate} requests a second`;
  return [
    "# How long requests take",
    "",
    `${date.slice(0, 10)}, ${machine.cpu}, ${machine.cores} cores, load before the run ${machine.loadBefore.toFixed(1)}. ` +
      `Express; ${seconds} seconds at a fixed rate, four reads to one change. Milliseconds from when a request was due until its ` +
      "answer, so the time that a request waits for a slow one before it counts. The last column is the load generator's own " +
      "lateness, which all other columns include.",
    "",
    ...(late > LATE
      ? [
          `The generator was up to ${late.toFixed(0)} ms late, so other processes had the CPUs for that long. These figures measure ` +
            "the machine: do not compare the contenders by them.",
          "",
        ]
      : []),
    ...[...Map.groupBy(rows, titleOf)].flatMap(([title, own]) => [
      `## ${title[0]!.toUpperCase()}${title.slice(1)}`,
      "",
      ...table(
        ["", "p50", "p99", "p99.9", "longest", "generator's p99"],
        own.map(({ name, ours, latency: { p50, p99, p999, most, late } }) => [
          ours ? `**${name}**` : name,
          ...[p50, p99, p999, most, late].map((ms) => ms.toFixed(2)),
        ]),
      ),
    ]),
  ].join("\n");
}
