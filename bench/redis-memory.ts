// npm run bench:redis-memory: bytes of Redis that a session takes, as coatcheck writes it. docs/capacity.md reckons with them.
import { mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createSessions } from "../src/index.ts";
import { redis } from "../src/stores/redis/index.ts";
import { type RedisServer, startRedis } from "../test/servers/redis.ts";
import { SECRET } from "./contender.ts";
import { describeMachine } from "./machine.ts";
import { textOf } from "./memory/sessions.ts";
import { table } from "./report.ts";
import { tenKeys } from "./session-data.ts";

const { values: options } = parseArgs({
  options: {
    count: { type: "string", default: "100000" },
    out: { type: "string", default: new URL("results", import.meta.url).pathname },
  },
});

const COUNT = Number(options.count);
const AT_ONCE = 100;

/** By what is in a session. */
const SIZES = {
  "300 bytes": (index: number): object => JSON.parse(textOf(index)),
  "1 KB": tenKeys,
};
type Size = keyof typeof SIZES;

/** Bytes of Redis for one session. */
interface Bytes {
  /** `encryption: "off"`. */
  plain: number;
  /** The default. */
  sealed: number;
  /** Sealed, and an owner for each: a user who has one session. */
  owned: number;
}

export interface RedisMemory {
  date: string;
  redis: string;
  count: number;
  each: Record<Size, Bytes>;
}

const server = await startRedis();
const each = {} as Record<Size, Bytes>;
for (const size of Object.keys(SIZES) as Size[]) {
  each[size] = {
    plain: await measure(size, { encryption: "off" }),
    sealed: await measure(size, {}),
    owned: await measure(size, {}, (index) => `user-${index}`),
  };
}
await server.stop();

const results: RedisMemory = {
  date: new Date().toISOString(),
  redis: describeMachine().versions["redis-server"]!,
  count: COUNT,
  each,
};
mkdirSync(options.out, { recursive: true });
writeFileSync(`${options.out}/redis-memory.json`, `${JSON.stringify(results, undefined, 2)}\n`);
writeFileSync(`${options.out}/redis-memory.md`, markdown(results));
console.log(markdown(results));

async function measure(size: Size, how: { encryption?: "off" }, ownerOf?: (index: number) => string): Promise<number> {
  const sessions = createSessions<object>({ secret: SECRET, store: redis({ url: server.url }), ...how });
  const begin = async (index: number) => {
    const session = await sessions.open("");
    Object.assign(session.data, SIZES[size](index));
    if (ownerOf) session.owner = ownerOf(index);
    await session.commit();
  };
  await server.cli("flushall", "sync");
  // What the connection and the scripts take does not count.
  await begin(COUNT);
  const before = await usedBy(server);
  for (let from = 0; from < COUNT; from += AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, COUNT - from) }, (_, i) => begin(from + i)));
  }
  const after = await usedBy(server);
  await sessions.close();
  return (after - before) / COUNT;
}

async function usedBy(server: RedisServer): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await server.cli("info", "memory"))![1]);
}

function markdown({ date, redis, count, each }: RedisMemory): string {
  const kinds = ["plain", "sealed", "owned"] as const;
  return [
    "# What a session takes in Redis",
    "",
    `${date.slice(0, 10)}, Redis ${redis}. Bytes of \`used_memory\` for each of ${count.toLocaleString("en")} sessions that coatcheck ` +
      "writes, key, expiry and Redis's own tables among them; 300 bytes and 1 KB are their data as JSON. Sealed is the default; with " +
      "owners, each session has one of its own, whose index is a key more.",
    "",
    ...table(
      ["", "plain", "sealed", "sealed, with an owner"],
      Object.entries(each).map(([size, bytes]) => [size, ...kinds.map((kind) => bytes[kind].toFixed(0))]),
    ),
  ].join("\n");
}
