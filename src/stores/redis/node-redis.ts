// Clients of the package `redis` (node-redis).

import {
  type Arg,
  type Channels,
  type Connection,
  openSubscription,
  ping,
  type Reply,
  type Subscription,
} from "./connection.ts";
import { createDetour } from "./detour.ts";
import { discardClient, openInTime } from "./ending.ts";
import { NotConnectedError } from "./errors.ts";

/** The methods that are used of a client of the package `redis`, version 5 or later. */
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
  /** Undefined: the next command to this server opens a new one. */
  client?: NodeRedis | undefined;
  /** Set until the first connection is ready. */
  readonly connectPromise?: Promise<unknown>;
}

export interface NodeRedisSentinel {
  readonly isOpen: boolean;
  sendCommand(readonly: boolean, args: Arg[], options?: object): Promise<Reply>;
  /** Since version 6 of the package. */
  duplicate?(): NodeRedisSentinel;
  connect(): Promise<unknown>;
  close(): Promise<unknown>;
  destroy(): Promise<unknown>;
  on(event: string, listener: (event: { type?: string }) => void): unknown;
  subscribe(channel: string, listener: (message: string) => void): Promise<void>;
}

/**
 * Bulk strings (type 36) as Buffers, and no time limit. The core has its own time limits, and those of node-redis would
 * triple the cost of a GET, with an AbortSignal for each command.
 */
export const COMMAND_OPTIONS = { typeMapping: { 36: Buffer }, timeout: undefined };

const NOT_OPEN = 'the Redis client that was handed in is not connected: call "await client.connect()" first';

export function connectionOf(client: NodeRedis): Connection {
  let wasReady = client.isReady;
  const { send, close } = createDetour({
    get isReady() {
      return client.isReady;
    },
    send(args) {
      if (client.isReady) wasReady = true;
      // The client would queue the command until the server is back. Only the first connection is worth waiting for.
      else if (wasReady) return Promise.reject(new NotConnectedError("the Redis client is not connected"));
      else if (!client.isOpen) return Promise.reject(new NotConnectedError(NOT_OPEN));
      return client.sendCommand(args, COMMAND_OPTIONS);
    },
    async open() {
      const other = client.duplicate();
      let onLost: () => void = () => {};
      other.on("error", () => onLost());
      await openInTime(other, async () => {
        await other.connect();
        await ping((args) => other.sendCommand(args));
      });
      return {
        send: (args) => other.sendCommand(args, COMMAND_OPTIONS),
        onLost(listener) {
          onLost = listener;
        },
        end: () => void discardClient(other),
      };
    },
  });
  return {
    isCluster: false,
    send: (_key, args) => send(args),
    nodes: async () => [send],
    subscribe: (channels, onMessage, onLost) => subscribeTo(client, channels, onMessage, onLost),
    close: async () => close(),
  };
}

/** Subscribes on a new connection of a client like this one. */
export function subscribeTo(
  client: NodeRedis,
  channels: Channels,
  onMessage: (message: string) => void,
  onLost: () => void,
): Promise<Subscription> {
  return subscribeToShares([[client, channels]], onMessage, onLost);
}

export function connectionOfPool(pool: NodeRedisPool): Connection {
  return {
    isCluster: false,
    send: (_key, args) => pool.sendCommand(args, COMMAND_OPTIONS),
    nodes: async () => [(args) => pool.sendCommand(args, COMMAND_OPTIONS)],
    async subscribe(channels, onMessage, onLost) {
      const client = await pool.execute((client) => client.duplicate());
      return subscribeToShares([[{ duplicate: () => client }, channels]], onMessage, onLost);
    },
    close: async () => {},
  };
}

export function connectionOfCluster(cluster: NodeRedisCluster): Connection {
  return {
    isCluster: true,
    send(key, args) {
      if (!cluster.isOpen) return Promise.reject(new NotConnectedError(NOT_OPEN));
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
      const shares =
        typeof channels === "string"
          ? new Map<ClusterNode, Channels>([[cluster.masters[0]!, channels]])
          : Map.groupBy(channels, ({ slot }) => cluster.slots[slot]!.master);
      const clients = [...shares].map(
        async ([node, share]) => [await cluster.nodeClient(node), share] as [NodeRedis, Channels],
      );
      return subscribeToShares(await Promise.all(clients), onMessage, onLost);
    },
    close: async () => {},
  };
}

export function connectionOfSentinel(sentinel: NodeRedisSentinel): Connection {
  function send(_key: string, args: Arg[]): Promise<Reply> {
    if (!sentinel.isOpen) return Promise.reject(new NotConnectedError(NOT_OPEN));
    return sentinel.sendCommand(false, args, COMMAND_OPTIONS);
  }
  return {
    isCluster: false,
    send,
    nodes: async () => [(args) => send("", args)],
    subscribe: (channels, onMessage, onLost) => subscribeToMaster(sentinel, channels as string, onMessage, onLost),
    close: async () => {},
  };
}

/** Opens a new connection to each server: a connection that subscribes can send no other commands. */
function subscribeToShares(
  shares: [Pick<NodeRedis, "duplicate">, Channels][],
  onMessage: (message: string) => void,
  onLost: () => void,
): Promise<Subscription> {
  const connections = shares.map(([client]) => client.duplicate());
  async function open(connection: NodeRedis, channels: Channels, onFailure: () => void): Promise<void> {
    connection.on("error", onFailure);
    connection.on("end", onFailure);
    connection.on("sharded-channel-moved", onFailure);
    await connection.connect();
    if (typeof channels === "string") await connection.subscribe(channels, onMessage);
    // One command for each channel, as the channels of one command must be in one slot.
    else await Promise.all(channels.map(({ name }) => connection.sSubscribe(name, onMessage)));
  }
  return openSubscription(
    {
      open: (onFailure) => Promise.all(connections.map((connection, i) => open(connection, shares[i]![1], onFailure))),
      end() {
        for (const connection of connections) connection.destroy();
      },
      ping: () => Promise.all(connections.map((connection) => connection.sendCommand(["PING"]))),
    },
    onLost,
  );
}

/** The client itself finds a new master, but misses the changes that are published meanwhile: the subscription is lost. */
async function subscribeToMaster(
  sentinel: NodeRedisSentinel,
  channel: string,
  onMessage: (message: string) => void,
  onLost: () => void,
): Promise<Subscription> {
  const connection = sentinel.duplicate?.();
  if (!connection)
    throw new Error('watch() with sentinels needs version 6 of the package "redis": npm install redis@6');
  return openSubscription(
    {
      async open(onFailure) {
        // While the client connects, an error means only that one of the sentinels is down.
        let isConnected = false;
        const failIfConnected = () => isConnected && onFailure();
        connection.on("error", failIfConnected);
        connection.on("reconnecting", failIfConnected);
        connection.on("topology-change", ({ type }) => type === "MASTER_CHANGE" && failIfConnected());
        await connection.connect();
        await connection.subscribe(channel, onMessage);
        isConnected = true;
      },
      end: () => connection.destroy(),
      ping: () => connection.sendCommand(false, ["PING"]),
    },
    onLost,
  );
}
