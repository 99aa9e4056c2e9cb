// The options of the Redis store.

import { isDeepStrictEqual } from "node:util";
import { Description, OptionError } from "../../errors.ts";
import { type Duration, milliseconds } from "../../util/duration.ts";
import { checkNames, type OptionHints, type OptionNames } from "../../util/option-names.ts";
import { type Address, type Credentials, credentialsOf, type ParsedAddress, parseAddress } from "./address.ts";

/** Exactly one of `url`, `host`, `client`, `cluster`, `sentinel` and `servers` is required. */
export interface RedisOptions {
  /**
   * One server: `redis://[[user]:password@]host[:port][/database]`, `rediss://…` for TLS, or `unix:///path`. Parameters
   * may be in the query: `db`, `tls`, `user` and `password`. Any other one is refused.
   */
  url?: string;
  /** One server, by its name or address, as Azure Cache for Redis and Azure Managed Redis give it. */
  host?: string;
  /** The port. Only with `host`. Default: 10000 for a host under redis.azure.net, else 6380 with `ssl`, else 6379. */
  port?: number;
  /**
   * A connected client of yours, of the package `redis` (client, pool, cluster or sentinel; version 5 or later) or `ioredis`
   * (Redis or Cluster; version 5 or later). It is used and never closed.
   */
  client?: RedisClientLike;
  /** A Redis Cluster: some of its servers, each as a URL or `host:port`. The other servers are found from these. */
  cluster?: { nodes: string[] };
  /**
   * Servers under Redis Sentinel: the name of the master, and some of the sentinels, each as a URL or `host:port`. `user` and
   * `password` are for the sentinels.
   */
  sentinel?: { name: string; nodes: string[]; user?: string; password?: string };

  /**
   * Several servers of which it is not said what they are, each as a URL or `host:port`. They are asked: a Cluster, or a
   * primary and its replicas. When the primary has changed, they are asked again.
   */
  servers?: string[];

  /** The ACL user. Not with `client`, nor with `url`, which contains it. Default: Redis's default user. */
  user?: string;
  /** The password, or access key. Not with `client`, nor with `url`, which contains it. Default: none. */
  accessKey?: string;
  /**
   * Whether to use TLS. Not with `url` or `client`. Default: true with `tls`, with rediss:// in the nodes, and for a host with
   * an `accessKey` or the port 6380; else false.
   */
  ssl?: boolean;
  /** Options of TLS. Not with `client`, nor where TLS is off. Default: those of Node. */
  tls?: RedisTlsOptions;
  /** The database's number. Not with `client`, nor with `url`, which contains it. A Cluster has only 0. Default: 0. */
  database?: number;

  /** The prefix of all keys and channels, without `{` and `}`. Default: `"coatcheck:"`. */
  prefix?: string;
  /**
   * How long an expired session stays until a sweep claims it, so that its `end` event has the data. Must be the same on all
   * servers of a farm. Default: expired sessions do not stay: Redis itself removes them, which is a little faster.
   */
  keepExpired?: Duration;
  /**
   * Whether to publish each change, which `watch` needs. Must be the same on all servers of a farm. Default: true.
   */
  notify?: boolean;
}

/** A client of the package `redis` or `ioredis`. */
export interface RedisClientLike {
  sendCommand(...args: never[]): unknown;
}

/** Options of `tls.connect` of node:tls. */
export interface RedisTlsOptions {
  /** The trusted certificate authorities, in PEM. Default: the well-known ones. */
  ca?: string | Uint8Array | (string | Uint8Array)[];
  /** The client's certificate, in PEM, for a server that requires one. */
  cert?: string | Uint8Array;
  /** The private key of `cert`, in PEM. */
  key?: string | Uint8Array;
  /** The passphrase of `key`. */
  passphrase?: string;
  /** The name that must be in the server's certificate. Default: the host. */
  servername?: string;
  [option: string]: unknown;
}

/** The options, checked. */
export interface Settings {
  target: Target | { client: RedisClientLike };
  prefix: string;
  /** Milliseconds for which an expired session stays; 0: Redis removes it. */
  keepExpiredMs: number;
  notify: boolean;
}

/** The servers to connect to. */
export interface Target {
  /** `"unknown"`: a Cluster, or a primary with its replicas. */
  kind: "single" | "cluster" | "sentinel" | "unknown";
  /** The name of the master, for sentinels. */
  name?: string;
  /** The server, some servers, or some sentinels. */
  nodes: Address[];
  credentials: Credentials;
  /** The credentials for the sentinels themselves. */
  sentinelCredentials: Credentials;
  /** Undefined: without TLS. */
  tls: RedisTlsOptions | undefined;
  database: number;
}

const NAMES: OptionNames<RedisOptions> = {
  url: true,
  host: true,
  port: true,
  client: "object",
  cluster: { nodes: true },
  sentinel: { name: true, nodes: true, user: true, password: true },
  servers: true,
  user: true,
  accessKey: true,
  ssl: "boolean",
  tls: "object",
  database: true,
  prefix: true,
  keepExpired: true,
  notify: "boolean",
};

/** Names that the clients' own options have. */
const HINTS: OptionHints = {
  password: "write accessKey.",
  username: "write user.",
  db: "write database.",
  keyPrefix: "write prefix.",
  name: "write sentinel: { name, nodes }.",
  sentinels: "write sentinel: { name, nodes }.",
  nodes: "write cluster: { nodes }.",
  rootNodes: "write cluster: { nodes }.",
  socket: "write host, port and tls.",
};

const KINDS = ["url", "host", "client", "cluster", "sentinel", "servers"] as const;

/** Checks the options. @throws OptionError if one is wrong. */
export function settings(options: RedisOptions): Settings {
  checkNames("redis()", options, NAMES, HINTS);
  const { prefix = "coatcheck:", keepExpired, notify = true } = options;
  if (typeof prefix !== "string" || /[{}]/.test(prefix)) {
    throw new OptionError("prefix", prefix, "give a string without { and }.");
  }
  return {
    target: options.client === undefined ? targetOf(options) : fromClient(options, options.client),
    prefix,
    keepExpiredMs: keepExpired === undefined ? 0 : milliseconds("keepExpired", keepExpired),
    notify: notify === true,
  };
}

function fromClient(options: RedisOptions, client: RedisClientLike): { client: RedisClientLike } {
  requireOneKind(options);
  refuse(
    options,
    ["port", "user", "accessKey", "ssl", "tls", "database"],
    "leave it out, and set it in the options of your client.",
  );
  return { client };
}

function targetOf(options: RedisOptions): Target {
  requireOneKind(options);
  const { url, host, cluster, sentinel, servers } = options;
  if (url !== undefined) return fromUrl(options, url);
  if (host !== undefined) return fromHost(options, host);
  refuse(options, ["port"], "leave it out, and write it in each of the nodes.");
  if (cluster !== undefined) return fromCluster(options, cluster);
  if (sentinel !== undefined) return fromSentinel(options, sentinel);
  return fromServers(options, servers!);
}

function fromUrl(options: RedisOptions, text: string): Target {
  refuse(options, ["port", "user", "accessKey", "ssl", "database"], "leave it out, and write it in the url.");
  // Without its protocol, an address does not say whether TLS is meant.
  if (typeof text === "string" && !text.includes("://")) {
    throw new OptionError("url", text, "give redis://host:port, or rediss://host:port for TLS, or unix:///path.");
  }
  const { address, credentials, tls, database = 0 } = parseAddress("url", text);
  return { ...commonSettings(options, [address]), kind: "single", credentials, tls: tlsOf(options, tls!), database };
}

function fromHost(options: RedisOptions, host: string): Target {
  if (typeof host !== "string" || !/^[^\s/:@]+$|^[0-9a-f:]+$/i.test(host)) {
    throw new OptionError("host", host, 'give a name or address, such as "shop.redis.cache.windows.net".');
  }
  const ssl = options.ssl ?? (options.accessKey !== undefined || options.tls !== undefined || options.port === 6380);
  const port = options.port ?? (/\.redis\.azure\.net$/i.test(host) ? 10_000 : ssl ? 6380 : 6379);
  if (!(Number.isInteger(port) && port > 0 && port < 65_536)) {
    throw new OptionError("port", port, "give a number from 1 to 65535.");
  }
  return { ...commonSettings(options, [{ host, port }]), kind: "single", tls: tlsOf(options, ssl) };
}

function fromCluster(options: RedisOptions, { nodes }: { nodes: string[] }): Target {
  if (options.database)
    throw new OptionError("database", options.database, "a Cluster has only database 0. Leave it out.");
  const parsed = parseNodes("cluster.nodes", nodes);
  if (parsed.database)
    throw new OptionError(
      "cluster.nodes",
      new Description("(not shown)"),
      "a Cluster has only database 0: leave it out.",
    );
  const common = commonSettings(options, parsed.addresses);
  // The servers that are found have no password in their address. All of them get the same one.
  const credentials = onlyOne("cluster.nodes", parsed.credentials, common.credentials);
  return { ...common, kind: "cluster", credentials, tls: tlsOfNodes(options, "cluster.nodes", parsed.tls) };
}

function fromSentinel(options: RedisOptions, sentinel: NonNullable<RedisOptions["sentinel"]>): Target {
  const { name, nodes, user, password } = sentinel;
  if (typeof name !== "string" || name === "") {
    throw new OptionError("sentinel.name", name, "give the name of the master, as the sentinels know it.");
  }
  if (user !== undefined && password === undefined) {
    throw new OptionError("sentinel.password", password, "give the password of sentinel.user.");
  }
  const parsed = parseNodes("sentinel.nodes", nodes, 26_379);
  if (parsed.database !== undefined) {
    throw new OptionError(
      "sentinel.nodes",
      new Description("(not shown)"),
      'write the database as the option "database".',
    );
  }
  return {
    ...commonSettings(options, parsed.addresses),
    kind: "sentinel",
    name,
    sentinelCredentials: onlyOne("sentinel.nodes", parsed.credentials, credentialsOf(user, password)),
    tls: tlsOfNodes(options, "sentinel.nodes", parsed.tls),
  };
}

function fromServers(options: RedisOptions, servers: string[]): Target {
  const parsed = parseNodes("servers", servers);
  const common = commonSettings(options, parsed.addresses);
  if (parsed.database !== undefined && options.database !== undefined && parsed.database !== options.database) {
    throw new OptionError("database", options.database, "the servers name another one.");
  }
  return {
    ...common,
    kind: "unknown",
    credentials: onlyOne("servers", parsed.credentials, common.credentials),
    tls: tlsOfNodes(options, "servers", parsed.tls),
    database: parsed.database ?? common.database,
  };
}

/** Several addresses. What one of them says beside its host holds for all, so no two of them may say different things. */
function parseNodes(option: string, nodes: string[], defaultPort?: number) {
  if (!Array.isArray(nodes) || nodes.length === 0) throw new OptionError(option, nodes, "give at least one.");
  const parsed = nodes.map((node) => parseAddress(option, node, defaultPort));
  function said<Value>(value: (node: ParsedAddress) => Value | undefined): Value | undefined {
    const values = parsed.map(value).filter((one) => one !== undefined);
    if (values.every((one) => isDeepStrictEqual(one, values[0]))) return values[0];
    const fix = "its addresses differ in TLS, user, password or database. One connects to all of them in the same way.";
    throw new OptionError(option, new Description("(not shown)"), fix);
  }
  return {
    addresses: parsed.map(({ address }) => address),
    credentials: said(({ credentials }) => (credentials.password === undefined ? undefined : credentials)) ?? {},
    tls: said(({ tls }) => tls),
    database: said(({ database }) => database),
  };
}

/** The credentials of the addresses, or else those of the options. */
function onlyOne(option: string, inAddresses: Credentials, inOptions: Credentials): Credentials {
  if (inAddresses.password === undefined) return inOptions;
  if (inOptions.password === undefined) return inAddresses;
  throw new OptionError(
    option,
    new Description("(not shown)"),
    "it has a password, and the options have one, too: give one.",
  );
}

/** The options of TLS, or undefined: without TLS. */
function tlsOf({ tls }: RedisOptions, isOn: boolean): RedisTlsOptions | undefined {
  if (isOn) return tls ?? {};
  if (tls !== undefined)
    throw new OptionError("tls", tls, "TLS is off: write rediss:// or ssl: true, or leave tls out.");
  return undefined;
}

function tlsOfNodes(
  options: RedisOptions,
  option: string,
  inAddresses: boolean | undefined,
): RedisTlsOptions | undefined {
  if (inAddresses && options.ssl === false) {
    throw new OptionError("ssl", false, `${option} asks for TLS by rediss://: leave ssl out, or write redis://.`);
  }
  return tlsOf(options, options.ssl ?? (inAddresses || (inAddresses === undefined && options.tls !== undefined)));
}

function commonSettings(options: RedisOptions, nodes: Address[]): Omit<Target, "kind"> {
  const { database = 0, accessKey, user } = options;
  if (!Number.isInteger(database) || database < 0) {
    throw new OptionError("database", database, "give a whole number from 0.");
  }
  for (const [option, value] of Object.entries({ user, accessKey })) {
    if (value !== undefined && (typeof value !== "string" || value === "")) {
      throw new OptionError(
        option,
        typeof value === "string" ? value : new Description(`a ${typeof value}`),
        "give a string, or leave it out.",
      );
    }
  }
  if (user !== undefined && accessKey === undefined) {
    throw new OptionError("accessKey", accessKey, "give the password of the user.");
  }
  return {
    nodes,
    credentials: credentialsOf(user, accessKey),
    sentinelCredentials: {},
    tls: undefined,
    database,
  };
}

function requireOneKind(options: RedisOptions): void {
  const kinds = KINDS.filter((kind) => options[kind] !== undefined);
  if (kinds.length === 1) return;
  const fix = "give exactly one of url, host, client, cluster, sentinel and servers.";
  if (kinds.length === 0) throw new OptionError("url", undefined, fix);
  throw new OptionError(kinds.join(" and "), new Description("given together"), fix);
}

function refuse(options: RedisOptions, names: (keyof RedisOptions)[], fix: string): void {
  const name = names.find((name) => options[name] !== undefined);
  if (name === undefined) return;
  const value = options[name];
  throw new OptionError(name, typeof value === "string" ? new Description("given") : value, fix);
}
