// Starts Redis: single servers, Clusters and Sentinel.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, launch, run, type ServerProcess, tempDir, waitFor } from "./process.ts";

export interface RedisServerOptions {
  /** Default: a free port. */
  port?: number;
  /** Serve TLS only, with a certificate made for this run. Default: false. */
  tls?: boolean;
  /** Default: no password is needed. */
  password?: string;
  /** An ACL user with only the permissions of a session store. Disables the default user, and needs `password`. */
  user?: string;
  /** More lines for redis.conf. */
  config?: string[];
}

export interface RedisServer extends ServerProcess {
  /** The URL with user, password and protocol. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** The authority that signs the server's certificate, in PEM. Only with `tls`. */
  readonly ca: string | undefined;
  /** Runs redis-cli and resolves with its output. */
  cli(...args: string[]): Promise<string>;
}

/** Starts one redis-server, which by default keeps nothing on disk. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const port = options.port ?? (await freePort());
  const { tls = false, user, password } = options;
  const dir = tempDir("redis");
  const certificate = tls ? await makeCertificate() : undefined;
  const admin = user === undefined ? password : `admin-${password}`;
  const config = [
    "bind 127.0.0.1",
    "protected-mode no",
    `dir ${dir}`,
    'save ""',
    "appendonly no",
    // Failure detection and expiry are faster than by default, so that tests need not wait.
    "hz 100",
    ...(certificate
      ? [
          "port 0",
          `tls-port ${port}`,
          `tls-cert-file ${certificate.cert}`,
          `tls-key-file ${certificate.key}`,
          `tls-ca-cert-file ${certificate.ca}`,
          "tls-auth-clients no",
        ]
      : [`port ${port}`]),
    ...(user === undefined && password !== undefined ? [`requirepass ${password}`] : []),
    ...(user === undefined
      ? []
      : [
          "user default off",
          `user admin on >${admin} ~* &* +@all`,
          `user ${user} on >${password} resetkeys ~coatcheck:* resetchannels &coatcheck:* -@all +@read +@write +@pubsub +@connection +@scripting +time`,
        ]),
    ...(options.config ?? []),
  ];
  writeFileSync(join(dir, "redis.conf"), `${config.join("\n")}\n`);

  const auth =
    admin === undefined ? [] : [...(user === undefined ? [] : ["--user", "admin"]), "-a", admin, "--no-auth-warning"];
  const secure = certificate ? ["--tls", "--cacert", certificate.ca] : [];
  const cli = async (...args: string[]) =>
    (await run("redis-cli", ["-h", "127.0.0.1", "-p", String(port), ...auth, ...secure, ...args])).trimEnd();

  const server = await launch({
    name: `redis-server on port ${port}`,
    command: "redis-server",
    args: [join(dir, "redis.conf")],
    ready: async () => (await cli("ping")) === "PONG",
  });
  const login = password === undefined ? "" : `${user ?? ""}:${encodeURIComponent(password)}@`;
  return Object.defineProperties({} as RedisServer, {
    ...Object.getOwnPropertyDescriptors(server),
    ...Object.getOwnPropertyDescriptors({
      url: `${tls ? "rediss" : "redis"}://${login}127.0.0.1:${port}`,
      host: "127.0.0.1",
      port,
      ca: certificate && readFileSync(certificate.ca, "utf8"),
      cli,
    }),
  });
}

export interface RedisCluster {
  /** One URL for each master. */
  readonly urls: string[];
  readonly nodes: RedisServer[];
  /** Starts the stopped nodes, and waits until the Cluster serves all slots. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts masters without replicas, each with its share of the slots. `config`: more lines for every redis.conf. */
export async function startRedisCluster(masters = 3, config: string[] = []): Promise<RedisCluster> {
  const ports: number[] = [];
  for (let i = 0; i < masters * 2; i++) ports.push(await freePort());
  const nodes = await Promise.all(
    Array.from({ length: masters }, (_, i) =>
      startRedis({
        port: ports[i]!,
        config: [
          "cluster-enabled yes",
          `cluster-port ${ports[masters + i]}`,
          "cluster-node-timeout 2000",
          // A stopped node must not make the others' slots unavailable.
          "cluster-require-full-coverage no",
          ...config,
        ],
      }),
    ),
  );
  await Promise.all(
    nodes.map((node, i) => {
      const [from, to] = [i, i + 1].map((share) => Math.floor((16_384 * share) / masters));
      return node.cli("cluster", "addslotsrange", String(from), String(to! - 1));
    }),
  );
  for (const [i, node] of nodes.entries()) {
    await node.cli("cluster", "set-config-epoch", String(i + 1));
    if (i > 0) await nodes[0]!.cli("cluster", "meet", node.host, String(node.port), String(ports[masters + i]));
  }
  const complete = () =>
    waitFor("the Redis Cluster", async () => {
      for (const node of nodes) {
        const info = await node.cli("cluster", "info");
        if (!info.includes("cluster_state:ok") || !info.includes("cluster_slots_ok:16384")) return false;
        if (!info.includes(`cluster_known_nodes:${masters}`)) return false;
      }
      return true;
    });
  await complete();
  return {
    urls: nodes.map((node) => node.url),
    nodes,
    async start() {
      await Promise.all(nodes.filter((node) => !node.running).map((node) => node.start()));
      await complete();
    },
    stop: async () => void (await Promise.all(nodes.map((node) => node.stop()))),
  };
}

export interface RedisSentinel {
  /** The sentinels' name of the master. */
  readonly name: string;
  /** `host:port` of each sentinel. */
  readonly sentinels: string[];
  /** The first one is the master at the start. */
  readonly nodes: RedisServer[];
  /** The port of the current master. */
  masterPort(): Promise<number>;
  stop(): Promise<void>;
}

/** Starts one master, one replica, and three sentinels that fail over within about a second. */
export async function startSentinel(): Promise<RedisSentinel> {
  const name = "sessions";
  const master = await startRedis({ config: ["repl-diskless-sync-delay 0"] });
  const replica = await startRedis({ config: [`replicaof 127.0.0.1 ${master.port}`, "repl-diskless-sync-delay 0"] });
  await waitFor("the replica", async () => (await replica.cli("role")).includes("connected"));
  const sentinels = await Promise.all(
    [0, 1, 2].map(async () => {
      const port = await freePort();
      const dir = tempDir("sentinel");
      const file = join(dir, "sentinel.conf");
      writeFileSync(
        file,
        [
          "bind 127.0.0.1",
          `port ${port}`,
          `dir ${dir}`,
          `sentinel monitor ${name} 127.0.0.1 ${master.port} 2`,
          `sentinel down-after-milliseconds ${name} 500`,
          `sentinel failover-timeout ${name} 3000`,
          "",
        ].join("\n"),
      );
      const cli = (...args: string[]) => run("redis-cli", ["-p", String(port), ...args]);
      const process = await launch({
        name: `redis sentinel on port ${port}`,
        command: "redis-server",
        args: [file, "--sentinel"],
        ready: async () => (await cli("ping")).trim() === "PONG",
      });
      return { port, process, cli };
    }),
  );
  await waitFor("the sentinels", async () => {
    for (const { cli } of sentinels) {
      const info = await cli("info", "sentinel");
      if (!info.includes("slaves=1,sentinels=3")) return false;
    }
    return true;
  });
  return {
    name,
    sentinels: sentinels.map(({ port }) => `127.0.0.1:${port}`),
    nodes: [master, replica],
    async masterPort() {
      const [first] = sentinels;
      return Number((await first!.cli("sentinel", "get-master-addr-by-name", name)).split("\n")[1]);
    },
    async stop() {
      // Sentinels first, or they would begin a failover.
      await Promise.all(sentinels.map(({ process }) => process.stop()));
      await Promise.all([master.stop(), replica.stop()]);
    },
  };
}

let certificate: Promise<{ ca: string; cert: string; key: string }> | undefined;

/** Files of a certificate for localhost and 127.0.0.1 and its authority, valid for a day. Made once in each process. */
export function makeCertificate(): Promise<{ ca: string; cert: string; key: string }> {
  certificate ??= (async () => {
    const dir = join(tempDir("tls"), "certificates");
    if (!existsSync(dir)) mkdirSync(dir);
    const [ca, caKey, cert, key, request, names] = ["ca.crt", "ca.key", "server.crt", "server.key", "csr", "names"].map(
      (file) => join(dir, file),
    ) as [string, string, string, string, string, string];
    writeFileSync(names, "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    await run("openssl", [
      ...["req", "-x509", "-days", "1", "-subj", "/CN=coatcheck test authority"],
      ...[...curve, "-keyout", caKey, "-out", ca],
    ]);
    await run("openssl", ["req", "-subj", "/CN=localhost", ...curve, "-keyout", key, "-out", request]);
    await run("openssl", [
      ...["x509", "-req", "-days", "1", "-in", request, "-CA", ca, "-CAkey", caKey, "-CAcreateserial"],
      ...["-extfile", names, "-out", cert],
    ]);
    return { ca, cert, key };
  })();
  return certificate;
}
