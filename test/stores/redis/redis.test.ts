// The Redis store: conformance.

import { describe, test } from "node:test";
import { type Capabilities, conformance } from "../../../src/conformance/index.ts";
import type { SessionStore } from "../../../src/store.ts";
import { type RedisOptions, redis } from "../../../src/stores/redis/index.ts";
import { startRedis, startRedisCluster } from "../../servers/redis.ts";

const [plain, secure, kept, old, cluster, keptCluster] = await Promise.all([
  startRedis(),
  startRedis({ tls: true, user: "web", password: "p@ss/word" }),
  startRedis(),
  // Without the commands that Redis 6.0 lacks.
  startRedis({ config: ["GETEX", "PEXPIRETIME", "SPUBLISH", "SSUBSCRIBE"].map((name) => `rename-command ${name} ""`) }),
  startRedisCluster(3),
  startRedisCluster(3),
]);

// Each suite has its own server, so they can run concurrently. Most of the time they wait for an expiry.
describe("redis", { concurrency: 4 }, () => {
  conforms("one server", { url: plain.url }, { claimExpired: false, outage: outage(plain), processes: true });
  conforms("a Cluster", { cluster: { nodes: cluster.urls } }, { claimExpired: false, outage: outage(cluster) });
  conforms(
    "keepExpired",
    { url: kept.url, keepExpired: "1m" },
    { claimExpired: true, outage: outage(kept), processes: true },
  );
  conforms(
    "a Cluster, keepExpired",
    { cluster: { nodes: keptCluster.urls }, keepExpired: "1m" },
    { claimExpired: true },
  );
  conforms(
    "TLS, ACL user, database and prefix",
    { url: `${secure.url}/3`, tls: { ca: secure.ca! }, prefix: "coatcheck:[*]:" },
    { claimExpired: false, outage: outage(secure) },
  );
  conforms("Redis 6.0", { url: old.url }, { claimExpired: false });
});

function conforms(
  name: string,
  options: RedisOptions,
  { processes = false, ...capabilities }: Omit<Capabilities, "processes"> & { processes?: boolean },
): void {
  const module = new URL("./store-process.ts", import.meta.url);
  module.searchParams.set("options", JSON.stringify(options));
  suite(name, () => redis(options), { ...(processes && { processes: module }), ...capabilities });
}

function suite(name: string, makeStore: () => SessionStore, capabilities: Capabilities): void {
  describe(name, { concurrency: 1 }, () => {
    for (const { name, needs, run } of conformance(makeStore, { list: true, watch: true, ...capabilities })) {
      // Processes are expensive. The first suite runs all cases with several, the others only those that need claimExpired.
      if (capabilities.claimExpired && needs.includes("processes") && !needs.includes("claimExpired")) continue;
      test(name, run);
    }
  });
}

function outage(server: { stop(): Promise<void>; start(): Promise<void> }) {
  return { stop: () => server.stop(), start: () => server.start(), within: 5_000 };
}
