import { type Arg, type Channels, type Link, type Reply, type Subscription, subscription } from "./link.ts";

/** What is used of a client of the package `ioredis`, version 5 or later. */
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

export function linkTo(client: IoRedis): Link {
  const send = sender(client);
  return {
    cluster: false,
    send: (_key, args) => send(args),
    nodes: async () => [send],
    subscribe: (channels, onMessage, onLost) => subscribeOn([[client, channels]], onMessage, onLost),
    close: async () => {},
  };
}

export function linkToCluster(cluster: IoRedisCluster): Link {
  const send = sender(cluster);
  return {
    cluster: true,
    // ioredis finds the key in the command by itself.
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
      if (shares.has(undefined)) throw new Error("the Redis Cluster does not serve all slots");
      return subscribeOn([...shares] as [IoRedis, Channels][], onMessage, onLost);
    },
    close: async () => {},
  };
}

function sender(client: Pick<IoRedis, "status" | "callBuffer">): (args: Arg[]) => Promise<Reply> {
  let wasReady = client.status === "ready";
  return (args) => {
    if (client.status === "ready") wasReady = true;
    // Its queue would hold commands for as long as the server is away. Until it is there for the first time, that is meant.
    else if (wasReady)
      return Promise.reject(new Error(`the Redis client is not connected at the moment (${client.status})`));
    return client.callBuffer(args[0] as string, args.slice(1)) as Promise<Reply>;
  };
}

/** A connection of its own to each server, as a connection that listens can do nothing else. */
function subscribeOn(
  shares: [IoRedis, Channels][],
  onMessage: (message: string) => void,
  onLost: () => void,
): Promise<Subscription> {
  // A lost one is made anew, so it need not come back by itself.
  const connections = shares.map(([client]) =>
    client.duplicate({
      lazyConnect: true,
      retryStrategy: () => null,
      autoResubscribe: false,
      enableOfflineQueue: true,
    }),
  );
  async function open(connection: IoRedis, channels: Channels, lose: () => void): Promise<void> {
    connection.on("error", lose);
    connection.on("close", lose);
    connection.on("sunsubscribe", lose);
    connection.on("message", (_channel, message) => onMessage(message));
    connection.on("smessage", (_channel, message) => onMessage(message));
    await connection.connect();
    if (typeof channels === "string") await connection.subscribe(channels);
    // One command each: those of one command must be of one slot.
    else await Promise.all(channels.map(({ name }) => connection.ssubscribe(name)));
  }
  return subscription(
    {
      open: (lose) => Promise.all(connections.map((connection, i) => open(connection, shares[i]![1], lose))),
      end() {
        for (const connection of connections) connection.disconnect();
      },
      ping: () => Promise.all(connections.map((connection) => connection.ping())),
    },
    onLost,
  );
}
