import type { StoreName } from "./contender.ts";
import type { Cell, Results, Row } from "./results.ts";
import { type ScenarioName, scenarios } from "./scenarios.ts";
import { type Estimate, noise, type Ratio, ratio } from "./statistics.ts";

// Below this the server waited for requests now and then, and was measured at its ease.
const BUSY_ENOUGH = 0.85;

/** The results for people. */
export function markdown(results: Results): string {
  const { rows, settings, machine } = results;
  const columns = Object.keys(rows[0]!.cells) as ScenarioName[];
  columns.sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b));
  const stores = (["memory", "redis"] as const).filter((store) => rows.some((row) => row.store === store));
  return [
    "# What a session costs",
    "",
    ...(results.quick ? ["A quick run; for figures to quote, run it without `--quick`.", ""] : []),
    `${results.date.slice(0, 10)}, ${machine.cpu}, ${machine.cores} cores, ${machine.memory}, ${machine.system}. ` +
      (machine.pinned ? "Server and load each on a CPU of their own. " : "Not pinned to CPUs (no taskset). ") +
      `${settings.laps} laps with new processes, ${settings.rounds} interleaved rounds each, ` +
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
    ...stores.flatMap((store) => addedBy(store, rows, columns)),
    ...(rows.some((row) => row.store === "redis") ? redisTable(rows, columns) : []),
    ...(rows.some((row) => row.survivors) ? lostUpdates(rows) : []),
  ].join("\n");
}

const ORDER: ScenarioName[] = ["read", "change", "new"];
const TITLES: Partial<Record<StoreName, string>> = { memory: "Sessions in memory", redis: "Sessions in Redis" };

function titleOf(name: ScenarioName): string {
  return scenarios[name].title;
}

function addedBy(store: StoreName, rows: readonly Row[], columns: readonly ScenarioName[]): string[] {
  return [
    `## ${TITLES[store]}`,
    "",
    "CPU microseconds that the session adds to a request, over the bare server in the same round; and how many times",
    "coatcheck's, on the same framework. No ratio where the intervals overlap.",
    "",
    ...table(
      ["", "on", ...columns.map(titleOf)],
      rows
        .filter((row) => row.store === store)
        .map((row) => {
          const ours = rows.find(
            (other) => other.ours && other.store === store && other.framework === row.framework && other !== row,
          );
          return [
            row.ours ? `**${row.name}**` : row.name,
            row.framework,
            ...columns.map((name) => {
              const { added } = row.cells[name]!;
              const text = value(added);
              return ours ? `${text}; ${times(ratio(added, ours.cells[name]!.added))}` : text;
            }),
          ];
        }),
    ),
  ];
}

function redisTable(rows: readonly Row[], columns: readonly ScenarioName[]): string[] {
  const cellText = ({ roundTrips, redis }: Cell) => {
    const commands = Object.entries(roundTrips ?? {}).map(([name, n]) => (n === 1 ? name : `${plain(n)} ${name}`));
    const trips = Object.values(roundTrips ?? {}).reduce((sum, n) => sum + n, 0);
    return (
      `${plain(trips)} (${commands.join(", ")}); ${Math.round(redis!.bytesIn)} / ${Math.round(redis!.bytesOut)} bytes; ` +
      `${redis!.cpu.median.toFixed(1)} µs`
    );
  };
  return [
    "## What Redis has to do",
    "",
    "Commands that each request sends (by MONITOR, so without those that a script runs; commands sent together are one",
    "round trip), bytes to and from Redis, and the CPU microseconds of the Redis process (by INFO).",
    "",
    ...table(
      ["", "on", ...columns.map(titleOf)],
      rows
        .filter((row) => row.store === "redis")
        .map((row) => [row.name, row.framework, ...columns.map((name) => cellText(row.cells[name]!))]),
    ),
  ];
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
      .map(([name, { busy }]) => `${row.name} on ${row.framework}, ${name}: ${Math.round(busy.median * 100)} %`),
  );
  if (idle.length > 0) {
    lines.push(
      "The server did not fill its CPU, since the load generator or Redis was slower; its figures are those of a " +
        `server at its ease, a little higher than under full load: ${idle.join("; ")}.`,
    );
  }
  const noisiest = Math.max(...rows.flatMap((row) => Object.values(row.cells).map(({ cpu }) => noise(cpu))));
  lines.push(`The widest interval of a server's CPU time is ± ${(noisiest * 100).toFixed(1)} %.`);
  return lines.flatMap((line) => [line, ""]);
}

function value(estimate: Estimate): string {
  return `${short(estimate.median)} (${short(estimate.low)}–${short(estimate.high)})`;
}

function times(ratio: Ratio): string {
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

function table(head: string[], lines: string[][]): string[] {
  const row = (cells: string[]) => `| ${cells.join(" | ")} |`;
  return [row(head), row(head.map(() => "---")), ...lines.map(row), ""];
}
