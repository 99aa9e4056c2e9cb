import type { Checks, RoundTrips } from "./checks.ts";
import type { Framework, StoreName } from "./contender.ts";
import type { Entrant, Window } from "./entrant.ts";
import type { Survivors } from "./lost-updates.ts";
import type { Machine } from "./machine.ts";
import type { RedisCost } from "./redis-counters.ts";
import type { ScenarioName } from "./scenarios.ts";
import { difference, type Estimate, estimate } from "./statistics.ts";

/** What a run found out; the JSON file is one of these. */
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

/** One of its scenarios. */
export interface Cell {
  /** CPU microseconds for each request. */
  cpu: Estimate;
  /** What of it was spent in the kernel. */
  kernel: Estimate;
  /** What of `cpu` the bare server does not need. */
  added: Estimate;
  /** CPU microseconds of the database for each request. */
  database?: Estimate;
  /** Of server and database together. */
  both: Estimate;
  /** The server's share of its CPU. */
  busy: Estimate;
  rate: Estimate;
  setCookies: number;
  /** Bytes to and from Redis, and what INFO commandstats counted, scripts' commands among them. */
  redis?: RedisCost;
  roundTrips?: RoundTrips;
  /** All windows; those that were disturbed do not count. */
  samples: Sample[];
}

export interface Sample extends Window {
  id: string;
  scenario: ScenarioName;
  lap: number;
  round: number;
  redis?: RedisCost;
}

/** A window that others took more of than this share counts only if there are not enough better ones. */
const CALM = 0.05;
const LEAST_WINDOWS = 7;

/**
 * The windows that others left alone: chosen by what the kernel says of the disturbance, never by the figures themselves.
 */
export function calm(samples: readonly Sample[]): Sample[] {
  // A process of the database that ends takes its count along.
  const whole = samples.filter(({ database = 0 }) => database >= 0);
  const sorted = whole.toSorted((one, other) => one.disturbed - other.disturbed);
  return sorted.filter(({ disturbed }, i) => disturbed <= CALM || i < LEAST_WINDOWS);
}

/** CPU microseconds of server and database for each request. */
export function together({ cpu, database = 0 }: Sample): number {
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
      const own = calm(all);
      const cpus = own.map(({ cpu }) => cpu);
      const bare = calm(windows(bareIds.get(framework), scenario)).map(({ cpu }) => cpu);
      const trips = roundTrips?.[scenario];
      const redis = own.flatMap((sample) => sample.redis ?? []);
      const databases = own.flatMap(({ database }) => database ?? []);
      cells[scenario] = {
        cpu: estimate(cpus),
        kernel: estimate(own.map(({ kernel }) => kernel)),
        added: difference(cpus, bare),
        ...(databases.length > 0 && { database: estimate(databases) }),
        both: estimate(own.map(together)),
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
