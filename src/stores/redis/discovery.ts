// Finds out what several servers are: a Cluster, or a primary and its replicas.

import type { Address } from "./address.ts";
import type { Reply } from "./connection.ts";

/** What the servers are: a Cluster, or one of them is the primary of the others. */
export type Topology = { kind: "cluster" } | { kind: "primary"; address: Address };

/** A connection to one of the servers. */
export interface Probe {
  sendCommand(args: string[]): Promise<Reply>;
  destroy(): void;
}

interface Found {
  address: Address;
  isCluster: boolean;
  isPrimary: boolean;
  /** Differs between servers, and not between two addresses of one server. Undefined: the server does not tell. */
  runId: string | undefined;
}

/**
 * Asks all servers. One that can't be reached is left out.
 *
 * @throws Error if none can be reached, or it is not clear which one is the primary.
 */
export async function discover(
  addresses: readonly Address[],
  connect: (address: Address) => Promise<Probe>,
): Promise<Topology> {
  const asked = await Promise.allSettled(addresses.map((address) => ask(address, connect)));
  const found = asked.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
  if (found.length === 0) throw (asked[0] as PromiseRejectedResult).reason;
  if (found.some(({ isCluster }) => isCluster)) return { kind: "cluster" };
  const primaries = found.filter(({ isPrimary }) => isPrimary);
  const [primary] = primaries;
  if (primary === undefined) {
    throw new Error(
      `none of the servers that answer is the primary: ${list(found)} are replicas. Name the primary, too`,
    );
  }
  if (primaries.length > 1 && !areOneServer(primaries)) {
    throw new Error(
      `${list(primaries)} are primaries of their own, and sessions would be divided between them: make one of them a replica, or name only one`,
    );
  }
  return { kind: "primary", address: primary.address };
}

async function ask(address: Address, connect: (address: Address) => Promise<Probe>): Promise<Found> {
  const probe = await connect(address);
  try {
    const server = await askForInfo(probe, "server");
    const hello = await askByHello(probe);
    const replication = hello.get("role") ?? (await askForInfo(probe, "replication")).get("role");
    const mode = hello.get("mode") ?? server.get("redis_mode");
    return {
      address,
      isCluster: mode === "cluster",
      isPrimary: replication === "master",
      runId: server.get("run_id"),
    };
  } finally {
    probe.destroy();
  }
}

/** HELLO needs no permission of an administrator. Redis 6.0 has it; a proxy may not. */
async function askByHello(probe: Probe): Promise<Map<string, string>> {
  const reply = (await probe.sendCommand(["HELLO", "2"]).catch(() => [])) as Reply[];
  return new Map(reply.flatMap((name, i) => (i % 2 === 0 ? [[String(name), String(reply[i + 1])] as const] : [])));
}

async function askForInfo(probe: Probe, section: string): Promise<Map<string, string>> {
  const text = String(await probe.sendCommand(["INFO", section]).catch(() => ""));
  return new Map([...text.matchAll(/^(\w+):(.*?)\r?$/gm)].map(([, name, value]) => [name!, value!]));
}

function areOneServer(servers: readonly Found[]): boolean {
  return servers.every(({ runId }) => runId !== undefined && runId === servers[0]!.runId);
}

function list(servers: readonly Found[]): string {
  return servers.map(({ address }) => label(address)).join(", ");
}

/** An address, for messages. */
export function label(address: Address): string {
  return "path" in address ? address.path : `${address.host}:${address.port}`;
}
