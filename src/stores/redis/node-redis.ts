import { type Arg, type Channels, type Link, type Reply, type Subscription, subscription } from "./link.ts";

/** What is used of a client of the package `redis`, version 5 or later. */
export interface NodeRedis {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  sendCommand(args: Arg[], options?: object): Promise<Reply>;
  duplicate(): NodeRedis;
  connect(): Promise<unknown>;
  close(): Promise<unknown>;
  destroy(): void;
  on(event: string, listener: (error: Error) => void): unknown;
  subscribe(channel: string, listener: (message: string) => void): Promise<void>;
  sSubscribe(channel: string, listener: (message: string) => void): Promise<void>;
}

export interface NodeRedisPool {
  sendCommand(args: Arg[], options: object): Promise<Reply>;
  execute<Result>(run: (client: NodeRedis) => Result): Promise<Result>;
}

export interface NodeRedisCluster {
  readonly isOpen: boolean;
  readonly masters: ClusterNode[];
  readonly slots: { master: ClusterNode }[];
  readonly nodeByAddress: Map<string, ClusterNode>;
  sendCommand(key: string, readonly: boolean, args: Arg[], options: object): Promise<Reply>;
  nodeClient(node: ClusterNode): Promise<NodeRedis>;
  connect(): Promise<unknown>;
  close(): Promise<unknown>;
  destroy(): void;
  on(event: string, listener: (error: Error, node: { host: string; port: number }) => void): unknown;
}

export interface ClusterNode {
  readonly client?: NodeRedis;
  /** There until it is connected for the first time. */
  readonly connectPromise?: Promise<unknown>;
}

export interface NodeRedisSentinel {
  readonly isOpen: boolean;
  sendCommand(readonly: boolean, args: Arg[], options?: object): Promise<Reply>;
  /** Since version 6. */
  duplicate?(): NodeRedisSentinel;
  connect(): Promise<unknown>;
  close(): Promise<unknown>;
  destroy(): Promise<unknown>;
  on(event: string, listener: (event: { type?: string }) => void): unknown;
  subscribe(channel: string, listener: (message: string) => void): Promise<void>;
}

/**
 * Bulk strings (type 36) as Buffers, and no time limit: the core has its own, and node-redis makes an AbortSignal for
 * each command that has one, which triples what a GET costs.
 */
export const COMMAND_OPTIONS = { typeMapping: { 36: Buffer }, timeout: undefined };

const NOT_OPEN = 'the Redis client that was handed in is not connected: call "await client.connect()" first';

export function linkTo(client: NodeRedis): Link {
  let wasReady = client.isReady;
  function send(_key: string, args: Arg[]): Promise<Reply> {
    if (client.isReady) wasReady = true;
    // Its queue would hold commands for as long as the server is away. Until it is there for the first time, that is meant.
    else if (wasReady) return Promise.reject(new Error("the Redis client is not connected at the moment"));
    else if (!client.isOpen) return Promise.reject(new Error(NOT_OPEN));
    return client.sendCommand(args, COMMAND_OPTIONS);
  }
  return {
    cluster: false,
    send,
    nodes: async () => [(args) => send("", args)],
    subscribe: (channels, onMessage, onLost) => subscribeOn([[client, channels]], onMessage, onLost),
    close: async () => {},
  };
}

export function linkToPool(pool: NodeRedisPool): Link {
  return {
    cluster: false,
    send: (_key, args) => pool.sendCommand(args, COMMAND_OPTIONS),
    nodes: async () => [(args) => pool.sendCommand(args, COMMAND_OPTIONS)],
    async subscribe(channels, onMessage, onLost) {
      const client = await pool.execute((client) => client.duplicate());
      return subscribeOn([[{ duplicate: () => client }, channels]], onMessage, onLost);
    },
    close: async () => {},
  };
}

export function linkToCluster(cluster: NodeRedisCluster): Link {
  return {
    cluster: true,
    send(key, args) {
      if (!cluster.isOpen) return Promise.reject(new Error(NOT_OPEN));
      return cluster.sendCommand(key, false, args, COMMAND_OPTIONS);
    },
    nodes: () =>
      Promise.all(
        cluster.masters.map(async (master) => {
          const client = await cluster.nodeClient(master);
          return (args: Arg[]) => client.sendCommand(args, COMMAND_OPTIONS);
        }),
      ),
    async subscribe(channels, onMessage, onLost) {
      const shares = new Map<ClusterNode, Channels>();
      if (typeof channels === "string") shares.set(cluster.masters[0]!, channels);
      else
        for (const [node, share] of Map.groupBy(channels, ({ slot }) => cluster.slots[slot]!.master))
          shares.set(node, share);
      const clients = [...shares].map(
        async ([node, share]) => [await cluster.nodeClient(node), share] as [NodeRedis, Channels],
      );
      return subscribeOn(await Promise.all(clients), onMessage, onLost);
    },
    close: async () => {},
  };
}

export function linkToSentinel(sentinel: NodeRedisSentinel): Link {
  function send(_key: string, args: Arg[]): Promise<Reply> {
    if (!sentinel.isOpen) return Promise.reject(new Error(NOT_OPEN));
    return sentinel.sendCommand(false, args, COMMAND_OPTIONS);
  }
  return {
    cluster: false,
    send,
    nodes: async () => [(args) => send("", args)],
    subscribe: (channels, onMessage, onLost) => subscribeOnSentinel(sentinel, channels as string, onMessage, onLost),
    close: async () => {},
  };
}

/** A connection of its own to each server, as a connection that listens can do nothing else. */
function subscribeOn(
  shares: [Pick<NodeRedis, "duplicate">, Channels][],
  onMessage: (message: string) => void,
  onLost: () => void,
): Promise<Subscription> {
  const connections = shares.map(([client]) => client.duplicate());
  async function open(connection: NodeRedis, channels: Channels, lose: () => void): Promise<void> {
    connection.on("error", lose);
    connection.on("end", lose);
    connection.on("sharded-channel-moved", lose);
    await connection.connect();
    if (typeof channels === "string") await connection.subscribe(channels, onMessage);
    // One command each: those of one command must be of one slot.
    else await Promise.all(channels.map(({ name }) => connection.sSubscribe(name, onMessage)));
  }
  return subscription(
    {
      open: (lose) => Promise.all(connections.map((connection, i) => open(connection, shares[i]![1], lose))),
      end() {
        for (const connection of connections) connection.destroy();
      },
      ping: () => Promise.all(connections.map((connection) => connection.sendCommand(["PING"]))),
    },
    onLost,
  );
}

/** The client looks for the new master by itself, but what is announced meanwhile is lost. */
async function subscribeOnSentinel(
  sentinel: NodeRedisSentinel,
  channel: string,
  onMessage: (message: string) => void,
  onLost: () => void,
): Promise<Subscription> {
  const connection = sentinel.duplicate?.();
  if (!connection) throw new Error("watch with sentinels needs version 6 of the package redis");
  return subscription(
    {
      async open(lose) {
        // While it connects, an error only says that one of the sentinels is down.
        let connected = false;
        const loseLater = () => connected && lose();
        connection.on("error", loseLater);
        connection.on("reconnecting", loseLater);
        connection.on("topology-change", ({ type }) => type === "MASTER_CHANGE" && loseLater());
        await connection.connect();
        await connection.subscribe(channel, onMessage);
        connected = true;
      },
      end: () => connection.destroy(),
      ping: () => connection.sendCommand(false, ["PING"]),
    },
    onLost,
  );
}
