import { importPeer } from "../peer.ts";
import type { Arg, Link, Reply } from "./link.ts";
import {
  COMMAND_OPTIONS,
  linkTo,
  linkToCluster,
  linkToSentinel,
  type NodeRedis,
  type NodeRedisCluster,
  type NodeRedisSentinel,
} from "./node-redis.ts";
import type { Address, Credentials, RedisTlsOptions, Target } from "./options.ts";

/** What is used of the package `redis`. Its own types are not: they cost the compiler more than all of coatcheck. */
interface Package {
  createClient(options: object): NodeRedis;
  createCluster(options: object): NodeRedisCluster;
  createSentinel(options: object): NodeRedisSentinel;
}

/** Connects on first use. Calls fail at once, without waiting, while there is no connection; it comes back by itself. */
export function connect(target: Target): Link {
  if (target.kind === "single") return connectSingle(target);
  const make = target.kind === "cluster" ? makeCluster : makeSentinel;
  return connectGroup(target, make);
}

const load = () => importPeer("redis", () => import("redis")) as Promise<unknown> as Promise<Package>;

const CLOSED = "the store is closed";

/** How often the connection is tried, when it was used since: a server that vanished without a word shows by this alone. */
const HEARTBEAT = 5_000;

function connectSingle(target: Target): Link {
  let redis: Package | undefined;
  let client: NodeRedis | undefined;
  let link: Link | undefined;
  let opening: Promise<void> | undefined;
  let beating: NodeJS.Timeout | undefined;
  let lastError: Error | undefined;
  let closed = false;
  let used = false;

  async function open(): Promise<void> {
    redis ??= await load();
    if (closed) throw new Error(CLOSED);
    beating ??= setInterval(beat, HEARTBEAT).unref();
    await begin();
  }

  /** Resolves when it is connected, and rejects at the first failure. The client goes on trying in either case. */
  function begin(): Promise<void> {
    const made = redis!.createClient({
      ...serverOptions(target.credentials, target.tls, target.nodes[0]),
      database: target.database,
      commandOptions: COMMAND_OPTIONS,
    });
    client = made;
    link = linkTo(made);
    return new Promise((resolve, reject) => {
      made.on("error", (error) => {
        lastError = error;
        reject(unreachable(target, error));
      });
      made.on("ready", () => resolve());
      made.connect().catch(reject);
    });
  }

  function send(args: Arg[]): Promise<Reply> {
    if (!client?.isReady) return sendWhenOpen(args);
    used = true;
    return client.sendCommand(args);
  }

  async function sendWhenOpen(args: Arg[]): Promise<Reply> {
    if (closed) throw new Error(CLOSED);
    opening ??= open();
    await opening;
    if (!client!.isReady) throw unreachable(target, lastError);
    return client!.sendCommand(args);
  }

  function beat(): void {
    const beaten = client!;
    if (!used || !beaten.isReady) return;
    used = false;
    const timer = setTimeout(() => {
      if (closed || client !== beaten || !beaten.isReady) return;
      beaten.destroy();
      opening = begin();
      opening.catch(() => {});
    }, HEARTBEAT).unref();
    beaten.sendCommand(["PING"]).then(
      () => clearTimeout(timer),
      () => clearTimeout(timer),
    );
  }

  return {
    cluster: false,
    send: (_key, args) => send(args),
    nodes: async () => [send],
    async subscribe(channels, onMessage, onLost) {
      await send(["PING"]);
      return link!.subscribe(channels, onMessage, onLost);
    },
    async close() {
      closed = true;
      clearInterval(beating);
      if (client) await end(client);
    },
  };
}

/** A Cluster's or the sentinels' client: it looks after the connections to the servers behind it. */
function connectGroup(
  target: Target,
  make: (redis: Package, target: Target) => { client: NodeRedisCluster | NodeRedisSentinel; link: Link },
): Link {
  let made: ReturnType<typeof make> | undefined;
  let link: Link | undefined;
  let opening: Promise<Link> | undefined;
  let closed = false;

  function open(): Promise<Link> {
    opening ??= begin().finally(() => {
      // Connecting is given up at the first failure; the next call tries again.
      if (link === undefined) opening = undefined;
    });
    return opening;
  }

  async function begin(): Promise<Link> {
    const redis = await load();
    if (closed) throw new Error(CLOSED);
    made ??= make(redis, target);
    try {
      await made.client.connect();
    } catch (error) {
      throw unreachable(target, error as Error);
    }
    if (closed) throw new Error(CLOSED);
    link = made.link;
    return link;
  }

  return {
    cluster: target.kind === "cluster",
    send: (key, args) => (link === undefined ? open().then((link) => link.send(key, args)) : link.send(key, args)),
    nodes: async () => (await open()).nodes(),
    subscribe: async (channels, onMessage, onLost) => (await open()).subscribe(channels, onMessage, onLost),
    async close() {
      closed = true;
      link = undefined;
      opening = undefined;
      if (made?.client.isOpen) await end(made.client);
    },
  };
}

function makeCluster(redis: Package, target: Target) {
  const client = redis.createCluster({
    rootNodes: target.nodes.map((node) => serverOptions(target.credentials, target.tls, node)),
    defaults: serverOptions(target.credentials, target.tls),
    RESP: 2,
    commandOptions: COMMAND_OPTIONS,
    // A server that is down when the store begins must not keep it from the others.
    minimizeConnections: true,
    // How soon after a server went away its successor is asked for.
    topologyRefreshOnReconnectionAttemptStrategy: 1_000,
  });
  client.on("error", () => {});
  client.on("node-error", (_error, { host, port }) => {
    // Calls wait for a first connection as long as it is tried. One failure is enough for them; the next call tries again.
    const node = client.nodeByAddress.get(`${host}:${port}`);
    if (node?.connectPromise) node.client?.destroy();
  });
  return { client, link: linkToCluster(client) };
}

function makeSentinel(redis: Package, target: Target) {
  const client = redis.createSentinel({
    name: target.name,
    sentinelRootNodes: target.nodes,
    nodeClientOptions: { ...serverOptions(target.credentials, target.tls), database: target.database },
    sentinelClientOptions: serverOptions(target.sentinelCredentials, target.tls),
    RESP: 2,
    commandOptions: COMMAND_OPTIONS,
    reserveClient: true,
    // One try a call: the core decides what may be repeated, and for how long.
    maxCommandRediscovers: 0,
  });
  client.on("error", () => {});
  return { client, link: linkToSentinel(client) };
}

function serverOptions(credentials: Credentials, tls: RedisTlsOptions | undefined, address?: Address): object {
  return {
    ...credentials,
    socket: { ...tls, ...address, ...(tls && { tls: true }), connectTimeout: 5_000, reconnectStrategy },
    // What every server and proxy understands. What RESP3 would add is not used.
    RESP: 2,
    maintNotifications: "disabled",
    disableOfflineQueue: true,
    // A server that does not answer must not fill the memory.
    commandsQueueMaxLength: 20_000,
  };
}

/** Milliseconds until the next try: soon at first, and never at the same moment as all other servers of a farm. */
function reconnectStrategy(retries: number): number {
  return Math.min(25 * 2 ** retries, 400) * (0.5 + Math.random() / 2);
}

function unreachable(target: Target, cause: Error | undefined): Error {
  const { message, code } = (cause ?? {}) as NodeJS.ErrnoException;
  return new Error(`no connection to Redis at ${target.label}: ${message || code || "not yet connected"}`, { cause });
}

/** Lets what is under way finish, for a second. */
async function end(client: { close(): Promise<unknown>; destroy(): unknown }): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, 1_000);
  });
  await Promise.race([client.close().catch(() => {}), late]);
  clearTimeout(timer);
  await client.destroy();
}
