// npm run bench [-- --quick]: measures what a session costs, by library, framework and store (see README.md in this folder).
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { buildAstro } from "./apps/astro.ts";
import { chosen, count, folder, readArguments } from "./arguments.ts";
import { checkAll } from "./checks.ts";
import { FRAMEWORKS, type Framework, MORE_FRAMEWORKS } from "./contender.ts";
import type { Context } from "./context.ts";
import { Databases } from "./databases.ts";
import { baselineOf, CONNECTIONS, type Entrant, entrants, RunningEntrant, startGenerator } from "./entrant.ts";
import { goals } from "./goals.ts";
import type { LatencyResults } from "./latency-results.ts";
import { describeMachine, FRAMEWORK_PACKAGES, versionsOf } from "./machine.ts";
import { plots } from "./plots.ts";
import { profile } from "./profile.ts";
import { countRedis } from "./redis-counters.ts";
import { markdown } from "./report.ts";
import { type Results, type Sample, summarize } from "./results.ts";
import { type ScenarioName, scenarioNames } from "./scenarios.ts";

const USAGE = `npm run bench [-- options]
  --quick            takes about two minutes instead of ten; results go to quick.* instead of bench.*
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
  const { quick, profile, frameworks } = values;
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
    wanted: entrants.filter(({ id }) => wanted.includes(id)),
    scenarios: chosen("scenarios", values.scenarios, scenarioNames),
    laps: count("laps", values.laps, 1),
    rounds: count("rounds", values.rounds, quick ? 6 : 20),
    requests: count("requests", values.requests, quick ? 400 : 2_000),
    // V8 has compiled everything by then. The same number for all contenders.
    warmUp: count("warm-up", values["warm-up"], quick ? 2_000 : frameworks ? 6_000 : 15_000),
    minutes: count("minutes", values.minutes, quick ? 2 : 9.5),
    out: folder(values.out),
  };
});
const { warmUp, laps, rounds, requests, minutes, scenarios } = options;

/** Faster servers get more requests, so that all measurements take about the same time. Only one framework's are compared. */
const SHARE: Record<Framework, number> = { Express: 1, Koa: 1, h3: 1, Hono: 1, Astro: 1, Fastify: 2, "node:http": 3 };

/** The longest measurement, by the CPU time of the warm-up. Some libraries take a hundred times as long as the others. */
const LONGEST_SECONDS = 3;

/** The fewest rounds of a lap: fewer give no intervals. */
const LEAST_ROUNDS = 4;
const started = Date.now();

await main();

async function main(): Promise<void> {
  const measured = withBaselines(options.wanted);
  const machine = describeMachine();
  if (measured.some(({ contender }) => contender.framework === "Astro")) {
    console.log("Building the application on Astro …");
    buildAstro();
  }
  if (options.name === "frameworks") machine.versions = versionsOf(FRAMEWORK_PACKAGES);

  const databases = await Databases.start(measured.map(({ store }) => store));
  const generator = await startGenerator();
  const context: Context = { chosen: measured, scenarios, databases, generator };
  try {
    if (options.profile) {
      await profile({ ...context, count: warmUp, folder: `${options.out}/profiles` });
      return;
    }
    const samples = await measureAll(context);
    const results: Results = {
      date: new Date().toISOString(),
      quick: options.quick,
      machine,
      settings: {
        connections: CONNECTIONS,
        requests,
        laps,
        rounds: Math.max(...samples.map(({ round }) => round)),
        minutes: (Date.now() - started) / 60_000,
      },
      rows: summarize(measured, samples, await checkAll(context, printCheck)),
    };
    const file = `${options.out}/${options.name}`;
    const text = markdown(results);
    writeFileSync(`${file}.json`, `${JSON.stringify(results, null, 1)}\n`);
    writeFileSync(`${file}.md`, text);
    const reached = options.name === "bench" ? goals(results, latencyIn(options.out)) : undefined;
    if (reached !== undefined) writeFileSync(`${options.out}/goals.md`, reached);
    for (const [name, svg] of Object.entries(plots(results))) writeFileSync(`${file}-${name}.svg`, svg);
    console.log(`\n${text}`);
  } finally {
    await generator.stop();
    await databases.stop();
  }
}

/** The last results of `bench:latency` there. */
function latencyIn(folder: string): LatencyResults | undefined {
  const file = `${folder}/latency.json`;
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as LatencyResults) : undefined;
}

function withBaselines(wanted: readonly Entrant[]): Entrant[] {
  const baselines = new Set(wanted.map(baselineOf));
  return entrants.filter((one) => wanted.includes(one) || baselines.has(one));
}

/** Each lap starts new processes. Each round measures all contenders, in an order that rotates. */
async function measureAll(context: Context): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let lap = 1; lap <= laps; lap++) {
    const running = await startAll(context);
    const print = (what: string, { entrant }: RunningEntrant, turn: readonly Sample[]) => {
      const figures = turn.map(({ scenario, cpu }) => `${scenario} ${cpu.toFixed(1)}`).join("  ");
      console.log(`${clock()}  lap ${lap}/${laps} ${what.padEnd(11)} ${entrant.id.padEnd(24)} µs/request: ${figures}`);
    };
    const warm = new Map<RunningEntrant, readonly Sample[]>();
    for (const one of running) {
      const turn = await takeTurn(context, one, () => warmUp, { lap, round: 0 });
      print("warm-up", one, turn);
      warm.set(one, turn);
      one.pin();
    }
    const countOf = (one: RunningEntrant, name: ScenarioName) => {
      const { cpu } = warm.get(one)!.find(({ scenario }) => scenario === name)!;
      const most = Math.ceil((LONGEST_SECONDS * 1e6) / cpu);
      return Math.min(requests * SHARE[one.entrant.contender.framework], most);
    };

    const endAt = started + (minutes * 60_000 * lap) / laps;
    let roundTook = 0;
    for (let round = 1; round <= rounds; round++) {
      if (round > LEAST_ROUNDS && Date.now() + roundTook > endAt) {
        console.log(`${clock()}  this lap's time is over after ${round - 1} of ${rounds} rounds`);
        break;
      }
      const roundStarted = Date.now();
      const shift = (round - 1) % running.length;
      for (const one of [...running.slice(shift), ...running.slice(0, shift)]) {
        const turn = await takeTurn(context, one, (scenario) => countOf(one, scenario), { lap, round });
        samples.push(...turn);
        print(`round ${round}/${rounds}`, one, turn);
      }
      roundTook = Date.now() - roundStarted;
    }
    await Promise.all(running.map((one) => one.stop()));
  }
  return samples;
}

async function takeTurn(
  { scenarios, databases }: Context,
  running: RunningEntrant,
  countOf: (scenario: ScenarioName) => number,
  when: { lap: number; round: number },
): Promise<Sample[]> {
  const { entrant } = running;
  const samples: Sample[] = [];
  const redis = entrant.store === "redis" || entrant.store === "cached" ? databases.redis! : undefined;
  let seeded = false;
  for (const scenario of scenarios) {
    if (scenario !== "new" && !seeded) {
      await databases.of(entrant.store)?.clear();
      await running.seed();
      seeded = true;
    }
    const count = countOf(scenario);
    const counted = redis && (await countRedis(redis));
    const window = await running.measure(scenario, count);
    samples.push({
      id: entrant.id,
      scenario,
      ...when,
      ...window,
      ...(counted && { redis: await counted(count) }),
    });
  }
  return samples;
}

function startAll({ chosen, databases, generator }: Context): Promise<RunningEntrant[]> {
  return Promise.all(chosen.map((entrant) => RunningEntrant.start(entrant, databases, generator)));
}

function printCheck(id: string): void {
  console.log(`${clock()}  lost updates and round trips  ${id}`);
}

function clock(): string {
  const seconds = Math.round((Date.now() - started) / 1000);
  return `${String(Math.floor(seconds / 60)).padStart(2)}:${String(seconds % 60).padStart(2, "0")}`;
}
