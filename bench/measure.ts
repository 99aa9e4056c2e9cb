// Measures contenders in laps and rounds.
import type { Framework } from "./contender.ts";
import type { Context } from "./context.ts";
import { RunningEntrant } from "./entrant.ts";
import { countRedis } from "./redis-counters.ts";
import type { Sample } from "./results.ts";
import type { ScenarioName } from "./scenarios.ts";

/** How much is measured. The command line's options of the same names. */
export interface Settings {
  laps: number;
  rounds: number;
  requests: number;
  warmUp: number;
  minutes: number;
}

/** Faster servers get more requests, so that all measurements take about the same time. Only one framework's are compared. */
const SHARE: Record<Framework, number> = {
  ...{ Express: 1, Koa: 1, h3: 1, Hono: 1, Astro: 1, "Next.js": 1 },
  ...{ Fastify: 2, "node:http": 3 },
};

/** The longest measurement, by the CPU time of the warm-up. Some libraries take a hundred times as long as the others. */
const LONGEST_SECONDS = 3;

/** The fewest rounds of a lap: fewer give no intervals. */
const LEAST_ROUNDS = 4;

/** Each lap starts new processes. Each round measures all contenders, in an order that rotates. `print` shows a line. */
export async function measureAll(
  context: Context,
  { laps, rounds, requests, warmUp, minutes }: Settings,
  print: (line: string) => void,
): Promise<Sample[]> {
  const started = Date.now();
  const samples: Sample[] = [];
  for (let lap = 1; lap <= laps; lap++) {
    const running = await startAll(context);
    const printTurn = (what: string, { entrant }: RunningEntrant, turn: readonly Sample[]) => {
      const figures = turn.map(({ scenario, cpu }) => `${scenario} ${cpu.toFixed(1)}`).join("  ");
      print(`lap ${lap}/${laps} ${what.padEnd(11)} ${entrant.id.padEnd(24)} µs/request: ${figures}`);
    };
    const warm = new Map<RunningEntrant, readonly Sample[]>();
    for (const one of running) {
      const turn = await takeTurn(context, one, () => warmUp, { lap, round: 0 });
      printTurn("warm-up", one, turn);
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
        print(`this lap's time is over after ${round - 1} of ${rounds} rounds`);
        break;
      }
      const roundStarted = Date.now();
      const shift = (round - 1) % running.length;
      for (const one of [...running.slice(shift), ...running.slice(0, shift)]) {
        const turn = await takeTurn(context, one, (scenario) => countOf(one, scenario), { lap, round });
        samples.push(...turn);
        printTurn(`round ${round}/${rounds}`, one, turn);
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
