// The store's own client of a Cluster, or of servers under Sentinel.

import { type Connection, ping } from "./connection.ts";
import { closeClient, discardClient, openInTime } from "./ending.ts";
import { createLiveness, type Liveness } from "./liveness.ts";
import {
  type ClusterNode,
  COMMAND_OPTIONS,
  connectionOfCluster,
  connectionOfSentinel,
  type NodeRedis,
  type NodeRedisCluster,
  type NodeRedisSentinel,
} from "./node-redis.ts";
import type { Target } from "./options.ts";
import {
  clientOptions,
  closedError,
  createRenewal,
  type LoadPackage,
  type Package,
  unreachable,
} from "./own-client.ts";

/** How soon after a server of a Cluster went away the new topology is requested. */
const TOPOLOGY_REFRESH_MS = 1_000;

/** The clients of `redis` for several servers, which themselves manage the connections to those. */
interface GroupClient {
  readonly isOpen: boolean;
  connect(): Promise<unknown>;
  close(): Promise<unknown>;
  destroy(): unknown;
}

/** What differs between the two kinds. */
interface GroupKind<Client extends GroupClient> {
  isCluster: boolean;
  create(redis: Package, target: Target): Client;
  connectionOf(client: Client): Connection;
  createLiveness(steps: GroupSteps<Client>): Liveness;
}

interface GroupSteps<Client> {
  /** The client, if it has connected. */
  current(): Client | undefined;
  open(): Promise<Client>;
  /** Makes a client that has been opened the current one. */
  replace(fresh: Client): void;
  drop(): void;
}

export function connectCluster(target: Target, load: LoadPackage): Connection {
  return connectGroup(target, load, {
    isCluster: true,
    create: createCluster,
    connectionOf: connectionOfCluster,
    createLiveness: createClusterLiveness,
  });
}

export function connectSentinel(target: Target, load: LoadPackage): Connection {
  return connectGroup<NodeRedisSentinel>(target, load, {
    isCluster: false,
    create: createSentinel,
    connectionOf: connectionOfSentinel,
    createLiveness: (steps) =>
      createLiveness({
        ...steps,
        ping: () => (steps.current()?.isOpen ? steps.current()!.sendCommand(false, ["PING"]) : undefined),
        async open() {
          const fresh = await steps.open();
          return openInTime(fresh, () => ping((args) => fresh.sendCommand(false, args)));
        },
        discard: (fresh) => void discardClient(fresh),
      }),
  });
}

function connectGroup<Client extends GroupClient>(
  target: Target,
  load: LoadPackage,
  kind: GroupKind<Client>,
): Connection {
  let current: Client | undefined;
  /** Set once the client has connected. */
  let connection: Connection | undefined;
  let opening: Promise<Connection> | undefined;
  let isClosed = false;

  function open(): Promise<Connection> {
    opening ??= connectClient().finally(() => {
      // The client stops at its first failure to connect. The next call connects again.
      if (connection === undefined) opening = undefined;
    });
    return opening;
  }

  async function connectClient(): Promise<Connection> {
    const redis = await load();
    if (isClosed) throw closedError();
    current ??= kind.create(redis, target);
    try {
      await current.connect();
    } catch (error) {
      throw unreachable(target, error as Error);
    }
    if (isClosed) throw closedError();
    connection = kind.connectionOf(current);
    return connection;
  }

  async function openReplacement(): Promise<Client> {
    const fresh = kind.create(await load(), target);
    return openInTime(fresh, () => fresh.connect());
  }

  /** Gives the former client. */
  function adopt(fresh: Client): Client {
    const former = current!;
    current = fresh;
    connection = kind.connectionOf(fresh);
    opening = Promise.resolve(connection);
    return former;
  }

  const renew = createRenewal(async () => {
    if (connection === undefined) return;
    const fresh = await openReplacement();
    if (isClosed) await fresh.destroy();
    else await closeClient(adopt(fresh));
  });

  const liveness = kind.createLiveness({
    current: () => (connection === undefined ? undefined : current),
    open: openReplacement,
    // Pending commands fail, and can be tried again over the new connections.
    replace: (fresh) => void discardClient(adopt(fresh)),
    drop() {
      const former = current!;
      current = connection = opening = undefined;
      void discardClient(former);
    },
  });

  return {
    isCluster: kind.isCluster,
    send(key, args) {
      liveness.used();
      return connection === undefined ? open().then((opened) => opened.send(key, args)) : connection.send(key, args);
    },
    nodes: async () => (await open()).nodes(),
    subscribe: async (channels, onMessage, onLost) => (await open()).subscribe(channels, onMessage, onLost),
    renew,
    async close() {
      isClosed = true;
      liveness.stop();
      connection = undefined;
      opening = undefined;
      if (current?.isOpen) await closeClient(current);
    },
  };
}

function createCluster(redis: Package, target: Target): NodeRedisCluster {
  const client = redis.createCluster({
    rootNodes: target.nodes.map((node) => clientOptions(target.credentials, target.tls, node)),
    defaults: clientOptions(target.credentials, target.tls),
    RESP: 2,
    commandOptions: COMMAND_OPTIONS,
    // Connects to each server on first use, so that one that is down does not block the others.
    minimizeConnections: true,
    topologyRefreshOnReconnectionAttemptStrategy: TOPOLOGY_REFRESH_MS,
  });
  client.on("error", () => {});
  client.on("node-error", (_error, { host, port }) => {
    // Without this, commands would wait while a first connection is retried. They fail, and the next one connects again.
    const node = client.nodeByAddress.get(`${host}:${port}`);
    if (node?.connectPromise) node.client?.destroy();
  });
  return client;
}

/** Each server has its own connection, and only a silent one is dropped. The next command to its server opens another. */
function createClusterLiveness({ current }: GroupSteps<NodeRedisCluster>): Liveness {
  const silent = new Map<ClusterNode, NodeRedis>();
  function drop(clients: Iterable<[ClusterNode, NodeRedis]>): void {
    for (const [node, client] of clients) {
      if (silent.get(node) !== client) continue;
      if (node.client === client) node.client = undefined;
      void discardClient(client);
    }
  }
  return createLiveness({
    ping() {
      silent.clear();
      const nodes = [...(current()?.nodeByAddress.values() ?? [])];
      return Promise.all(
        nodes.map(async (node) => {
          const { client } = node;
          if (!client?.isReady) return;
          silent.set(node, client);
          await client.sendCommand(["PING"]).catch(() => {});
          if (silent.get(node) === client) silent.delete(node);
        }),
      );
    },
    async open() {
      const compared = [...silent];
      await Promise.all(compared.map(([, client]) => hasAnswered(client.duplicate())));
      return compared;
    },
    replace: drop,
    discard() {},
    drop: () => drop([...silent]),
  });
}

/** Resolves once the server has answered on this connection, which is closed then. */
async function hasAnswered(client: NodeRedis): Promise<void> {
  client.on("error", () => {});
  await openInTime(client, async () => {
    await client.connect();
    await ping((args) => client.sendCommand(args));
  });
  client.destroy();
}

function createSentinel(redis: Package, target: Target): NodeRedisSentinel {
  const client = redis.createSentinel({
    name: target.name,
    sentinelRootNodes: target.nodes,
    nodeClientOptions: { ...clientOptions(target.credentials, target.tls), database: target.database },
    sentinelClientOptions: clientOptions(target.sentinelCredentials, target.tls),
    RESP: 2,
    commandOptions: COMMAND_OPTIONS,
    reserveClient: true,
    // No retries: the core decides what may be retried, and for how long.
    maxCommandRediscovers: 0,
  });
  client.on("error", () => {});
  return client;
}
