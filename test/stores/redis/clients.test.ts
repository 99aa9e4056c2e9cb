// The Redis store on clients that are handed in: conformance.

import { after, describe, test } from "node:test";
import { Cluster, Redis } from "ioredis";
import { createClient, createClientPool, createCluster, createSentinel } from "redis";
import { type Capabilities, conformance } from "../../../src/conformance/index.ts";
import { type RedisClientLike, redis } from "../../../src/stores/redis/index.ts";
import { waitFor } from "../../servers/process.ts";
import { startRedis, startRedisCluster, startSentinel } from "../../servers/redis.ts";

const [first, second, third, cluster, sentinel] = await Promise.all([
  startRedis(),
  startRedis(),
  startRedis(),
  startRedisCluster(3),
  startSentinel(),
]);

// The stores of a suite share the client. If one closed it, the next case would fail.
describe("redis: clients that are handed in", { concurrency: 3 }, async () => {
  // As the docs advise. Otherwise the client queues commands while the server is down.
  const client = createClient({ url: first.url, disableOfflineQueue: true });
  const pool = createClientPool({ url: third.url }, { minimum: 2, maximum: 8 });
  const nodes = createCluster({ rootNodes: cluster.urls.map((url) => ({ url })) });
  const sentinels = createSentinel({ name: sentinel.name, sentinelRootNodes: sentinel.sentinels.map(address) });
  for (const each of [client, pool, nodes, sentinels]) {
    each.on("error", () => {});
    await each.connect();
  }
  const ioredis = new Redis(second.url, { enableOfflineQueue: false, maxRetriesPerRequest: 1 }).on("error", () => {});
  const ioredisCluster = new Cluster(cluster.nodes.map(({ host, port }) => ({ host, port }))).on("error", () => {});
  const ioredisSentinel = new Redis({ name: sentinel.name, sentinels: sentinel.sentinels.map(address) });
  await waitFor("ioredis", () => [ioredis, ioredisCluster, ioredisSentinel].every(({ status }) => status === "ready"));
  after(async () => {
    for (const each of [client, pool, nodes, sentinels]) await each.close();
    for (const each of [ioredis, ioredisCluster, ioredisSentinel]) each.disconnect();
  });

  suite("node-redis: client", client, { outage: outage(first) });
  suite("node-redis: pool", pool);
  suite("node-redis: cluster", nodes);
  suite("node-redis: sentinel", sentinels);
  suite("ioredis: Redis", ioredis, { outage: outage(second) });
  suite("ioredis: Cluster", ioredisCluster);
  suite("ioredis: Redis with sentinels", ioredisSentinel);
});

function suite(name: string, client: RedisClientLike, capabilities: Capabilities = {}): void {
  describe(name, { concurrency: 1 }, () => {
    for (const { name, run } of conformance(() => redis({ client }), {
      list: true,
      watch: true,
      claimExpired: false,
      ...capabilities,
    })) {
      test(name, run);
    }
  });
}

function outage(server: { stop(): Promise<void>; start(): Promise<void> }) {
  return { stop: () => server.stop(), start: () => server.start() };
}

function address(text: string): { host: string; port: number } {
  const [host, port] = text.split(":");
  return { host: host!, port: Number(port) };
}
