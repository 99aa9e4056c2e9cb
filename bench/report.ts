// The report of a run, as Markdown.
import type { StoreName } from "./contender.ts";
import { type Cell, leastDisturbed, type Results, type Row, totalCpu } from "./results.ts";
import { type ScenarioName, scenarios } from "./scenarios.ts";
import { directRatio, type Estimate, estimate, noise, type Ratio, ratio } from "./statistics.ts";

/** Below this share of its CPU, the server waited for requests, so it was not under full load. */
const BUSY_ENOUGH = 0.85;

export function markdown(results: Results): string {
  const { rows, settings, machine } = results;
  const columns = Object.keys(rows[0]!.cells) as ScenarioName[];
  columns.sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b));
  const groups = GROUPS.filter(({ stores }) => rows.some((row) => stores.includes(row.store)));
  return [
    "# What a session costs",
    "",
    ...(results.quick ? ["A quick run. For figures to quote, run without `--quick`.", ""] : []),
    `${results.date.slice(0, 10)}, ${machine.cpu}, ${machine.cores} cores, ${machine.memory}, ${machine.system}. ` +
      (machine.pinned
        ? "Server and load generator are pinned to different CPUs. "
        : "Not pinned to CPUs (no taskset). ") +
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
    "CPU microseconds of the server process for each request, by the kernel's accounting: median and 95 % confidence",
    "interval.",
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

/** Stores whose contenders are compared with each other. */
export interface Group {
  name: string;
  title: string;
  stores: readonly StoreName[];
  /** The name of the database that keeps the sessions. */
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

/** The row of coatcheck that a row is compared with: on the same framework, with the same store. */
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
    "CPU microseconds that the session adds to a request of the bare server, and their ratio to coatcheck's with the same",
    "store on the same framework. No ratio where the intervals overlap.",
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
    `## The work of ${group.database}`,
    "",
    "For each request: round trips, counted by a proxy; " +
      (group.name === "redis"
        ? "commands, counted by MONITOR, without those that a script runs; bytes to and from Redis; "
        : "") +
      "and CPU microseconds of the database's process.",
    "",
    ...table(
      ["", "on", ...columns.map(titleOf)],
      own.map((row) => [row.name, row.framework, ...columns.map((name) => databaseWork(row.cells[name]!))]),
    ),
    `## Throughput with ${group.database}`,
    "",
    "Requests a second at saturation, with the server on one CPU and the database beside the load generator; CPU microseconds",
    "of server and database together for each request, and their ratio to coatcheck's.",
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
  return ours
    ? `${text}, ${times(directRatio(leastDisturbed(samples).map(totalCpu), leastDisturbed(ours.samples).map(totalCpu)))}`
    : text;
}

function lostUpdates(rows: readonly Row[]): string[] {
  return [
    "## Lost updates",
    "",
    "Concurrent writes to one session that survive. Every request is answered with 200. Every handler waits 5 ms, as for a",
    "database, and then writes: 50 requests a different key each, 100 requests `n = n + 1`.",
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
      `Other processes kept the machine busy before this run (load ${machine.loadBefore.toFixed(1)}): ` +
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
      "These servers did not use all of their CPU, since the load generator or the database was slower. Their figures are a " +
        `little higher than under full load: ${idle.join("; ")}.`,
    );
  }
  const windows = rows.flatMap((row) => Object.values(row.cells).map(({ samples }) => samples));
  const used = windows.flatMap(leastDisturbed);
  lines.push(
    `${used.length} of ${windows.flat().length} measurements count: those that other processes disturbed least, by the ` +
      `kernel's accounting. In these, other processes took ${percent(median(used.map(({ disturbed }) => disturbed)))} of the time.`,
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

/** The median with its interval. */
export function value(estimate: Estimate): string {
  return `${short(estimate.median)} (${short(estimate.low)}–${short(estimate.high)})`;
}

export function times(ratio: Ratio): string {
  switch (ratio.kind) {
    case "noise":
      return "no significant difference";
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

/** A table as lines of Markdown. */
export function table(head: string[], lines: string[][]): string[] {
  const row = (cells: string[]) => `| ${cells.join(" | ")} |`;
  return [row(head), row(head.map(() => "---")), ...lines.map(row), ""];
}
