// npm run bench:drivers: compares the store for Redis with unstorage's driver for Redis.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createStorage } from "unstorage";
import redisDriver from "unstorage/drivers/redis";
import { redis } from "../src/stores/redis/index.ts";
import { startRedis } from "../test/servers/redis.ts";
import { count, folder, readArguments } from "./arguments.ts";
import { CPUS, pin } from "./child.ts";
import { cpuOf } from "./databases.ts";
import { describeMachine } from "./machine.ts";
import { table, times, value } from "./report.ts";
import { directRatio, estimate } from "./statistics.ts";

const USAGE = `npm run bench:drivers [-- options]
  --rounds n    measurements of each; default: 12
  --calls n     calls a measurement; default: 20000
  --out folder  default: bench/results`;

const options = readArguments(USAGE, () => {
  const { values } = parseArgs({
    options: { rounds: { type: "string" }, calls: { type: "string" }, out: { type: "string" } },
  });
  return {
    rounds: count("rounds", values.rounds, 12),
    calls: count("calls", values.calls, 20_000),
    out: folder(values.out),
  };
});

const CALLS = options.calls;
const WARM_UP = 3;
const TTL_SECONDS = 1_200;
const BYTES = Buffer.from("coat".repeat(256));
const TEXT = BYTES.toString();
/** One for each concurrent call, so that no update meets a conflict. */
const KEYS = Array.from({ length: 64 }, (_, i) => `session-${i}`);

const KINDS = { cpu: "CPU of the client, µs", redis: "CPU of Redis, µs", rate: "calls a second" } as const;

type Operation = "read" | "replace";
/** Calls without web server and sessions, which unstorage does not have. A call throws if the answer is wrong. */
type Contender = Record<Operation, (slot: number) => Promise<void>> & { close(): Promise<void> };

/** coatcheck: writes by compare-and-swap, with an expiry. */
async function store(url: string): Promise<Contender> {
  const store = redis({ url });
  const session = () => ({ value: BYTES, expiresAt: Date.now() + TTL_SECONDS * 1000 });
  const versions = await Promise.all(KEYS.map((key) => store.create(key, session())));
  return {
    async read(slot) {
      const found = await store.read(KEYS[slot]!);
      if (found === undefined || !BYTES.equals(found.value)) throw new Error(`the store has lost ${KEYS[slot]}`);
    },
    async replace(slot) {
      const version = await store.update(KEYS[slot]!, session(), versions[slot]!);
      if (version === "conflict" || version === "gone")
        throw new Error(`the store answered "${version}" for ${KEYS[slot]}`);
      versions[slot] = version;
    },
    close: () => store.close(),
  };
}

/** unstorage: the last writer wins, with a time to live. */
async function driver(url: string): Promise<Contender> {
  const storage = createStorage({ driver: redisDriver({ url }) });
  const replace = (slot: number) => storage.setItem(KEYS[slot]!, TEXT, { ttl: TTL_SECONDS });
  await Promise.all(KEYS.map((_, slot) => replace(slot)));
  return {
    async read(slot) {
      if ((await storage.getItem(KEYS[slot]!)) !== TEXT) throw new Error(`the driver has lost ${KEYS[slot]}`);
    },
    replace,
    close: () => storage.dispose(),
  };
}

/** CPU microseconds of this process and of Redis for each call, and calls a second. */
async function measure(contender: Contender, operation: Operation, count: number) {
  const [began, before, redisBefore] = [performance.now(), process.cpuUsage(), cpuOf(server.pid)];
  let left = count;
  await Promise.all(
    KEYS.map(async (_, slot) => {
      while (left-- > 0) await contender[operation](slot);
    }),
  );
  const { user, system } = process.cpuUsage(before);
  const [cpu, redis] = [(user + system) / count, (cpuOf(server.pid) - redisBefore) / count];
  return { cpu, redis, rate: (count * 1000) / (performance.now() - began) };
}

const machine = describeMachine();
const server = await startRedis();
pin(server.pid, CPUS.database);
pin(process.pid, CPUS.server);
const [ours, theirs] = [await store(server.url), await driver(server.url)];
const lines: string[][] = [];
for (const operation of ["read", "replace"] as const) {
  const samples: Record<"ours" | "theirs", Awaited<ReturnType<typeof measure>>[]> = { ours: [], theirs: [] };
  for (const one of [ours, theirs]) await measure(one, operation, CALLS * WARM_UP);
  for (let round = 0; round < options.rounds; round++) {
    samples.ours.push(await measure(ours, operation, CALLS));
    samples.theirs.push(await measure(theirs, operation, CALLS));
  }
  for (const [kind, what] of Object.entries(KINDS) as [keyof typeof KINDS, string][]) {
    const [mine, other] = [samples.ours, samples.theirs].map((of) => of.map((sample) => sample[kind]));
    const ratio = kind === "rate" ? directRatio(mine!, other!) : directRatio(other!, mine!);
    lines.push([`${operation}: ${what}`, value(estimate(mine!)), value(estimate(other!)), times(ratio)]);
  }
}
await Promise.all([ours.close(), theirs.close()]);
await server.stop();

const text = [
  "# A store and a driver",
  "",
  `${new Date().toISOString().slice(0, 10)}, ${machine.cpu}, ${machine.cores} cores, load before the run ${machine.loadBefore.toFixed(1)}, ` +
    `Redis ${machine.versions["redis-server"]}. Reads and replaces 1 KB, ${KEYS.length} concurrent calls, ${options.rounds} interleaved ` +
    "measurements: medians, with 95 % confidence intervals. coatcheck's write is a compare-and-swap that detects conflicts; " +
    "unstorage's overwrites. Both set a time to live.",
  "",
  ...table(["", "**`coatcheck/redis`**", "`unstorage/drivers/redis`", "how many times better"], lines),
].join("\n");
writeFileSync(`${options.out}/drivers.md`, text);
console.log(text);
