// The results of a run, and their summary.
import type { Checks, RoundTrips } from "./checks.ts";
import type { Framework, StoreName } from "./contender.ts";
import type { Entrant, Window } from "./entrant.ts";
import type { Survivors } from "./lost-updates.ts";
import type { Machine } from "./machine.ts";
import type { RedisCost } from "./redis-counters.ts";
import type { ScenarioName } from "./scenarios.ts";
import { difference, type Estimate, estimate } from "./statistics.ts";

/** The JSON file of a run. */
export interface Results {
  date: string;
  quick: boolean;
  machine: Machine;
  settings: { connections: number; requests: number; laps: number; rounds: number; minutes: number };
  rows: Row[];
}

/** One contender with one store. */
export interface Row {
  id: string;
  name: string;
  framework: Framework;
  store: StoreName;
  ours: boolean;
  cells: Partial<Record<ScenarioName, Cell>>;
  survivors?: Survivors;
}

/** The figures of one contender and scenario. */
export interface Cell {
  /** CPU microseconds for each request. */
  cpu: Estimate;
  /** The part of `cpu` spent in the kernel. */
  kernel: Estimate;
  /** The part of `cpu` that the bare server does not need. */
  added: Estimate;
  /** CPU microseconds of the database for each request. */
  database?: Estimate;
  /** CPU microseconds of server and database together, for each request. */
  both: Estimate;
  /** The server's share of its CPU. */
  busy: Estimate;
  rate: Estimate;
  setCookies: number;
  /** Bytes to and from Redis, and the commands by INFO commandstats, including those that scripts run. */
  redis?: RedisCost;
  roundTrips?: RoundTrips;
  /** All measurements, including disturbed ones, which the estimates leave out. */
  samples: Sample[];
}

export interface Sample extends Window {
  id: string;
  scenario: ScenarioName;
  lap: number;
  round: number;
  redis?: RedisCost;
}

/** A measurement of which other processes took a larger share counts only if too few are better. */
const MAX_DISTURBANCE = 0.05;
const LEAST_WINDOWS = 7;

/** The least disturbed measurements, chosen by the kernel's accounting of the disturbance and never by the figures. */
export function leastDisturbed(samples: readonly Sample[]): Sample[] {
  // The CPU time of a database process that ended is lost, so the difference can be negative.
  const whole = samples.filter(({ database = 0 }) => database >= 0);
  const sorted = whole.toSorted((one, other) => one.disturbed - other.disturbed);
  return sorted.filter(({ disturbed }, i) => disturbed <= MAX_DISTURBANCE || i < LEAST_WINDOWS);
}

/** CPU microseconds of server and database for each request. */
export function totalCpu({ cpu, database = 0 }: Sample): number {
  return cpu + database;
}

export function summarize(
  entrants: readonly Entrant[],
  samples: readonly Sample[],
  checks: ReadonlyMap<string, Checks>,
): Row[] {
  const windows = (id: string | undefined, scenario: ScenarioName) =>
    samples.filter((sample) => sample.id === id && sample.scenario === scenario);
  const bareIds = new Map(
    entrants.filter(({ store }) => store === "none").map(({ id, contender }) => [contender.framework, id]),
  );
  const scenarios = new Set(samples.map(({ scenario }) => scenario));
  return entrants.map(({ id, name, store, contender: { framework, ours } }) => {
    const { survivors, roundTrips } = checks.get(id) ?? {};
    const cells: Row["cells"] = {};
    for (const scenario of scenarios) {
      const all = windows(id, scenario);
      const own = leastDisturbed(all);
      const cpus = own.map(({ cpu }) => cpu);
      const bare = leastDisturbed(windows(bareIds.get(framework), scenario)).map(({ cpu }) => cpu);
      const trips = roundTrips?.[scenario];
      const redis = own.flatMap((sample) => sample.redis ?? []);
      const databases = own.flatMap(({ database }) => database ?? []);
      cells[scenario] = {
        cpu: estimate(cpus),
        kernel: estimate(own.map(({ kernel }) => kernel)),
        added: difference(cpus, bare),
        ...(databases.length > 0 && { database: estimate(databases) }),
        both: estimate(own.map(totalCpu)),
        busy: estimate(own.map(({ busy }) => busy)),
        rate: estimate(own.map(({ rate }) => rate)),
        setCookies: middle(own.map(({ setCookies }) => setCookies)),
        ...(redis.length > 0 && { redis: redisOf(redis) }),
        ...(trips && { roundTrips: trips }),
        samples: all,
      };
    }
    return { id, name, framework, store, ours: ours ?? false, cells, ...(survivors && { survivors }) };
  });
}

function redisOf(costs: RedisCost[]): RedisCost {
  const commands = new Set(costs.flatMap((cost) => Object.keys(cost.commands)));
  return {
    bytesIn: middle(costs.map(({ bytesIn }) => bytesIn)),
    bytesOut: middle(costs.map(({ bytesOut }) => bytesOut)),
    commands: Object.fromEntries(
      [...commands].map((name) => [name, middle(costs.map((cost) => cost.commands[name] ?? 0))]),
    ),
  };
}

function middle(values: number[]): number {
  return estimate(values).median;
}
