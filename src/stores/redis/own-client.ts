// What the store's own clients, of the package `redis`, have in common.

import type { Address, Credentials } from "./address.ts";
import { label } from "./discovery.ts";
import { NotConnectedError } from "./errors.ts";
import type { NodeRedis, NodeRedisCluster, NodeRedisSentinel } from "./node-redis.ts";
import type { RedisTlsOptions, Target } from "./options.ts";

/** What is used of the package `redis`. Compiling its own types would take longer than compiling all of coatcheck. */
export interface Package {
  createClient(options: object): NodeRedis;
  createCluster(options: object): NodeRedisCluster;
  createSentinel(options: object): NodeRedisSentinel;
}

export type LoadPackage = () => Promise<Package>;

const CONNECT_TIMEOUT_MS = 5_000;
/** How often at most a client is replaced because its server says that it can't serve. */
const RENEW_EVERY_MS = 500;
const BASE_BACKOFF_MS = 25;
const MAX_BACKOFF_MS = 400;
/** At most this many commands wait for a reply, so that a server that does not answer can't fill the memory. */
const MAX_PENDING_COMMANDS = 20_000;
/** How soon a connection without traffic is checked by the system. Only this reveals some of the vanished servers. */
const KEEP_ALIVE_MS = 5_000;

/** `reconnect`: milliseconds until the next attempt to connect, or false. Default: it is tried without end. */
export function clientOptions(
  credentials: Credentials,
  tls: RedisTlsOptions | undefined,
  address?: Address,
  reconnect: (retries: number) => number | false = reconnectDelay,
): object {
  return {
    ...credentials,
    socket: {
      ...tls,
      ...address,
      ...(tls && { tls: true }),
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
      connectTimeout: CONNECT_TIMEOUT_MS,
      reconnectStrategy: reconnect,
    },
    // Every server and proxy supports RESP2, and the store needs nothing of RESP3.
    RESP: 2,
    maintNotifications: "disabled",
    disableOfflineQueue: true,
    commandsQueueMaxLength: MAX_PENDING_COMMANDS,
  };
}

/** Milliseconds until the next attempt. With jitter, so that the servers of a farm do not all connect at the same time. */
export function reconnectDelay(retries: number): number {
  return Math.min(BASE_BACKOFF_MS * 2 ** retries, MAX_BACKOFF_MS) * (0.5 + Math.random() / 2);
}

export function unreachable(target: Target, cause: Error | undefined): NotConnectedError {
  const { message, code } = (cause ?? {}) as NodeJS.ErrnoException;
  const servers = target.nodes.map(label).join(", ");
  return new NotConnectedError(`no connection to Redis at ${servers}: ${message || code || "not yet connected"}`, {
    cause,
  });
}

export function closedError(): NotConnectedError {
  return new NotConnectedError("the store is closed");
}

/** Calls `replace` in the background, one call at a time and not too often. If it fails, the former client stays. */
export function createRenewal(replace: () => Promise<void>): () => void {
  let isRunning = false;
  let last = -Infinity;
  return () => {
    if (isRunning || performance.now() - last < RENEW_EVERY_MS) return;
    last = performance.now();
    isRunning = true;
    const done = () => {
      isRunning = false;
    };
    replace().then(done, done);
  };
}
