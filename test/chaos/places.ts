import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startAzurite } from "../servers/azurite.ts";
import { startCosmos } from "../servers/cosmos.ts";
import { startMariadb } from "../servers/mariadb.ts";
import { startPostgres } from "../servers/postgres.ts";
import { run, type ServerProcess, tempDir, waitFor } from "../servers/process.ts";
import { startRedis, startRedisCluster, startSentinel } from "../servers/redis.ts";
import { startTcpFaultProxy, type TcpFault, type TcpFaultProxy } from "../servers/tcp-fault-proxy.ts";
import { now } from "./history.ts";
import type { Random } from "./random.ts";

/** Something bad. Resolves when it is over. */
export type Fault = (random: Random) => Promise<unknown>;

/** A store in which everything that was acknowledged is kept, and what can happen to it. */
export interface Place {
  /** The name of the store, and the options that servers give it. */
  store: string;
  options: object;
  /** Only one server can have it, and it ends with that. */
  inProcess?: true;
  faults: Record<string, Fault>;
  /** Spans in which the store may lose, by its own promise, what it has acknowledged. */
  lossy?: [from: number, to: number][];
  stop(): Promise<unknown>;
}

/** What `--store` takes. Each starts what has to run. */
export const places: Readonly<Record<string, () => Promise<Place>>> = {
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
      options: { sentinel: { name: farm.name, nodes: farm.sentinels } },
      faults: {
        // Replication is asynchronous: what the master had acknowledged, and not yet passed on, is lost.
        async failover() {
          const port = await farm.masterPort();
          const master = farm.nodes.find((node) => node.port === port)!;
          const from = now() - 1_000;
          await master.kill();
          await waitFor("another master", async () => (await farm.masterPort()) !== port);
          await sleep(1_000);
          await master.start();
          const isReplica = async () => (await master.cli("role")).startsWith("slave");
          await waitFor("the old master to follow", isReplica);
          await waitFor("replication", async () => (await master.cli("role")).includes("connected"));
          lossy.push([from, now()]);
        },
      },
      lossy,
      stop: () => farm.stop(),
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
    // Written, if not synced, before it is acknowledged: that survives the end of the process.
    const server = await startMariadb({ "innodb-flush-log-at-trx-commit": "2" });
    const proxy = await startTcpFaultProxy(server.port);
    return {
      store: "mysql",
      options: { url: withPort(server.url, proxy.port), createTable: true },
      faults: { ...processFaults(server), ...networkFaults(proxy) },
      stop: () => Promise.all([proxy.close(), server.stop()]),
    };
  },

  async "azure-table"() {
    const server = await startAzurite();
    const proxy = await startTcpFaultProxy(server.port);
    // The emulator forgets what it has acknowledged if it is killed.
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
      // Longer than the time limit of a call to the store, or shorter.
      await sleep(random.pause(3_000));
      server.resume();
    },
  };
}

/** For a while, some of what clients send meets a fault. */
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
