// The stores of the chaos test, with what has to run for them and the faults that can hit them.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startAzurite } from "../servers/azurite.ts";
import { startCosmos } from "../servers/cosmos.ts";
import { startMariadb } from "../servers/mariadb.ts";
import { startPostgres } from "../servers/postgres.ts";
import { run, type ServerProcess, tempDir, waitFor } from "../servers/process.ts";
import { type RedisServer, startRedis, startRedisCluster, startSentinel } from "../servers/redis.ts";
import { type ReplicatedPair, startMariadbPair, startPostgresPair } from "../servers/replicas.ts";
import { startTcpFaultProxy, type TcpFault, type TcpFaultProxy } from "../servers/tcp-fault-proxy.ts";
import { now } from "./history.ts";
import type { Random } from "./random.ts";
import type { Standby } from "./server-process.ts";

/** Injects a fault. Resolves when the fault has ended. */
export type Fault = (random: Random) => Promise<unknown>;

export type Faults = Record<string, Fault>;

/** A store that is configured to keep everything that it acknowledges, and its faults. */
export interface Environment {
  /** The name of the store. */
  store: string;
  /** The options that servers pass to it. */
  options: object;
  /** The options that one server passes to it, in place of `options`. */
  optionsOf?: (server: number) => object;
  /** A second store, which takes over when the first one fails. */
  standby?: Standby;
  /** Only one server can use the store, and its data ends with that server. */
  inProcess?: true;
  faults: Faults;
  /** Spans in which the store's guarantees allow it to lose acknowledged writes. */
  lossy?: [from: number, to: number][];
  /** Spans in which the store's guarantees allow it to answer reads with an earlier state. */
  stale?: [from: number, to: number][];
  stop(): Promise<unknown>;
}

/** The values of `--store`. Each starts what has to run. */
export const environments: Readonly<Record<string, () => Promise<Environment>>> = {
  memory: async () => ({ store: "memory", options: {}, inProcess: true, faults: {}, stop: async () => {} }),

  file: async () => ({
    store: "file",
    options: { path: join(tempDir("chaos"), "sessions") },
    faults: {},
    stop: async () => {},
  }),

  sqlite: async () => ({
    store: "sqlite",
    options: { path: join(tempDir("chaos"), "sessions.db") },
    faults: {},
    stop: async () => {},
  }),

  async redis() {
    const server = await startRedis({ config: DURABLE_REDIS });
    const proxy = await startTcpFaultProxy(server.port);
    return {
      store: "redis",
      options: { url: `redis://127.0.0.1:${proxy.port}` },
      faults: { ...processFaults(server), ...networkFaults(proxy) },
      stop: () => Promise.all([proxy.close(), server.stop()]),
    };
  },

  async "redis-sentinel"() {
    const farm = await startSentinel();
    const lossy: [number, number][] = [];
    return {
      store: "redis",
      // Expired sessions stay, so that servers remove them.
      options: { sentinel: { name: farm.name, nodes: farm.sentinels }, keepExpired: "1m" },
      faults: {
        async failover() {
          await failOver(async (master, hasFailedOver) => {
            await master.kill();
            await waitFor("another master", hasFailedOver);
            await sleep(1_000);
            await master.start();
          });
        },
        async switchover() {
          await failOver(async (_master, hasFailedOver) => {
            const [, port] = farm.sentinels[0]!.split(":");
            const command = ["-p", port!, "sentinel", "failover", farm.name];
            await waitFor("the sentinels", async () => (await run("redis-cli", command)).startsWith("OK"));
            await waitFor("another master", hasFailedOver);
          });
        },
      },
      lossy,
      stop: () => farm.stop(),
    };

    /** Replication is asynchronous: writes that the master acknowledged but did not yet replicate are lost. */
    async function failOver(cause: (master: RedisServer, hasFailedOver: () => Promise<boolean>) => Promise<void>) {
      const port = await farm.masterPort();
      const master = farm.nodes.find((node) => node.port === port)!;
      const from = now() - 1_000;
      await cause(master, async () => (await farm.masterPort()) !== port);
      await waitFor("the former master to follow", () => isReplica(master));
      lossy.push([from, now()]);
    }
  },

  // Azure, AWS and others fail over behind one address. Nothing is lost here, because Redis hands the role over when the
  // replica has everything. Connections to the former primary stay open: it answers, and refuses writes.
  async "redis-failover"() {
    const first = await startRedis({ config: FAST_REPLICATION });
    const second = await startRedis({ config: [...FAST_REPLICATION, `replicaof 127.0.0.1 ${first.port}`] });
    await waitFor("replication", () => isReplica(second));
    const proxy = await startTcpFaultProxy(first.port);
    let [primary, replica] = [first, second];
    return {
      store: "redis",
      options: { url: `redis://127.0.0.1:${proxy.port}` },
      faults: {
        async failover(random) {
          await primary.cli("failover", "to", replica.host, String(replica.port));
          await waitFor("another primary", async () => (await replica.cli("role")).startsWith("master"));
          [primary, replica] = [replica, primary];
          // The former primary may know nothing of what is written from now on.
          const isCutOff = random() < 0.5;
          if (isCutOff) await replica.cli("replicaof", "127.0.0.1", "1");
          // The address still leads to it for a moment.
          await sleep(random.pause(800));
          proxy.target = primary.port;
          await sleep(random.pause(1_500));
          if (isCutOff) await replica.cli("replicaof", primary.host, String(primary.port));
          await waitFor("replication", () => isReplica(replica));
        },
      },
      stop: () => Promise.all([proxy.close(), first.stop(), second.stop()]),
    };
  },

  // One server does not reach the primary, and takes the whole farm over to the standby. The others still reach the primary.
  async failover() {
    const [primary, standby] = await Promise.all([startRedis(), startRedis()]);
    const cable = await startTcpFaultProxy(primary.port);
    const lossy: [number, number][] = [];
    let hasFailedOver = false;
    return {
      store: "redis",
      options: { url: primary.url },
      optionsOf: (server) => ({ url: server === 0 ? `redis://127.0.0.1:${cable.port}` : primary.url }),
      standby: { options: { url: standby.url }, after: TAKEOVER_MS },
      faults: {
        async "cut cable"() {
          const from = now() - 1_000;
          cable.fault = () => "cut";
          await sleep(hasFailedOver ? 500 : TAKEOVER_MS + FOLLOW_MS);
          cable.fault = undefined;
          // The standby lacks changes of the last moment, and other servers write to the primary until they follow.
          if (!hasFailedOver) lossy.push([from, now()]);
          hasFailedOver = true;
        },
      },
      lossy,
      stop: () => Promise.all([cable.close(), primary.stop(), standby.stop()]),
    };
  },

  async "redis-cluster"() {
    const cluster = await startRedisCluster(3, DURABLE_REDIS);
    const [first] = cluster.nodes;
    const ids = await Promise.all(cluster.nodes.map((node) => node.cli("cluster", "myid")));
    return {
      store: "redis",
      options: { cluster: { nodes: cluster.urls } },
      faults: {
        async "slot migration"(random) {
          const from = random.between(0, 2);
          const to = (from + random.between(1, 2)) % 3;
          await run("redis-cli", [
            ...["--cluster", "reshard", `127.0.0.1:${first!.port}`, "--cluster-yes"],
            ...["--cluster-from", ids[from]!, "--cluster-to", ids[to]!, "--cluster-slots", "300"],
          ]);
        },
        async "node pause"(random) {
          const node = random.pick(cluster.nodes);
          node.pause();
          await sleep(random.pause(2_500));
          node.resume();
        },
        async "node kill"(random) {
          const node = random.pick(cluster.nodes);
          await node.kill();
          await sleep(random.pause(1_000));
          await cluster.start();
        },
      },
      stop: () => cluster.stop(),
    };
  },

  async postgres() {
    const server = await startPostgres();
    const proxy = await startTcpFaultProxy(server.port);
    return {
      store: "postgres",
      options: { url: withPort(server.url, proxy.port), createTable: true, notify: true },
      faults: { ...processFaults(server), ...networkFaults(proxy) },
      stop: () => Promise.all([proxy.close(), server.stop()]),
    };
  },

  async mysql() {
    // Writes before it acknowledges, without a sync: the data survives the end of the process.
    const server = await startMariadb({ "innodb-flush-log-at-trx-commit": "2" });
    const proxy = await startTcpFaultProxy(server.port);
    return {
      store: "mysql",
      options: { url: withPort(server.url, proxy.port), createTable: true },
      faults: { ...processFaults(server), ...networkFaults(proxy) },
      stop: () => Promise.all([proxy.close(), server.stop()]),
    };
  },

  "postgres-failover": () => pairBehindAddress("postgres", startPostgresPair, { createTable: true, notify: true }),

  "mysql-failover": () => pairBehindAddress("mysql", startMariadbPair, { createTable: true }),

  async "azure-table"() {
    const server = await startAzurite();
    const proxy = await startTcpFaultProxy(server.port);
    // The emulator loses acknowledged writes if it is killed.
    const { kill: _, ...faults } = processFaults(server);
    return {
      store: "azure-table",
      options: { connectionString: server.connectionString.replace(`:${server.port}/`, `:${proxy.port}/`) },
      faults: { ...faults, ...networkFaults(proxy) },
      stop: () => Promise.all([proxy.close(), server.stop()]),
    };
  },

  async cosmos() {
    const server = await startCosmos();
    return {
      store: "cosmos",
      options: { endpoint: server.endpoint, key: server.key, endpointDiscovery: false },
      faults: {
        async stop(random) {
          await server.stop();
          await sleep(random.pause(1_000));
          await server.start();
        },
        async "lose answers"(random) {
          server.fault = () => (random() < 0.5 ? "lose the answer" : undefined);
          await sleep(random.between(100, 600));
          server.fault = undefined;
        },
        async delay(random) {
          server.fault = () => ({ delay: random.between(0, 400) });
          await sleep(random.between(200, 1_000));
          server.fault = undefined;
        },
      },
      stop: () => server.close(),
    };
  },
};

const TAKEOVER_MS = 1_000;
/** Milliseconds within which all servers have followed, also on a busy machine. */
const FOLLOW_MS = 4_000;
/** Milliseconds within which all servers have found the new primary, also on a busy machine. */
const NOTICE_MS = 3_000;

const FAST_REPLICATION = ["repl-diskless-sync-delay 0"];

async function isReplica(server: RedisServer): Promise<boolean> {
  const [role, ...state] = (await server.cli("role")).split("\n");
  return role === "slave" && state.includes("connected");
}

const DURABLE_REDIS = ["appendonly yes", "appendfsync always"];

function processFaults(server: ServerProcess): Record<"kill" | "restart" | "pause", Fault> {
  return {
    async kill(random) {
      await server.kill();
      await sleep(random.pause(1_000));
      await server.start();
    },
    restart: () => server.restart(),
    async pause(random) {
      server.pause();
      // Shorter or longer than the time limit of a store call.
      await sleep(random.pause(3_000));
      server.resume();
    },
  };
}

/**
 * A primary and its replica behind one address. Nothing is lost, because they swap their roles when the replica has
 * everything. The former primary stays reachable, and answers reads until the servers notice that it refuses their writes.
 */
async function pairBehindAddress(
  store: string,
  startPair: () => Promise<ReplicatedPair>,
  options: object,
): Promise<Environment> {
  const pair = await startPair();
  const proxy = await startTcpFaultProxy(pair.port);
  const stale: [number, number][] = [];
  return {
    store,
    options: { url: withPort(pair.url, proxy.port), ...options },
    faults: {
      async failover(random) {
        const from = now();
        await pair.swap();
        // The address still leads to the former primary for a moment.
        await sleep(random.pause(800));
        proxy.target = pair.port;
        await sleep(NOTICE_MS);
        stale.push([from, now()]);
      },
    },
    stale,
    stop: () => Promise.all([proxy.close(), pair.stop()]),
  };
}

/** For a while, a share of what clients send meets a fault. */
function networkFaults(
  proxy: TcpFaultProxy,
): Record<"cuts" | "half-closes" | "lost answers" | "late" | "delays", Fault> {
  const some =
    (share: number, make: (random: Random) => TcpFault): Fault =>
    async (random) => {
      proxy.fault = () => (random() < share ? make(random) : undefined);
      await sleep(random.between(50, 800));
      proxy.fault = undefined;
    };
  return {
    cuts: some(0.1, () => "cut"),
    "half-closes": some(0.1, () => "half close"),
    "lost answers": some(0.1, () => "lose the answer"),
    late: some(0.1, (random) => ({ late: random.pause(1_500) })),
    delays: some(0.5, (random) => ({ delay: random.pause(200) })),
  };
}

function withPort(url: string, port: number): string {
  const changed = new URL(url);
  changed.port = String(port);
  return changed.href;
}
