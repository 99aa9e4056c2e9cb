import type { StoreName } from "./contender.ts";
import { type Cell, calm, type Results, type Row, together } from "./results.ts";
import { type ScenarioName, scenarios } from "./scenarios.ts";
import { directRatio, type Estimate, estimate, noise, type Ratio, ratio } from "./statistics.ts";

// Below this the server waited for requests now and then, and was measured at its ease.
const BUSY_ENOUGH = 0.85;

/** The results for people. */
export function markdown(results: Results): string {
  const { rows, settings, machine } = results;
  const columns = Object.keys(rows[0]!.cells) as ScenarioName[];
  columns.sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b));
  const groups = GROUPS.filter(({ stores }) => rows.some((row) => stores.includes(row.store)));
  return [
    "# What a session costs",
    "",
    ...(results.quick ? ["A quick run; for figures to quote, run it without `--quick`.", ""] : []),
    `${results.date.slice(0, 10)}, ${machine.cpu}, ${machine.cores} cores, ${machine.memory}, ${machine.system}. ` +
      (machine.pinned ? "Server and load each on a CPU of their own. " : "Not pinned to CPUs (no taskset). ") +
      `Laps with new processes: ${settings.laps}, with up to ${settings.rounds} interleaved rounds each; ` +
      `${settings.connections} connections, ${settings.requests} to ${settings.requests * 3} requests a measurement; ` +
      `${settings.minutes.toFixed(0)} minutes. The session has ten keys and about 1 KB.`,
    "",
    `Versions: ${Object.entries(machine.versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(", ")}.`,
    "",
    ...warnings(results),
    "## The bare servers",
    "",
    "CPU microseconds of the server process for each request, by the kernel's accounting: median, and the interval that",
    "holds it 19 times in 20.",
    "",
    ...table(
      ["", ...columns.map(titleOf)],
      rows
        .filter(({ store }) => store === "none")
        .map((row) => [row.framework, ...columns.map((name) => value(row.cells[name]!.cpu))]),
    ),
    ...groups.flatMap((group) => addedBy(group, rows, columns)),
    ...groups.filter(({ database }) => database !== undefined).flatMap((group) => databaseTables(group, rows, columns)),
    ...(rows.some((row) => row.survivors) ? lostUpdates(rows) : []),
  ].join("\n");
}

const ORDER: ScenarioName[] = ["read", "change", "new"];

/** Stores that are compared with each other. */
export interface Group {
  name: string;
  title: string;
  stores: readonly StoreName[];
  /** What the sessions are kept by. */
  database?: string;
}

export const GROUPS: readonly Group[] = [
  { name: "memory", title: "Sessions in memory", stores: ["memory"] },
  { name: "cookie", title: "Sessions in a sealed cookie", stores: ["cookie"] },
  { name: "file", title: "Sessions in a file", stores: ["file"] },
  { name: "redis", title: "Sessions in Redis", stores: ["redis", "cached"], database: "Redis" },
  { name: "postgres", title: "Sessions in PostgreSQL", stores: ["postgres"], database: "PostgreSQL" },
  { name: "mysql", title: "Sessions in MariaDB", stores: ["mysql"], database: "MariaDB" },
];

/** Ours that a row is compared with: on the same framework, with the same store. */
function oursFor(row: Row, rows: readonly Row[]): Row | undefined {
  if (row.ours) return undefined;
  return rows.find((other) => other.ours && other.store === row.store && other.framework === row.framework);
}

function titleOf(name: ScenarioName): string {
  return scenarios[name].title;
}

function addedBy({ title, stores }: Group, rows: readonly Row[], columns: readonly ScenarioName[]): string[] {
  return [
    `## ${title}`,
    "",
    "CPU microseconds that the session adds to a request, over the bare server; and how many times coatcheck's, with the",
    "same store on the same framework. No ratio where the intervals overlap.",
    "",
    ...table(
      ["", "on", ...columns.map(titleOf)],
      rows
        .filter((row) => stores.includes(row.store))
        .map((row) => {
          const ours = oursFor(row, rows);
          return [
            row.ours ? `**${row.name}**` : row.name,
            row.framework,
            ...columns.map((name) => {
              const { added } = row.cells[name]!;
              return ours ? `${value(added)}; ${times(ratio(added, ours.cells[name]!.added))}` : value(added);
            }),
          ];
        }),
    ),
  ];
}

function databaseTables(group: Group, rows: readonly Row[], columns: readonly ScenarioName[]): string[] {
  const own = rows.filter((row) => group.stores.includes(row.store));
  return [
    `## What ${group.database} has to do`,
    "",
    "Round trips of each request, as a proxy on the way counts them; " +
      (group.name === "redis"
        ? "the commands, by MONITOR, without those that a script runs; bytes to and from it; "
        : "") +
      "and CPU microseconds of its process.",
    "",
    ...table(
      ["", "on", ...columns.map(titleOf)],
      own.map((row) => [row.name, row.framework, ...columns.map((name) => databaseWork(row.cells[name]!))]),
    ),
    `## Throughput with ${group.database}`,
    "",
    "Requests a second at saturation, the server on one CPU and the database beside the load generator; CPU microseconds of",
    "server and database together for each request, and how many times coatcheck's.",
    "",
    ...table(
      ["", "on", ...columns.map(titleOf)],
      own.map((row) => [
        row.name,
        row.framework,
        ...columns.map((name) => throughput(row.cells[name]!, oursFor(row, rows)?.cells[name])),
      ]),
    ),
  ];
}

function databaseWork({ roundTrips, redis, database }: Cell): string {
  const { trips, commands = {} } = roundTrips!;
  const names = Object.entries(commands).map(([name, n]) => (n === 1 ? name : `${plain(n)} ${name}`));
  return [
    names.length > 0 ? `${plain(trips)} (${names.join(", ")})` : plain(trips),
    ...(redis ? [`${Math.round(redis.bytesIn)} / ${Math.round(redis.bytesOut)} bytes`] : []),
    `${database!.median.toFixed(1)} µs`,
  ].join("; ");
}

function throughput({ rate, both, samples }: Cell, ours: Cell | undefined): string {
  const text = `${Math.round(rate.median)}/s (${Math.round(rate.low)}–${Math.round(rate.high)}); ${value(both)} µs`;
  return ours ? `${text}, ${times(directRatio(calm(samples).map(together), calm(ours.samples).map(together)))}` : text;
}

function lostUpdates(rows: readonly Row[]): string[] {
  return [
    "## Lost updates",
    "",
    "What is left of parallel requests that write to one session, each answered with 200. Every handler waits 5 ms, as for",
    "a database, and then writes: 50 requests a key of their own, 100 requests `n = n + 1`.",
    "",
    ...table(
      ["", "on", "of 50 keys", "of 100 increments"],
      rows.flatMap(({ name, framework, survivors }) =>
        survivors ? [[name, framework, String(survivors.keys), String(survivors.increments)]] : [],
      ),
    ),
  ];
}

function warnings({ rows, machine }: Results): string[] {
  const lines: string[] = [];
  if (machine.loadBefore > 0.3) {
    lines.push(
      `The machine was busy with something else before this run (load ${machine.loadBefore.toFixed(1)}): ` +
        "trust the intervals, not the medians.",
    );
  }
  const idle = rows.flatMap((row) =>
    Object.entries(row.cells)
      .filter(([, { busy }]) => busy.median < BUSY_ENOUGH)
      .map(([name, { busy }]) => `${row.name} on ${row.framework}, ${name}: ${percent(busy.median)}`),
  );
  if (idle.length > 0) {
    lines.push(
      "The server did not fill its CPU, since the load generator or Redis was slower; its figures are those of a " +
        `server at its ease, a little higher than under full load: ${idle.join("; ")}.`,
    );
  }
  const windows = rows.flatMap((row) => Object.values(row.cells).map(({ samples }) => samples));
  const used = windows.flatMap(calm);
  lines.push(
    `${used.length} of ${windows.flat().length} measurements count, those in which the kernel reports that others left the ` +
      `server alone; among them others took ${percent(median(used.map(({ disturbed }) => disturbed)))} of the time.`,
  );
  const noisiest = Math.max(...rows.flatMap((row) => Object.values(row.cells).map(({ cpu }) => noise(cpu))));
  lines.push(`The widest interval of a server's CPU time is ± ${(noisiest * 100).toFixed(1)} %.`);
  return lines.flatMap((line) => [line, ""]);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function median(values: number[]): number {
  return estimate(values).median;
}

/** With its interval. */
export function value(estimate: Estimate): string {
  return `${short(estimate.median)} (${short(estimate.low)}–${short(estimate.high)})`;
}

export function times(ratio: Ratio): string {
  switch (ratio.kind) {
    case "noise":
      return "no difference beyond the noise";
    case "at least":
      return `at least ${short(ratio.low)}×`;
    case "ratio":
      return `**${short(ratio.ratio)}×** (${short(ratio.low)}–${short(ratio.high)})`;
  }
}

function short(n: number): string {
  return Math.abs(n) < 99.95 ? n.toFixed(1) : n.toFixed(0);
}

function plain(n: number): string {
  return String(Number(n.toFixed(2)));
}

/** Lines of Markdown. */
export function table(head: string[], lines: string[][]): string[] {
  const row = (cells: string[]) => `| ${cells.join(" | ")} |`;
  return [row(head), row(head.map(() => "---")), ...lines.map(row), ""];
}
