import { OptionError } from "../../errors.ts";
import * as ioredis from "./ioredis.ts";
import type { Link } from "./link.ts";
import * as nodeRedis from "./node-redis.ts";
import type { RedisClientLike } from "./options.ts";

/** Adapts a client that was handed in, recognized by what it can do, so that any copy and version of its package fits. */
export function adapt(client: RedisClientLike): Link {
  const has = (...methods: string[]) =>
    methods.every((method) => typeof (client as unknown as Record<string, unknown>)?.[method] === "function");
  const given = client as unknown;
  if (has("callBuffer")) {
    const { options, isCluster } = given as ioredis.IoRedis & { isCluster?: boolean };
    if (options?.keyPrefix) {
      throw new OptionError(
        "client",
        client,
        'ioredis\'s keyPrefix hides keys from "list"; use the prefix of this store.',
      );
    }
    // Its pipelines lose the names of commands that are called by "callBuffer", and then throw where nobody can catch it.
    if (options?.enableAutoPipelining) {
      throw new OptionError(
        "client",
        client,
        "ioredis's enableAutoPipelining can't send commands that answer with bytes; give a client without it.",
      );
    }
    return isCluster
      ? ioredis.linkToCluster(given as ioredis.IoRedisCluster)
      : ioredis.linkTo(given as ioredis.IoRedis);
  }
  if (has("withCommandOptions", "sendCommand")) {
    if (has("nodeClient")) return nodeRedis.linkToCluster(given as nodeRedis.NodeRedisCluster);
    if (has("getSentinelNode")) return nodeRedis.linkToSentinel(given as nodeRedis.NodeRedisSentinel);
    if (has("duplicate")) return nodeRedis.linkTo(given as nodeRedis.NodeRedis);
    if (has("execute")) return nodeRedis.linkToPool(given as nodeRedis.NodeRedisPool);
  }
  throw new OptionError(
    "client",
    client,
    'give a client of the package "redis" (version 5 or later) or "ioredis" (version 5 or later).',
  );
}
