import type { Framework, StoreName } from "./contender.ts";
import type { Entrant, Window } from "./entrant.ts";
import type { Survivors } from "./lost-updates.ts";
import type { Machine } from "./machine.ts";
import type { RedisCost } from "./redis-counters.ts";
import type { ScenarioName } from "./scenarios.ts";
import { type Estimate, estimate } from "./statistics.ts";

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
  /** What of `cpu` the bare server of the same round does not need. */
  added: Estimate;
  /** The server's share of its CPU. */
  busy: Estimate;
  rate: Estimate;
  setCookies: number;
  redis?: { cpu: Estimate; bytesIn: number; bytesOut: number; commands: Record<string, number> };
  /** Commands over the network for each request, by name. */
  roundTrips?: Record<string, number>;
  samples: Sample[];
}

export interface Sample extends Window {
  id: string;
  scenario: ScenarioName;
  lap: number;
  round: number;
  redis?: RedisCost;
}

export type RoundTrips = Partial<Record<ScenarioName, Record<string, number>>>;

export function summarize(
  entrants: readonly Entrant[],
  samples: readonly Sample[],
  { survivors, roundTrips }: { survivors: Map<string, Survivors>; roundTrips: Map<string, RoundTrips> },
): Row[] {
  const bareIds = new Map(
    entrants.filter(({ store }) => store === "none").map(({ id, contender }) => [contender.framework, id]),
  );
  return entrants.map(({ id, name, store, contender: { framework, ours } }) => {
    const cells: Row["cells"] = {};
    for (const [scenario, own] of Map.groupBy(
      samples.filter((sample) => sample.id === id),
      (sample) => sample.scenario,
    )) {
      const bare = (sample: Sample) =>
        samples.find(
          (other) =>
            other.id === bareIds.get(framework) &&
            other.scenario === scenario &&
            other.lap === sample.lap &&
            other.round === sample.round,
        )!;
      const trips = roundTrips.get(id)?.[scenario];
      cells[scenario] = {
        cpu: estimate(own.map(({ cpu }) => cpu)),
        kernel: estimate(own.map(({ kernel }) => kernel)),
        added: estimate(own.map((sample) => sample.cpu - bare(sample).cpu)),
        busy: estimate(own.map(({ busy }) => busy)),
        rate: estimate(own.map(({ rate }) => rate)),
        setCookies: middle(own.map(({ setCookies }) => setCookies)),
        ...(store === "redis" && { redis: redisOf(own.map(({ redis }) => redis!)) }),
        ...(trips && { roundTrips: trips }),
        samples: own,
      };
    }
    const survived = survivors.get(id);
    return { id, name, framework, store, ours: ours ?? false, cells, ...(survived && { survivors: survived }) };
  });
}

function redisOf(costs: RedisCost[]): NonNullable<Cell["redis"]> {
  const commands = new Set(costs.flatMap((cost) => Object.keys(cost.commands)));
  return {
    cpu: estimate(costs.map(({ cpu }) => cpu)),
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
