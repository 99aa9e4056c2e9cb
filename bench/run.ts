// npm run bench [-- --quick]: measures what a session costs, by library, framework and store (see README.md in this folder).
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { buildAstro } from "./apps/astro.ts";
import { buildNext } from "./apps/next.ts";
import { chosen, count, folder, readArguments } from "./arguments.ts";
import { checkAll } from "./checks.ts";
import { FRAMEWORKS, type Framework, MORE_FRAMEWORKS } from "./contender.ts";
import type { Context } from "./context.ts";
import { Databases } from "./databases.ts";
import { baselineOf, CONNECTIONS, type Entrant, entrants, startGenerator } from "./entrant.ts";
import { comparedContenders } from "./goals.ts";
import { writeGoals } from "./goals-file.ts";
import { describeMachine, FRAMEWORK_PACKAGES, type Machine, versionsOf } from "./machine.ts";
import { measureAll, type Settings } from "./measure.ts";
import { plots } from "./plots.ts";
import { profile } from "./profile.ts";
import { markdown } from "./report.ts";
import { type Results, type Row, type Sample, summarize } from "./results.ts";
import { scenarioNames } from "./scenarios.ts";

const USAGE = `npm run bench [-- options]
  --quick            takes about two minutes instead of ten; results go to quick.* instead of bench.*
  --goals            only what goals.md compares, each comparison by itself, in 20 minutes; results go to goals.*
  --frameworks       the session packages of ${MORE_FRAMEWORKS.join(", ")} instead; results go to frameworks.*
  --only a,b         these contenders, and their bare servers
  --scenarios a,b    of ${scenarioNames.join(", ")}
  --profile          instead of measuring, write flame graphs (.svg) and profiles (.cpuprofile, for a browser's developer
                     tools or speedscope) to profiles/ of the folder below
  --laps n           number of times that every server is started
  --rounds n         measurements of each contender in a lap
  --requests n       requests of a measurement on Express; twice as many on Fastify, three times as many on node:http
  --warm-up n        requests of each kind before the first measurement
  --minutes n        begin no round that would end later than this
  --out folder       default: bench/results

contenders:
${[...Map.groupBy(entrants, ({ file }) => file).values()].map((own) => `  ${own.map(({ id }) => id).join(" ")}`).join("\n")}`;

const options = readArguments(USAGE, () => {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      goals: { type: "boolean", default: false },
      frameworks: { type: "boolean", default: false },
      only: { type: "string" },
      scenarios: { type: "string" },
      laps: { type: "string" },
      rounds: { type: "string" },
      requests: { type: "string" },
      "warm-up": { type: "string" },
      minutes: { type: "string" },
      out: { type: "string" },
      profile: { type: "boolean", default: false },
    },
  });
  const { quick, profile, goals, frameworks } = values;
  if (goals && (quick || profile || frameworks || values.only || values.scenarios)) {
    throw new Error("--goals: chooses itself what is measured. Leave out the other choices.");
  }
  const measured: readonly Framework[] = frameworks ? MORE_FRAMEWORKS : FRAMEWORKS;
  const ids = entrants.map(({ id }) => id);
  const ofRun = entrants
    .filter(({ contender }) => measured.includes(contender.framework) && !contender.onlyByName)
    .map(({ id }) => id);
  const wanted = values.only === undefined ? ofRun : chosen("only", values.only, ids);
  return {
    quick,
    name: frameworks ? "frameworks" : quick ? "quick" : "bench",
    profile,
    goals,
    wanted: entrants.filter(({ id }) => wanted.includes(id)),
    scenarios: chosen("scenarios", values.scenarios, scenarioNames),
    laps: count("laps", values.laps, goals ? 3 : 1),
    rounds: count("rounds", values.rounds, quick ? 6 : 20),
    requests: count("requests", values.requests, quick ? 400 : 2_000),
    // V8 has compiled everything by then. The same number for all contenders.
    warmUp: count("warm-up", values["warm-up"], quick ? 2_000 : frameworks ? 6_000 : 15_000),
    minutes: count("minutes", values.minutes, quick ? 2 : goals ? 20 : 9.5),
    out: folder(values.out),
  };
});

/** The frameworks whose application is built before it runs. */
const BUILDS: Partial<Record<Framework, () => void>> = { Astro: buildAstro, "Next.js": buildNext };

const started = Date.now();

await main();

async function main(): Promise<void> {
  const machine = describeMachine();
  if (options.goals) return measureGoals(machine);
  const measured = withBaselines(options.wanted);
  for (const [framework, build] of Object.entries(BUILDS)) {
    if (!measured.some(({ contender }) => contender.framework === framework)) continue;
    console.log(`Building the application on ${framework} …`);
    build();
  }
  if (options.name === "frameworks") machine.versions = versionsOf(FRAMEWORK_PACKAGES);
  await withContext(measured, async (context) => {
    if (options.profile) {
      await profile({ ...context, count: options.warmUp, folder: `${options.out}/profiles` });
      return;
    }
    const samples = await measureAll(context, options, print);
    const rows = summarize(measured, samples, await checkAll(context, printCheck));
    const results = resultsOf(machine, rows, samples);
    const file = `${options.out}/${options.name}`;
    const text = markdown(results);
    writeFileSync(`${file}.json`, `${JSON.stringify(results, null, 1)}\n`);
    writeFileSync(`${file}.md`, text);
    for (const [name, svg] of Object.entries(plots(results))) writeFileSync(`${file}-${name}.svg`, svg);
    console.log(`\n${text}`);
  });
}

/** Measures each comparison by itself: among forty others, each server finds the CPU's caches full of the others' data. */
async function measureGoals(machine: Machine): Promise<void> {
  const groups = comparedContenders();
  const settings: Settings = { ...options, minutes: options.minutes / groups.length };
  const rows: Row[] = [];
  const samples: Sample[] = [];
  for (const ids of groups) {
    const measured = withBaselines(entrants.filter(({ id }) => ids.includes(id)));
    const own = await withContext(measured, (context) => measureAll(context, settings, print));
    samples.push(...own);
    // What is added is compared. The bare servers themselves would be here several times.
    rows.push(...summarize(measured, own, new Map()).filter(({ store }) => store !== "none"));
  }
  const results = resultsOf(machine, rows, samples);
  writeFileSync(`${options.out}/goals.json`, `${JSON.stringify(results, null, 1)}\n`);
  console.log(`\n${writeGoals(options.out)}`);
}

async function withContext<Result>(chosen: Entrant[], work: (context: Context) => Promise<Result>): Promise<Result> {
  const databases = await Databases.start(chosen.map(({ store }) => store));
  const generator = await startGenerator();
  try {
    return await work({ chosen, scenarios: options.scenarios, databases, generator });
  } finally {
    await generator.stop();
    await databases.stop();
  }
}

function resultsOf(machine: Machine, rows: Row[], samples: readonly Sample[]): Results {
  return {
    date: new Date().toISOString(),
    quick: options.quick,
    machine,
    settings: {
      connections: CONNECTIONS,
      requests: options.requests,
      laps: options.laps,
      rounds: Math.max(...samples.map(({ round }) => round)),
      minutes: (Date.now() - started) / 60_000,
    },
    rows,
  };
}

function withBaselines(wanted: readonly Entrant[]): Entrant[] {
  const baselines = new Set(wanted.map(baselineOf));
  return entrants.filter((one) => wanted.includes(one) || baselines.has(one));
}

function print(line: string): void {
  console.log(`${clock()}  ${line}`);
}

function printCheck(id: string): void {
  print(`lost updates and round trips  ${id}`);
}

function clock(): string {
  const seconds = Math.round((Date.now() - started) / 1000);
  return `${String(Math.floor(seconds / 60)).padStart(2)}:${String(seconds % 60).padStart(2, "0")}`;
}
