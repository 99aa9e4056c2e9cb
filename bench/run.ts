// npm run bench [-- --quick]: what a session costs, by library, framework and store. See README.md in this folder.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { chosen, count, folder, readArguments } from "./arguments.ts";
import { checkAll } from "./checks.ts";
import type { Framework } from "./contender.ts";
import type { Context } from "./context.ts";
import { Databases } from "./databases.ts";
import { baselineOf, CONNECTIONS, type Entrant, entrants, RunningEntrant, startGenerator } from "./entrant.ts";
import { describeMachine } from "./machine.ts";
import { plots } from "./plots.ts";
import { profile } from "./profile.ts";
import { countRedis } from "./redis-counters.ts";
import { markdown } from "./report.ts";
import { type Results, type Sample, summarize } from "./results.ts";
import { scenarioNames } from "./scenarios.ts";

const USAGE = `npm run bench [-- options]
  --quick            about two minutes instead of ten; results go to quick.* instead of bench.*
  --only a,b         these contenders, and their bare servers
  --scenarios a,b    of ${scenarioNames.join(", ")}
  --profile          measure nothing, but say where the time goes: flame graphs (.svg) and what they are made from (.cpuprofile,
                     for a browser's developer tools or speedscope), in profiles/ of the folder below
  --laps n           how often every server is started anew
  --rounds n         how often each is measured in a lap
  --requests n       how many requests a measurement has on Express; Fastify gets twice, node:http three times as many
  --warm-up n        how many requests of each kind come before the first measurement
  --minutes n        begin no round that would end later than this
  --out folder       default: bench/results

contenders:
${[...Map.groupBy(entrants, ({ file }) => file).values()].map((own) => `  ${own.map(({ id }) => id).join(" ")}`).join("\n")}`;

const options = readArguments(USAGE, () => {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
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
  const { quick, profile } = values;
  const ids = entrants.map(({ id }) => id);
  const wanted = chosen("only", values.only, ids);
  return {
    quick,
    profile,
    wanted: entrants.filter(({ id }) => wanted.includes(id)),
    scenarios: chosen("scenarios", values.scenarios, scenarioNames),
    laps: count("laps", values.laps, 1),
    rounds: count("rounds", values.rounds, quick ? 6 : 20),
    requests: count("requests", values.requests, quick ? 400 : 2_000),
    // Until V8 has compiled everything for good; the same number for all.
    warmUp: count("warm-up", values["warm-up"], quick ? 2_000 : 15_000),
    minutes: count("minutes", values.minutes, quick ? 2 : 9.5),
    out: folder(values.out),
  };
});
const { warmUp, laps, rounds, requests, minutes, scenarios } = options;

/** Faster servers get more requests, so that each measurement takes about as long. Comparisons stay in a framework. */
const SHARE: Record<Framework, number> = { Express: 1, Fastify: 2, "node:http": 3 };

/** In a lap. Of fewer the intervals would say nothing. */
const LEAST_ROUNDS = 4;
const started = Date.now();

await main();

async function main(): Promise<void> {
  const machine = describeMachine();
  const measured = withBaselines(options.wanted);

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
      rows: summarize(measured, samples, await checkAll(context, tellCheck)),
    };
    const file = `${options.out}/${options.quick ? "quick" : "bench"}`;
    const text = markdown(results);
    writeFileSync(`${file}.json`, `${JSON.stringify(results, null, 1)}\n`);
    writeFileSync(`${file}.md`, text);
    for (const [name, svg] of Object.entries(plots(results))) writeFileSync(`${file}-${name}.svg`, svg);
    console.log(`\n${text}`);
  } finally {
    await generator.stop();
    await databases.stop();
  }
}

function withBaselines(wanted: readonly Entrant[]): Entrant[] {
  const baselines = new Set(wanted.map(baselineOf));
  return entrants.filter((one) => wanted.includes(one) || baselines.has(one));
}

/** Laps of rounds of turns: each lap with new processes, each round with everybody in it, the order turning. */
async function measureAll(context: Context): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let lap = 1; lap <= laps; lap++) {
    const running = await startAll(context);
    const print = (what: string, { entrant }: RunningEntrant, turn: readonly Sample[]) => {
      const figures = turn.map(({ scenario, cpu }) => `${scenario} ${cpu.toFixed(1)}`).join("  ");
      console.log(`${clock()}  lap ${lap}/${laps} ${what.padEnd(11)} ${entrant.id.padEnd(24)} µs/request: ${figures}`);
    };
    for (const one of running) {
      print("warm-up", one, await takeTurn(context, one, () => warmUp, { lap, round: 0 }));
      one.pin();
    }

    const endAt = started + (minutes * 60_000 * lap) / laps;
    let roundTook = 0;
    for (let round = 1; round <= rounds; round++) {
      if (round > LEAST_ROUNDS && Date.now() + roundTook > endAt) {
        console.log(`${clock()}  ${round - 1} rounds of ${rounds} have to do: this lap's time is up`);
        break;
      }
      const roundStarted = Date.now();
      const shift = (round - 1) % running.length;
      for (const one of [...running.slice(shift), ...running.slice(0, shift)]) {
        const turn = await takeTurn(context, one, (framework) => requests * SHARE[framework], { lap, round });
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
  countOn: (framework: Framework) => number,
  when: { lap: number; round: number },
): Promise<Sample[]> {
  const { entrant } = running;
  const count = countOn(entrant.contender.framework);
  const samples: Sample[] = [];
  const redis = entrant.store === "redis" || entrant.store === "cached" ? databases.redis! : undefined;
  let seeded = false;
  for (const scenario of scenarios) {
    if (scenario !== "new" && !seeded) {
      await databases.of(entrant.store)?.clear();
      await running.seed();
      seeded = true;
    }
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

function tellCheck(id: string): void {
  console.log(`${clock()}  lost updates and round trips  ${id}`);
}

function clock(): string {
  const seconds = Math.round((Date.now() - started) / 1000);
  return `${String(Math.floor(seconds / 60)).padStart(2)}:${String(seconds % 60).padStart(2, "0")}`;
}
