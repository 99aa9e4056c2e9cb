// npm run bench:contention: measures what many writers of one session cost, and how fast servers hand over a session.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createClient } from "redis";
import type { Mode } from "../src/index.ts";
import { folder, readArguments } from "./arguments.ts";
import { type Child, startChild } from "./child.ts";
import type { StoreName } from "./contender.ts";
import type { ContentionAnswer, ContentionQuestion, Cost, Hold } from "./contention-server.ts";
import { Databases } from "./databases.ts";
import { describeMachine } from "./machine.ts";
import { table } from "./report.ts";
import { estimate } from "./statistics.ts";

type Server = Child<ContentionQuestion, ContentionAnswer>;

const USAGE = `npm run bench:contention [-- options]
  --out folder  default: bench/results`;

const options = readArguments(USAGE, () => {
  const { values } = parseArgs({ options: { out: { type: "string" } } });
  return { out: folder(values.out) };
});

const WRITERS = 200;
const TIMES = 5;
const HOLDS = 150;
const STORES: readonly StoreName[] = ["memory", "file", "redis", "postgres", "mysql"];

interface Contention {
  store: StoreName;
  mode: Mode;
  processes: number;
  /** This and what follows are medians of several measurements. */
  writes: number;
  conflicts: number;
  reads: number;
  milliseconds: number;
}

const machine = describeMachine();
const databases = await Databases.start(STORES);
const rows: Contention[] = [];
for (const store of STORES) {
  const address = databases.addressFor(store);
  for (const processes of store === "memory" ? [1] : [1, 4]) {
    const servers = await start(store, address, processes);
    for (const mode of ["merge", "exclusive"] as const) {
      const row = await contend(store, servers, mode);
      rows.push(row);
      console.log(row);
    }
    await Promise.all(servers.map((one) => one.stop()));
  }
}
const handOver = await handOvers();
await databases.stop();

const results = { date: new Date().toISOString(), machine, rows, handOver };
writeFileSync(`${options.out}/contention.json`, `${JSON.stringify(results, null, 1)}\n`);
writeFileSync(`${options.out}/contention.md`, markdown());
console.log(markdown());

async function start(store: StoreName, address: string, processes: number): Promise<Server[]> {
  const servers: Server[] = [];
  // One after the other: the first creates the table.
  for (let i = 0; i < processes; i++) {
    const { child } = await startChild<ContentionQuestion, ContentionAnswer>(
      "contention-server.ts",
      [store, address],
      undefined,
    );
    servers.push(child);
    await child.ask({ ask: "begin" });
  }
  return servers;
}

async function contend(store: StoreName, servers: Server[], mode: Mode): Promise<Contention> {
  const costs: (Cost & { milliseconds: number })[] = [];
  for (let time = 0; time < TIMES; time++) {
    const cookie = (await servers[0]!.ask({ ask: "begin" })) as string;
    const count = WRITERS / servers.length;
    const began = performance.now();
    const parts = (await Promise.all(
      servers.map((one) => one.ask({ ask: "increment", cookie, mode, count })),
    )) as Cost[];
    const milliseconds = performance.now() - began;
    const n = await servers[0]!.ask({ ask: "n", cookie });
    if (n !== WRITERS) throw new Error(`${store}, ${mode}: only ${n} of ${WRITERS} increments were saved`);
    const sum = (key: keyof Cost) => parts.reduce((total, part) => total + part[key], 0);
    costs.push({ writes: sum("writes"), conflicts: sum("conflicts"), reads: sum("reads"), milliseconds });
  }
  const middle = (key: keyof (typeof costs)[number]) => estimate(costs.map((cost) => cost[key])).median;
  return {
    store,
    mode,
    processes: servers.length,
    writes: middle("writes"),
    conflicts: middle("conflicts"),
    reads: middle("reads"),
    milliseconds: middle("milliseconds"),
  };
}

/** Two servers on Redis take a session in exclusive mode in turn. Milliseconds. */
async function handOvers() {
  const servers = await start("redis", databases.addressFor("redis"), 2);
  const cookie = (await servers[0]!.ask({ ask: "begin" })) as string;
  const holds = (await Promise.all(servers.map((one) => one.ask({ ask: "hold", cookie, count: HOLDS })))) as Hold[][];
  await Promise.all(servers.map((one) => one.stop()));
  const inOrder = holds
    .flatMap((own, server) => own.map(([from, to]) => ({ server, from, to })))
    .sort((one, other) => Number(one.from - other.from));
  const gaps = inOrder.slice(1).flatMap(({ server, from }, i) => {
    const before = inOrder[i]!;
    if (from < before.to) throw new Error("two servers had the session at the same time");
    return server === before.server ? [] : [Number(from - before.to) / 1e6];
  });
  return { handOver: middleAndTail(gaps), roundTrip: middleAndTail(await roundTrips()) };
}

async function roundTrips(): Promise<number[]> {
  const client = await createClient({ url: databases.redis!.url }).connect();
  const trips: number[] = [];
  for (let i = 0; i < 1_000; i++) {
    const began = performance.now();
    await client.ping();
    trips.push(performance.now() - began);
  }
  client.destroy();
  return trips.slice(200);
}

function middleAndTail(values: number[]) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99) };
}

function markdown(): string {
  const trip = ({ p50, p99, count }: ReturnType<typeof middleAndTail>) => [
    p50.toFixed(2),
    p99.toFixed(2),
    String(count),
  ];
  return [
    "# Many writers, one session",
    "",
    `${results.date.slice(0, 10)}, ${machine.cpu}, ${machine.cores} cores, load before the run ${machine.loadBefore.toFixed(1)}. ` +
      `${WRITERS} concurrent requests increment a number in one session, from one process and from four. The run fails unless all ` +
      `${WRITERS} increments are saved. Medians of ${TIMES} measurements.`,
    "",
    ...table(
      ["store", "mode", "processes", "writes", "conflicts", "reads", "milliseconds"],
      rows.map(({ store, mode, processes, writes, conflicts, reads, milliseconds }) => [
        ...[store, mode, String(processes), String(writes), String(conflicts), String(reads), milliseconds.toFixed(0)],
      ]),
    ),
    "## Handover between servers",
    "",
    "Two servers on Redis open one session in exclusive mode, again and again. Milliseconds from the beginning of one server's",
    "commit until the other server has the session: the commit, the notification, and the new lease; beside them one `PING`.",
    "",
    ...table(
      ["", "median", "p99", "times"],
      [
        ["handover", ...trip(handOver.handOver)],
        ["one round trip", ...trip(handOver.roundTrip)],
      ],
    ),
  ].join("\n");
}
