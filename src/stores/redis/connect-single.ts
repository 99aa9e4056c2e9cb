// The store's own client of one server.

import type { Address } from "./address.ts";
import { type Arg, type Connection, ping, type Reply } from "./connection.ts";
import { closeClient, discardClient, openInTime } from "./ending.ts";
import { createLiveness } from "./liveness.ts";
import { COMMAND_OPTIONS, type NodeRedis, subscribeTo } from "./node-redis.ts";
import type { Target } from "./options.ts";
import {
  clientOptions,
  closedError,
  createRenewal,
  type LoadPackage,
  reconnectDelay,
  unreachable,
} from "./own-client.ts";

interface OwnClient {
  readonly client: NodeRedis;
  /** A client in use connects again by itself. */
  isInUse: boolean;
}

/** `locate` gives the server to connect to. It is asked again for each new client. Default: the first address. */
export function connectSingle(
  target: Target,
  load: LoadPackage,
  locate: () => Promise<Address> = async () => target.nodes[0]!,
): Connection {
  let current: OwnClient | undefined;
  let opening: Promise<void> | undefined;
  let lastError: Error | undefined;
  let isClosed = false;

  const renew = createRenewal(async () => {
    const fresh = await openReplacement();
    if (isClosed || current === undefined) return fresh.client.destroy();
    const former = adopt(fresh);
    await closeClient(former);
  });

  const liveness = createLiveness({
    ping: () => (current?.client.isReady ? current.client.sendCommand(["PING"]) : undefined),
    open: openReplacement,
    // Pending commands fail, and can be tried again over the new connection.
    replace: (fresh) => void discardClient(adopt(fresh)),
    discard: ({ client }) => void discardClient(client),
    drop() {
      const former = current!.client;
      current = undefined;
      void discardClient(former);
    },
  });

  async function create(isInUse: boolean): Promise<OwnClient> {
    const { createClient } = await load();
    const address = await locate();
    if (isClosed) throw closedError();
    const client = createClient({
      ...clientOptions(target.credentials, target.tls, address, (retries) => own.isInUse && reconnectDelay(retries)),
      database: target.database,
      commandOptions: COMMAND_OPTIONS,
    });
    const own: OwnClient = { client, isInUse };
    client.on("error", (error) => {
      if (current !== own) return;
      lastError = error;
      // Of several servers, another one may be the primary now.
      if (target.nodes.length > 1) renew();
    });
    return own;
  }

  /** Gives the former client. */
  function adopt(fresh: OwnClient): NodeRedis {
    const former = current!.client;
    fresh.isInUse = true;
    current = fresh;
    return former;
  }

  async function open(): Promise<void> {
    current = await create(true);
    await connectClient(current.client);
  }

  /** Resolves when the client is connected, and rejects at its first error. In both cases a client in use keeps trying. */
  function connectClient(client: NodeRedis): Promise<void> {
    return new Promise((resolve, reject) => {
      client.on("error", (error) => reject(unreachable(target, error)));
      client.on("ready", () => resolve());
      client.connect().catch((error) => reject(unreachable(target, error)));
    });
  }

  async function openReplacement(): Promise<OwnClient> {
    const fresh = await create(false);
    await openInTime(fresh.client, async (client) => {
      await connectClient(client);
      await ping((args) => client.sendCommand(args));
    });
    return fresh;
  }

  function send(args: Arg[]): Promise<Reply> {
    if (!current?.client.isReady) return sendWhenOpen(args);
    liveness.used();
    return current.client.sendCommand(args);
  }

  async function sendWhenOpen(args: Arg[]): Promise<Reply> {
    if (isClosed) throw closedError();
    if (current === undefined || opening !== undefined) {
      opening ??= open().finally(() => {
        opening = undefined;
      });
      await opening;
    }
    if (!current!.client.isReady) throw unreachable(target, lastError);
    liveness.used();
    return current!.client.sendCommand(args);
  }

  return {
    isCluster: false,
    send: (_key, args) => send(args),
    nodes: async () => [send],
    async subscribe(channels, onMessage, onLost) {
      await ping(send);
      return subscribeTo(current!.client, channels, onMessage, onLost);
    },
    renew,
    async close() {
      isClosed = true;
      liveness.stop();
      if (current) await closeClient(current.client);
    },
  };
}
