// Whether a Redis Cluster, and Sentinel, can lose a server and go on.

import { type Finding, ok, problem, warning } from "./finding.ts";

const SLOTS = 16_384;
const LEAST_SENTINELS = 3;

/** A connection to one server. */
export interface RedisNode {
  send(...command: string[]): Promise<unknown>;
}

/** One line of CLUSTER NODES. */
interface ClusterNode {
  id: string;
  address: { host: string; port: number };
  flags: string[];
  primary: string;
}

/** @param node one that answers. */
export async function checkCluster(
  node: RedisNode,
): Promise<{ findings: Finding[]; primaries: ClusterNode["address"][] }> {
  const info = fieldsOf(String(await node.send("CLUSTER", "INFO")));
  const nodes = String(await node.send("CLUSTER", "NODES"))
    .split("\n")
    .filter((line) => line !== "")
    .map(readNode);
  const hasFailed = ({ flags }: ClusterNode) => flags.includes("fail");
  const primaries = nodes.filter((one) => one.flags.includes("master") && !hasFailed(one));
  const findings: Finding[] = [];
  const covered = Number(info.cluster_slots_ok);
  if (info.cluster_state !== "ok" || covered < SLOTS) {
    findings.push(
      problem(
        "redis-cluster-slots",
        `${covered} of ${SLOTS} slots are served`,
        "Sessions in the others can't be read: their users get 503.",
        "redis-cli --cluster fix HOST:PORT, and start the servers that are down.",
      ),
    );
  }
  const failed = nodes.filter(hasFailed);
  if (failed.length > 0) {
    findings.push(
      warning(
        "redis-cluster-node",
        `${failed.map(({ address }) => nameOf(address)).join(", ")} of the Cluster is down`,
        "The next server that fails may take sessions with it.",
        "Start it again, or remove it: redis-cli --cluster del-node HOST:PORT ID",
      ),
    );
  }
  const alone = primaries.filter(({ id }) => !nodes.some((one) => one.primary === id && !hasFailed(one)));
  if (alone.length > 0) {
    findings.push(
      warning(
        "redis-cluster-replicas",
        `${alone.map(({ address }) => nameOf(address)).join(", ")} has no replica`,
        "When it fails, its share of the sessions is away, and may be lost.",
        "redis-cli --cluster add-node NEW:PORT HOST:PORT --cluster-slave",
      ),
    );
  }
  if (findings.length === 0) findings.push(ok("redis-cluster", `${primaries.length} primaries, each with a replica`));
  return { findings, primaries: primaries.map(({ address }) => address) };
}

/** @param sentinels those that answer. @param silent the addresses of the others. */
export async function checkSentinels(
  name: string,
  sentinels: RedisNode[],
  silent: string[],
): Promise<{ findings: Finding[]; primary: ClusterNode["address"] }> {
  const findings: Finding[] = [];
  if (silent.length > 0) {
    findings.push(
      warning(
        "redis-sentinel-node",
        `the sentinel ${silent.join(", ")} does not answer`,
        "With too few sentinels, nobody makes a replica the primary when that fails.",
        "Start it again, or leave it out of sentinel.nodes.",
      ),
    );
  }
  const [first] = sentinels as [RedisNode, ...RedisNode[]];
  const reply = (await first.send("SENTINEL", "MASTER", name)) as unknown[] | Record<string, unknown>;
  const master: Record<string, string> = Array.isArray(reply)
    ? Object.fromEntries(reply.flatMap((key, i) => (i % 2 === 0 ? [[String(key), String(reply[i + 1])]] : [])))
    : Object.fromEntries(Object.entries(reply).map(([key, value]) => [key, String(value)]));
  const quorum = await first.send("SENTINEL", "CKQUORUM", name).then(
    () => undefined,
    (error: Error) => error.message,
  );
  if (quorum !== undefined) {
    findings.push(
      problem(
        "redis-sentinel-quorum",
        `the sentinels can't agree on a new primary: ${quorum}`,
        "When the primary fails, it stays away, and so do all sessions.",
        "Start the sentinels that are down, or lower the quorum.",
      ),
    );
  }
  const count = Number(master["num-other-sentinels"]) + 1;
  if (count < LEAST_SENTINELS) {
    findings.push(
      warning(
        "redis-sentinel-count",
        `${count} sentinels watch ${name}`,
        "With fewer than three, one failure of the network can make two primaries, or none.",
        "Run three sentinels, on three machines.",
      ),
    );
  }
  if (Number(master["num-slaves"]) === 0) {
    findings.push(
      warning(
        "redis-sentinel-replicas",
        `the primary of ${name} has no replica`,
        "When it fails, there is nothing to fail over to.",
        "Add a replica: REPLICAOF HOST PORT",
      ),
    );
  }
  if (findings.length === 0) findings.push(ok("redis-sentinel", `${count} sentinels agree, and there is a replica`));
  return { findings, primary: { host: master.ip!, port: Number(master.port) } };
}

function readNode(line: string): ClusterNode {
  const [id = "", place = "", flags = "", primary = ""] = line.split(" ");
  const [, host = "", port = ""] = /^(.*):(\d+)@/.exec(place) ?? [];
  return { id, address: { host, port: Number(port) }, flags: flags.split(","), primary };
}

function fieldsOf(text: string): Record<string, string> {
  return Object.fromEntries(text.split("\r\n").map((line) => line.split(/:(.*)/s).slice(0, 2)));
}

function nameOf({ host, port }: ClusterNode["address"]): string {
  return `${host}:${port}`;
}
