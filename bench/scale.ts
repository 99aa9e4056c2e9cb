// npm run bench:scale: measures whether a request costs the same on more servers and more Redis nodes.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { startRedis, startRedisCluster } from "../test/servers/redis.ts";
import { count, folder, readArguments } from "./arguments.ts";
import { CPUS, pin } from "./child.ts";
import { cpuOf, Databases } from "./databases.ts";
import { entrants, RunningEntrant, startGenerator } from "./entrant.ts";
import { describeMachine } from "./machine.ts";
import { table } from "./report.ts";
import type { ScenarioName } from "./scenarios.ts";
import { type Estimate, estimate } from "./statistics.ts";

const USAGE = `npm run bench:scale [-- options]
  --requests n  requests a measurement; default: 4000
  --rounds n    measurements of each; default: 8
  --out folder  default: bench/results`;

const options = readArguments(USAGE, () => {
  const { values } = parseArgs({
    options: { requests: { type: "string" }, rounds: { type: "string" }, out: { type: "string" } },
  });
  return {
    requests: count("requests", values.requests, 4_000),
    rounds: count("rounds", values.rounds, 8),
    out: folder(values.out),
  };
});

const REQUESTS = options.requests;
const ROUNDS = options.rounds;
const SCENARIOS = ["read", "change"] as const satisfies ScenarioName[];
const entrant = entrants.find(({ id }) => id === "coatcheck-node+redis")!;
const none = await Databases.start([]);

/** CPU times, since two CPUs cannot show the throughput of three nodes. If they stay the same, a farm grows by adding machines. */
interface Row {
  nodes: number;
  servers: number;
  scenario: ScenarioName;
  /** CPU microseconds for each request: of the server that answers it, and of all nodes together. */
  server: Estimate;
  redis: Estimate;
  /** The share of the busiest node. */
  busiest: number;
}

const machine = describeMachine();
const rows: Row[] = [];
for (const count of [1, 2, 3]) {
  const { nodes, address, stop } = await startNodes(count);
  for (const node of nodes) pin(node.pid, CPUS.database);
  for (const servers of [1, 2]) rows.push(...(await measure(nodes, address, servers)));
  await stop();
}
await none.stop();
const results = { date: new Date().toISOString(), machine, rows };
writeFileSync(`${options.out}/scale.json`, `${JSON.stringify(results, null, 1)}\n`);
writeFileSync(`${options.out}/scale.md`, markdown());
console.log(markdown());

/** A single node is a plain server, not a Cluster. */
async function startNodes(count: number) {
  if (count === 1) {
    const server = await startRedis();
    return { nodes: [server], address: server.url, stop: () => server.stop() };
  }
  const { nodes, urls, stop } = await startRedisCluster(count);
  return { nodes, address: urls.join(","), stop };
}

async function measure(nodes: { pid: number }[], address: string, servers: number): Promise<Row[]> {
  const farm = await Promise.all(
    Array.from({ length: servers }, async () => {
      const generator = await startGenerator();
      return { generator, running: await RunningEntrant.start(entrant, none, generator, { address }) };
    }),
  );
  const measured: Row[] = [];
  const all = (name: ScenarioName, count: number) =>
    Promise.all(farm.map(({ running }) => running.measure(name, count)));
  await all("new", REQUESTS);
  for (const scenario of SCENARIOS) {
    const [server, redis, busiest]: [number[], number[], number[]] = [[], [], []];
    for (let round = -1; round < ROUNDS; round++) {
      await Promise.all(farm.map(({ running }) => running.seed()));
      const before = nodes.map(({ pid }) => cpuOf(pid));
      const windows = await all(scenario, REQUESTS);
      const used = nodes.map(({ pid }, i) => cpuOf(pid) - before[i]!);
      if (round < 0) continue; // the warm-up
      const sum = used.reduce((total, one) => total + one, 0);
      server.push(...windows.map(({ cpu }) => cpu));
      redis.push(sum / REQUESTS / servers);
      busiest.push(Math.max(...used) / sum);
    }
    const row = { server: estimate(server), redis: estimate(redis), busiest: estimate(busiest).median };
    measured.push({ nodes: nodes.length, servers, scenario, ...row });
    console.log(nodes.length, servers, scenario, row);
  }
  for (const { running, generator } of farm) {
    await running.stop();
    await generator.stop();
  }
  return measured;
}

function markdown(): string {
  const value = ({ median, low, high }: Estimate) => `${median.toFixed(1)} (${low.toFixed(1)}–${high.toFixed(1)})`;
  return [
    "# More servers, more Redis nodes",
    "",
    `${results.date.slice(0, 10)}, ${machine.cpu}, ${machine.cores} cores, load before the run ${machine.loadBefore.toFixed(1)}. ` +
      "coatcheck on node:http; one Redis server, then a Cluster of two and of three nodes; one and two server processes at full " +
      "load. CPU microseconds for each request: medians, with 95 % confidence intervals. If they do not grow with servers and " +
      "nodes, twice the machines serve twice the requests.",
    "",
    ...table(
      ["Redis nodes", "servers", "request", "CPU of the server", "CPU of all nodes", "share of the busiest node"],
      rows.map(({ nodes, servers, scenario, server, redis, busiest }) => [
        ...[String(nodes), String(servers), scenario, value(server), value(redis), `${(busiest * 100).toFixed(0)} %`],
      ]),
    ),
  ].join("\n");
}
