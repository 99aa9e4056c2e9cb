// Clients of the package `ioredis`.

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
import { openInTime } from "./ending.ts";
import { NotConnectedError } from "./errors.ts";

/** The methods that are used of a client of the package `ioredis`, version 5 or later. */
export interface IoRedis {
  readonly status: string;
  readonly options: { keyPrefix?: string; enableAutoPipelining?: boolean; host?: string; port?: number };
  callBuffer(command: string, args: Arg[]): Promise<unknown>;
  duplicate(options: object): IoRedis;
  connect(): Promise<unknown>;
  disconnect(): void;
  ping(): Promise<unknown>;
  on(event: string, listener: (channel: string, message: string) => void): unknown;
  subscribe(channel: string): Promise<unknown>;
  ssubscribe(channel: string): Promise<unknown>;
}

export interface IoRedisCluster {
  readonly isCluster: true;
  readonly status: string;
  readonly options: { keyPrefix?: string; enableAutoPipelining?: boolean };
  readonly slots: string[][];
  callBuffer(command: string, args: Arg[]): Promise<unknown>;
  nodes(role: "master"): IoRedis[];
}

export function connectionOf(client: IoRedis): Connection {
  const { send, close } = createDetour({
    get isReady() {
      return client.status === "ready";
    },
    send: sender(client),
    async open() {
      const other = duplicate(client);
      let onLost: () => void = () => {};
      other.on("error", () => {});
      other.on("close", () => onLost());
      const opening = { destroy: () => other.disconnect() };
      await openInTime(opening, async () => {
        await other.connect();
        await ping(sender(other));
      });
      return {
        send: sender(other),
        onLost(listener) {
          onLost = listener;
        },
        end: () => other.disconnect(),
      };
    },
  });
  return {
    isCluster: false,
    send: (_key, args) => send(args),
    nodes: async () => [send],
    subscribe: (channels, onMessage, onLost) => subscribeToShares([[client, channels]], onMessage, onLost),
    close: async () => close(),
  };
}

export function connectionOfCluster(cluster: IoRedisCluster): Connection {
  const send = sender(cluster);
  return {
    isCluster: true,
    // ioredis itself finds the key in the command.
    send: (_key, args) => send(args),
    nodes: async () => cluster.nodes("master").map(sender),
    async subscribe(channels, onMessage, onLost) {
      const masters = new Map(
        cluster.nodes("master").map((node) => [`${node.options.host}:${node.options.port}`, node]),
      );
      const shares =
        typeof channels === "string"
          ? new Map<IoRedis | undefined, Channels>([[masters.values().next().value, channels]])
          : Map.groupBy(channels, ({ slot }) => masters.get(cluster.slots[slot]?.[0] ?? ""));
      if (shares.has(undefined))
        throw new Error("the Redis Cluster does not serve all slots: check CLUSTER INFO on its servers");
      return subscribeToShares([...shares] as [IoRedis, Channels][], onMessage, onLost);
    },
    close: async () => {},
  };
}

function sender(client: Pick<IoRedis, "status" | "callBuffer">): (args: Arg[]) => Promise<Reply> {
  let wasReady = client.status === "ready";
  return (args) => {
    if (client.status === "ready") wasReady = true;
    // The client would queue the command until the server is back. Only the first connection is worth waiting for.
    else if (wasReady)
      return Promise.reject(new NotConnectedError(`the Redis client is not connected (${client.status})`));
    return client.callBuffer(args[0] as string, args.slice(1)) as Promise<Reply>;
  };
}

/** A connection like the client's, which does not reconnect by itself. */
function duplicate(client: IoRedis): IoRedis {
  return client.duplicate({
    lazyConnect: true,
    retryStrategy: () => null,
    autoResubscribe: false,
    enableOfflineQueue: true,
  });
}

/** Opens a new connection to each server: a connection that subscribes can send no other commands. */
function subscribeToShares(
  shares: [IoRedis, Channels][],
  onMessage: (message: string) => void,
  onLost: () => void,
): Promise<Subscription> {
  // A lost subscription is opened again as a whole.
  const connections = shares.map(([client]) => duplicate(client));
  async function open(connection: IoRedis, channels: Channels, onFailure: () => void): Promise<void> {
    connection.on("error", onFailure);
    connection.on("close", onFailure);
    connection.on("sunsubscribe", onFailure);
    connection.on("message", (_channel, message) => onMessage(message));
    connection.on("smessage", (_channel, message) => onMessage(message));
    await connection.connect();
    if (typeof channels === "string") await connection.subscribe(channels);
    // One command for each channel, as the channels of one command must be in one slot.
    else await Promise.all(channels.map(({ name }) => connection.ssubscribe(name)));
  }
  return openSubscription(
    {
      open: (onFailure) => Promise.all(connections.map((connection, i) => open(connection, shares[i]![1], onFailure))),
      end() {
        for (const connection of connections) connection.disconnect();
      },
      ping: () => Promise.all(connections.map((connection) => connection.ping())),
    },
    onLost,
  );
}
