// What coatcheck wants to reach, and what a run has measured of it.
import { LATE, type LatencyResults } from "./latency-results.ts";
import { table } from "./report.ts";
import type { Results } from "./results.ts";
import type { ScenarioName } from "./scenarios.ts";
import type { Estimate } from "./statistics.ts";

/** The figures of one contender are at most `limit` times those of another one. */
interface Goal {
  what: string;
  id: string;
  than: string;
  scenario: ScenarioName;
  limit: number;
  /** CPU microseconds over the bare server, or those of server and database together. */
  of: "added" | "both";
}

/** The same for the answers that take longest, at 1,000 requests a second. */
interface LatencyGoal {
  what: string;
  id: string;
  than: string;
  limit: number;
}

const EACH: readonly ScenarioName[] = ["read", "change", "new"];

const GOALS: readonly Goal[] = [
  ...EACH.map((scenario) => ({
    what: "A sealed cookie on Fastify takes less than @fastify/secure-session",
    ...{ id: "coatcheck-fastify-xchacha+cookie", than: "secure-session+cookie" },
    ...{ scenario, limit: 1, of: "added" as const },
  })),
  ...(["cookie", "file", "redis", "cached"] as const).map((store) => ({
    what: `libsodium makes a change a third cheaper (${store})`,
    ...{ id: `coatcheck-node-xchacha+${store}`, than: `coatcheck-node+${store}` },
    ...{ scenario: "change" as const, limit: 2 / 3, of: "added" as const },
  })),
  {
    what: "A change in Redis takes at most twice the least possible, in server and Redis together",
    ...{ id: "coatcheck-node-xchacha+redis", than: "least-possible+redis" },
    ...{ scenario: "change", limit: 2, of: "both" },
  },
  {
    what: "A change costs cached(redis) no more than redis",
    ...{ id: "coatcheck-node+cached", than: "coatcheck-node+redis" },
    ...{ scenario: "change", limit: 1.1, of: "added" },
  },
  {
    what: "A new session in memory takes at most twice the least possible",
    ...{ id: "coatcheck-node+memory", than: "least-possible+memory" },
    ...{ scenario: "new", limit: 2, of: "added" },
  },
  ...EACH.map((scenario) => ({
    what: "Memory costs on Express at most one and a half times as much as on node:http",
    ...{ id: "coatcheck-express+memory", than: "coatcheck-node+memory" },
    ...{ scenario, limit: 1.5, of: "added" as const },
  })),
  ...EACH.map((scenario) => ({
    what: "PostgreSQL costs a quarter of connect-pg-simple",
    ...{ id: "coatcheck-express+postgres", than: "connect-pg-simple+postgres" },
    ...{ scenario, limit: 1 / 4, of: "added" as const },
  })),
];

const LATENCY_GOALS: readonly LatencyGoal[] = [
  { what: "p99.9 of cached(redis) is below that of redis", id: "coatcheck-express+cached", than: "coatcheck-express+redis", limit: 1 }, // biome-ignore format: one line
  { what: "p99.9 of postgres is not above that of connect-pg-simple", id: "coatcheck-express+postgres", than: "connect-pg-simple+postgres", limit: 1 }, // biome-ignore format: one line
];

/** Contenders by the comparisons that they are in: no two of these groups have one in common. */
export function comparedContenders(): string[][] {
  return GOALS.reduce<string[][]>((groups, { id, than }) => {
    const touched = groups.filter((group) => group.includes(id) || group.includes(than));
    const others = groups.filter((group) => !touched.includes(group));
    return [...others, [...new Set([...touched.flat(), id, than])]];
  }, []);
}

/** Each goal as a line: what was wanted and measured. */
export function goals({ rows, machine, date, settings }: Results, latency?: LatencyResults): string {
  const cellOf = (id: string, scenario: ScenarioName) => rows.find((row) => row.id === id)?.cells[scenario];
  const lines = GOALS.flatMap(({ what, id, than, scenario, limit, of }) => {
    const [ours, other] = [cellOf(id, scenario)?.[of], cellOf(than, scenario)?.[of]];
    if (ours === undefined || other === undefined) return [];
    const ratio = ours.median / other.median;
    return [
      [what, scenario, `${figure(ours)} to ${figure(other)} µs`, ...times(ratio, limit), verdict(ours, other, limit)],
    ];
  });
  return [
    "# Goals",
    "",
    `${date.slice(0, 10)}, ${machine.cpu}, ${machine.cores} cores; by \`npm run bench -- --goals\`, in ${Math.round(settings.minutes)} minutes with ${settings.laps} laps.`,
    "CPU microseconds over the bare server, or of server and database together where it says so. Each comparison is",
    "measured by itself. *Perhaps*: the intervals that hold the medians 19 times in 20 allow both.",
    "",
    ...table(["goal", "of", "measured", "ratio", "at most", ""], lines),
    ...(latency === undefined ? [] : latencyLines(latency)),
  ].join("\n");
}

function latencyLines({ rows, date, seconds }: LatencyResults): string[] {
  const latencyOf = (id: string) =>
    rows.find((row) => row.id === id && row.situation === "at rest" && row.rate === 1_000)?.latency;
  const lines = LATENCY_GOALS.flatMap(({ what, id, than, limit }) => {
    const [ours, other] = [latencyOf(id), latencyOf(than)];
    if (ours === undefined || other === undefined) return [];
    const ratio = ours.p999 / other.p999;
    const doubt = Math.max(ours.late, other.late) > LATE ? "perhaps " : "";
    const measured = `${ours.p999.toFixed(1)} to ${other.p999.toFixed(1)} ms`;
    return [[what, measured, ...times(ratio, limit), `${doubt}${ratio <= limit ? "met" : "not met"}`]];
  });
  return [
    `At 1,000 requests a second for ${seconds} seconds, by \`npm run bench:latency\` of ${date.slice(0, 10)}: the slowest answer of a`,
    `thousand. One run has few of those, and two runs differ. *Perhaps*: the load generator itself was over ${LATE} ms late.`,
    "",
    ...table(["goal", "measured", "ratio", "at most", ""], lines),
  ];
}

function times(ratio: number, limit: number): [string, string] {
  return [`${ratio.toFixed(2)}×`, `${Number(limit.toFixed(2))}×`];
}

function figure({ median, low, high }: Estimate): string {
  return `${median.toFixed(1)} (${low.toFixed(0)}–${high.toFixed(0)})`;
}

function verdict(ours: Estimate, other: Estimate, limit: number): string {
  if (ours.sound && other.sound) {
    if (ours.high <= limit * other.low) return "met";
    if (ours.low > limit * other.high) return "not met";
  }
  return ours.median <= limit * other.median ? "perhaps, by the medians met" : "perhaps, by the medians not met";
}
