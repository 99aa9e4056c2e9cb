// Whether the servers of Redis are set up for sessions: one, a Cluster, or those of Sentinel.

import { type RedisOptions, settings, type Target } from "../../stores/redis/options.ts";
import { checkCluster, checkSentinels, type RedisNode } from "./check-redis-group.ts";
import { type Finding, ok, problem, warning } from "./finding.ts";
import { isLoopback } from "./hosts.ts";

/** What the checks need of a client of the package `redis`. */
interface Client {
  connect(): Promise<unknown>;
  destroy(): void;
  sendCommand(command: string[]): Promise<unknown>;
  on(event: "error", listener: () => void): unknown;
}

type Address = Target["nodes"][number];

const FULL = 0.8;
const OLDEST = 7;
const CONNECT_MS = 3_000;

export async function checkRedis(options: RedisOptions): Promise<Finding[]> {
  const { target } = settings(options);
  if ("client" in target) return [];
  const opened: Client[] = [];
  try {
    return await checkTarget(target, async (address, credentials = target.credentials) => {
      const client = await open(address, target, credentials);
      opened.push(client);
      return { send: (...command) => client.sendCommand(command) };
    });
  } finally {
    for (const client of opened) client.destroy();
  }
}

type Connect = (address: Address, credentials?: Target["credentials"]) => Promise<RedisNode>;

async function checkTarget(target: Target, connect: Connect): Promise<Finding[]> {
  const { kind, nodes } = target;
  if (kind === "single") return checkNode(await connect(nodes[0]!), nodes[0]!, target);
  const credentials = kind === "sentinel" ? target.sentinelCredentials : target.credentials;
  const answers = await Promise.allSettled(nodes.map((node) => connect(node, credentials)));
  const reached = answers.flatMap((answer, i) =>
    answer.status === "fulfilled" ? [{ node: answer.value, address: nodes[i]! }] : [],
  );
  const [first] = reached;
  if (first === undefined) return [];
  if (kind === "sentinel") {
    const silent = nodes.filter((_, i) => answers[i]!.status === "rejected").map(nameOf);
    const found = await checkSentinels(
      target.name!,
      reached.map(({ node }) => node),
      silent,
    );
    return [...found.findings, ...(await checkAll([found.primary], target, connect))];
  }
  const info = String(await first.node.send("INFO"));
  if (kind === "cluster" || info.includes("cluster_enabled:1")) {
    const found = await checkCluster(first.node);
    return [...found.findings, ...(await checkAll(found.primaries, target, connect))];
  }
  const all = await Promise.all(reached.map(({ node, address }) => checkNode(node, address, target, nameOf(address))));
  // Among several servers, a replica is as it should be.
  return all.flat().filter(({ check }) => check !== "redis-replica");
}

/** The problems of each server of a group. Those that are well have one line together. */
async function checkAll(addresses: Address[], target: Target, connect: Connect): Promise<Finding[]> {
  const all = await Promise.all(
    addresses.map(async (address) => {
      const name = nameOf(address);
      const node = await connect(address).catch((error: Error) => error.message);
      if (typeof node !== "string") return checkNode(node, address, target, name);
      return [
        problem(
          "redis-node",
          `${name} does not answer: ${node}`,
          "Sessions that it has can't be read: their users get 503.",
          "Start it, or look at the network between.",
        ),
      ];
    }),
  );
  return all.flat().filter(({ severity }) => severity !== "ok");
}

async function open(
  address: Address,
  { tls }: Target,
  credentials: Target["credentials"] | undefined,
): Promise<Client> {
  const { createClient } = (await import("redis")) as unknown as { createClient(options: object): Client };
  const socket = {
    ...address,
    ...(tls && { tls: true, ...tls }),
    connectTimeout: CONNECT_MS,
    reconnectStrategy: false,
  };
  const client = createClient({ socket, ...credentials });
  client.on("error", () => {});
  await client.connect();
  return client;
}

function nameOf(address: Address): string {
  return "path" in address ? address.path : `${address.host}:${address.port}`;
}

/** One server. `name`: what to call it, where there are several. */
async function checkNode(node: RedisNode, address: Address, target: Target, name?: string): Promise<Finding[]> {
  let text: string;
  try {
    text = String(await node.send("INFO"));
  } catch {
    return [
      warning(
        "redis-info",
        "the account may not call INFO",
        "Memory, persistence and version can't be checked.",
        "Run doctor with an account that may: ACL SETUSER doctor on +info +config|get",
      ),
    ];
  }
  const info = Object.fromEntries(text.split("\r\n").map((line) => line.split(/:(.*)/s).slice(0, 2)));
  const findings = [...checkServer(info, address, target), ...checkMemory(info), ...checkPersistence(info)];
  return name === undefined ? findings : findings.map((one) => ({ ...one, what: `${name}: ${one.what}` }));
}

function checkServer(info: Record<string, string>, address: Address, { tls, credentials }: Target): Finding[] {
  const findings: Finding[] = [];
  const version = info.redis_version ?? "unknown";
  if (Number.parseInt(version, 10) < OLDEST) {
    findings.push(
      warning(
        "redis-version",
        `Redis ${version} is old`,
        "A read takes a script instead of two plain commands, and nobody mends its faults any more.",
        "Install Redis 7 or later, or Valkey.",
      ),
    );
  } else findings.push(ok("redis-version", `Redis ${version}`));
  if (info.role === "slave") {
    findings.push(
      problem(
        "redis-replica",
        "this server is a replica",
        "It refuses writes: nobody can log in.",
        "Give the address of the primary, or use sentinel or servers.",
      ),
    );
  }
  if ("host" in address && !isLoopback(address.host)) {
    if (tls === undefined) {
      findings.push(
        warning(
          "redis-tls",
          "the connection has no TLS",
          "The password, and when which session is used, can be read on the way.",
          "Use rediss:// in the address.",
        ),
      );
    }
    if (credentials.password === undefined) {
      findings.push(
        problem(
          "redis-password",
          "the server wants no password",
          "Everybody in the network can end and list all sessions.",
          "Set requirepass or an ACL user, and give it in the address.",
        ),
      );
    }
  }
  return findings;
}

function checkMemory(info: Record<string, string>): Finding[] {
  const findings: Finding[] = [];
  const policy = info.maxmemory_policy ?? "noeviction";
  const [used, max] = [Number(info.used_memory), Number(info.maxmemory)];
  if (policy !== "noeviction") {
    findings.push(
      problem(
        "redis-eviction",
        `maxmemory-policy is ${policy}`,
        "When memory is short, Redis throws sessions away: users are logged out, and a logout may be undone.",
        "redis-cli CONFIG SET maxmemory-policy noeviction && redis-cli CONFIG REWRITE",
      ),
    );
  }
  if (max > 0 && used / max > FULL) {
    findings.push(
      problem(
        "redis-memory",
        `${Math.round((used / max) * 100)} % of maxmemory is used`,
        "When it is full, new sessions are refused.",
        "Raise maxmemory, or shorten idleTimeout.",
      ),
    );
  } else if (max === 0) {
    findings.push(
      warning(
        "redis-maxmemory",
        "maxmemory is not set",
        "When the machine's memory is full, the system kills Redis.",
        `redis-cli CONFIG SET maxmemory ${half(info.total_system_memory)} && redis-cli CONFIG REWRITE`,
      ),
    );
  }
  if (findings.length === 0)
    findings.push(ok("redis-memory", `memory is limited, and ${Math.round((used / max) * 100)} % of it is used`));
  return findings;
}

/** Half of the machine's memory: a fork that writes the file to the disk may need as much again. */
function half(memory: string | undefined): string {
  return memory === undefined ? "2gb" : `${Math.floor(Number(memory) / 2 / 1024 ** 2)}mb`;
}

function checkPersistence(info: Record<string, string>): Finding[] {
  const isAppending = info.aof_enabled === "1";
  if (isAppending && info.aof_last_write_status === "ok")
    return [ok("redis-persistence", "sessions outlive a restart of Redis")];
  if (isAppending || info.rdb_last_bgsave_status === "err") {
    return [
      problem(
        "redis-persistence",
        "Redis can't write its data to the disk",
        "It refuses writes, or loses all sessions when it restarts.",
        "Look at Redis's log and at the free space of its disk.",
      ),
    ];
  }
  return [
    warning(
      "redis-persistence",
      "the append-only file is off",
      "When Redis restarts, sessions of the last minutes are lost, or all: users are logged out, and logouts are undone.",
      "redis-cli CONFIG SET appendonly yes && redis-cli CONFIG REWRITE",
    ),
  ];
}
