// Recognizes the client that an application hands in.

import { OptionError } from "../../errors.ts";
import type { Connection } from "./connection.ts";
import * as ioredis from "./ioredis.ts";
import * as nodeRedis from "./node-redis.ts";
import type { RedisClientLike } from "./options.ts";

/**
 * A connection on a client that was handed in. The client is recognized by its methods, so that it may come from any copy
 * and version of its package.
 *
 * @throws OptionError if the client is not known, or has an option that does not work with the store.
 */
export function adaptClient(client: RedisClientLike): Connection {
  const has = (...methods: string[]) =>
    methods.every((method) => typeof (client as unknown as Record<string, unknown>)?.[method] === "function");
  const given = client as unknown;
  if (has("callBuffer")) {
    const { options, isCluster } = given as ioredis.IoRedis & { isCluster?: boolean };
    if (options?.keyPrefix) {
      throw new OptionError(
        "client",
        client,
        "ioredis's keyPrefix hides sessions from list(). Give a client without it, and use the store's option prefix.",
      );
    }
    // ioredis can't read the name of a command that was sent by `callBuffer`, and its pipeline throws an uncaught error.
    if (options?.enableAutoPipelining) {
      throw new OptionError(
        "client",
        client,
        "ioredis's enableAutoPipelining can't send commands with binary replies. Give a client without it.",
      );
    }
    return isCluster
      ? ioredis.connectionOfCluster(given as ioredis.IoRedisCluster)
      : ioredis.connectionOf(given as ioredis.IoRedis);
  }
  if (has("withCommandOptions", "sendCommand")) {
    if (has("nodeClient")) return nodeRedis.connectionOfCluster(given as nodeRedis.NodeRedisCluster);
    if (has("getSentinelNode")) return nodeRedis.connectionOfSentinel(given as nodeRedis.NodeRedisSentinel);
    if (has("duplicate")) return nodeRedis.connectionOf(given as nodeRedis.NodeRedis);
    if (has("execute")) return nodeRedis.connectionOfPool(given as nodeRedis.NodeRedisPool);
  }
  throw new OptionError(
    "client",
    client,
    'give a client of the package "redis" (version 5 or later) or "ioredis" (version 5 or later).',
  );
}
