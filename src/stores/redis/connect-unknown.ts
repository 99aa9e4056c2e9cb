// The store's own clients of several servers, of which it is not known what they are.

import type { Address } from "./address.ts";
import { connectCluster } from "./connect-group.ts";
import { connectSingle } from "./connect-single.ts";
import type { Connection } from "./connection.ts";
import { discover, type Topology } from "./discovery.ts";
import { openInTime } from "./ending.ts";
import { COMMAND_OPTIONS } from "./node-redis.ts";
import type { Target } from "./options.ts";
import { clientOptions, closedError, type LoadPackage, unreachable } from "./own-client.ts";

const ONLY_DATABASE_0 = "the servers are a Cluster, which has only database 0: leave the database out";

/** Asks the servers on first use whether they are a Cluster or a primary with its replicas. */
export function connectUnknown(target: Target, load: LoadPackage): Connection {
  let connection: Connection | undefined;
  let learning: Promise<Connection> | undefined;
  let isClosed = false;

  async function ask(): Promise<Topology> {
    const { createClient } = await load();
    try {
      return await discover(target.nodes, (address) => {
        const client = createClient({
          ...clientOptions(target.credentials, target.tls, address, () => false),
          commandOptions: COMMAND_OPTIONS,
        });
        client.on("error", () => {});
        return openInTime(client, () => client.connect());
      });
    } catch (error) {
      throw unreachable(target, error as Error);
    }
  }

  async function learn(): Promise<Connection> {
    const topology = await ask();
    if (isClosed) throw closedError();
    if (topology.kind === "cluster") {
      if (target.database !== 0) throw unreachable(target, new Error(ONLY_DATABASE_0));
      connection = connectCluster({ ...target, kind: "cluster" }, load);
    } else connection = connectSingle({ ...target, kind: "single" }, load, locatePrimary);
    return connection;
  }

  async function locatePrimary(): Promise<Address> {
    const topology = await ask();
    if (topology.kind === "primary") return topology.address;
    throw unreachable(target, new Error("the servers have become a Cluster meanwhile: restart this process"));
  }

  async function known(): Promise<Connection> {
    if (isClosed) throw closedError();
    if (connection !== undefined) return connection;
    learning ??= learn().finally(() => {
      learning = undefined;
    });
    return learning;
  }

  return {
    get isCluster() {
      return connection?.isCluster === true;
    },
    learnKind: async () => void (await known()),
    send: (key, args) => connection?.send(key, args) ?? known().then((connection) => connection.send(key, args)),
    nodes: async () => (await known()).nodes(),
    subscribe: async (channels, onMessage, onLost) => (await known()).subscribe(channels, onMessage, onLost),
    renew: () => connection?.renew?.(),
    async close() {
      isClosed = true;
      await connection?.close();
    },
  };
}
