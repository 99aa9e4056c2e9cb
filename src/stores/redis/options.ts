import { type Duration, milliseconds } from "../../duration.ts";
import { OptionError } from "../../errors.ts";

/** Give exactly one of `url`, `host`, `client`, `cluster` and `sentinel`. */
export interface RedisOptions {
  /** One server: `redis://[[user]:password@]host[:port][/database]`, `rediss://…` for TLS, or `unix:///path`. */
  url?: string;
  /** One server, by name: as Azure Cache for Redis and Azure Managed Redis give it. */
  host?: string;
  /** With `host`. Default: 6380 with `ssl`, 10000 for a host under redis.azure.net, else 6379. */
  port?: number;
  /**
   * A client of yours, connected: of the package `redis` (client, pool, cluster, sentinel; version 5 or later) or `ioredis`
   * (Redis, Cluster; version 5 or later). It is used, and never closed.
   */
  client?: RedisClientLike;
  /** A Redis Cluster: some of its servers, each as a URL or `host:port`; the others are found. */
  cluster?: { nodes: string[] };
  /** Servers under Redis Sentinel: the name of the master, and some of the sentinels, each as `host:port`. */
  sentinel?: { name: string; nodes: string[]; user?: string; password?: string };

  /** The ACL user. Not with `url` (it is in the URL) or `client`. Default: Redis's default user. */
  user?: string;
  /** The password, or access key. Not with `url` (it is in the URL) or `client`. Default: none. */
  accessKey?: string;
  /** Whether to use TLS. Not with `url` or `client`. Default: true with `accessKey` and `host`, else false. */
  ssl?: boolean;
  /** Details of TLS. Not with `client`. */
  tls?: RedisTlsOptions;
  /** The database's number. Not with `url` (it is in the URL), `client` or `cluster` (which has only 0). Default: 0. */
  database?: number;

  /** What the names of all keys and channels begin with. No `{` or `}`. Default: `"coatcheck:"`. */
  prefix?: string;
  /**
   * How long the data of a session that has expired waits to be collected, so that its `end` event has it. All servers
   * of a farm must give the same. Default: not at all, which is a little faster: Redis removes it by itself.
   */
  keepExpired?: Duration;
  /**
   * Whether to announce each change, so that `watch` can be had. All servers of a farm must give the same. Default: true.
   */
  notify?: boolean;
}

/** A client of the package `redis` or `ioredis`. */
export interface RedisClientLike {
  sendCommand(...args: never[]): unknown;
}

/** Options of `tls.connect` in node:tls. */
export interface RedisTlsOptions {
  /** Whom to trust, in PEM. Default: the well-known authorities. */
  ca?: string | Uint8Array | (string | Uint8Array)[];
  /** This client's certificate and key, in PEM, for a server that asks for one. */
  cert?: string | Uint8Array;
  key?: string | Uint8Array;
  passphrase?: string;
  /** The name that the server's certificate must have. Default: the host. */
  servername?: string;
  [option: string]: unknown;
}

/** The options, checked. */
export interface Settings {
  target: Target | { client: RedisClientLike };
  prefix: string;
  /** Milliseconds; 0: not kept. */
  keep: number;
  notify: boolean;
}

/** What to connect to. */
export interface Target {
  kind: "single" | "cluster" | "sentinel";
  /** For messages; without secrets. */
  label: string;
  /** The name of the master, with sentinels. */
  name?: string;
  /** The server, some servers, or some sentinels. */
  nodes: Address[];
  credentials: Credentials;
  /** How to log in to the sentinels. */
  sentinelCredentials: Credentials;
  /** Undefined: without TLS. */
  tls: RedisTlsOptions | undefined;
  database: number;
}

export type Address = { host: string; port: number } | { path: string };

export interface Credentials {
  username?: string;
  password?: string;
}

const KINDS = ["url", "host", "client", "cluster", "sentinel"] as const;

/** @throws OptionError */
export function settings(options: RedisOptions): Settings {
  const { prefix = "coatcheck:", keepExpired, notify = true } = options;
  if (typeof prefix !== "string" || /[{}]/.test(prefix)) {
    throw new OptionError("prefix", prefix, "give a string without { and }.");
  }
  return {
    target: options.client === undefined ? target(options) : given(options, options.client),
    prefix,
    keep: keepExpired === undefined ? 0 : milliseconds("keepExpired", keepExpired),
    notify: notify === true,
  };
}

function given(options: RedisOptions, client: RedisClientLike): { client: RedisClientLike } {
  onlyOne(options);
  refuse(
    options,
    ["port", "user", "accessKey", "ssl", "tls", "database"],
    "it belongs into the options of your client.",
  );
  return { client };
}

function target(options: RedisOptions): Target {
  onlyOne(options);
  const { url, host, cluster, sentinel } = options;
  if (url !== undefined) return fromUrl(options, url);
  if (host !== undefined) return fromHost(options, host);
  refuse(options, ["port"], "it belongs to each of the nodes.");
  if (cluster !== undefined) return fromCluster(options, cluster);
  return fromSentinel(options, sentinel!);
}

function fromUrl(options: RedisOptions, text: string): Target {
  refuse(options, ["port", "user", "accessKey", "ssl", "database"], "write it into the url.");
  const { address, credentials, secure, database } = parse("url", text);
  return {
    ...common(options, [address]),
    kind: "single",
    credentials,
    tls: secure ? (options.tls ?? {}) : undefined,
    database,
  };
}

function fromHost(options: RedisOptions, host: string): Target {
  if (typeof host !== "string" || !/^[^\s/:@]+$|^[0-9a-f:]+$/i.test(host)) {
    throw new OptionError("host", host, 'give a name or address, such as "shop.redis.cache.windows.net".');
  }
  const ssl = options.ssl ?? options.accessKey !== undefined;
  const port = options.port ?? (/\.redis\.azure\.net$/i.test(host) ? 10_000 : ssl ? 6380 : 6379);
  if (!(Number.isInteger(port) && port > 0 && port < 65_536)) {
    throw new OptionError("port", port, "give a number from 1 to 65535.");
  }
  return { ...common(options, [{ host, port }]), kind: "single", tls: ssl ? (options.tls ?? {}) : undefined };
}

function fromCluster(options: RedisOptions, { nodes }: { nodes: string[] }): Target {
  if (options.database) throw new OptionError("database", options.database, "a Cluster has only 0; leave it out.");
  const parsed = each("cluster.nodes", nodes).map((node) => parse("cluster.nodes", node));
  const settings = common(
    options,
    parsed.map(({ address }) => address),
  );
  return {
    ...settings,
    kind: "cluster",
    // What the Cluster's servers say of each other has no password, so the nodes' serves all of them.
    credentials: { ...parsed[0]!.credentials, ...settings.credentials },
    tls: (options.ssl ?? parsed[0]!.secure) ? (options.tls ?? {}) : undefined,
  };
}

function fromSentinel(options: RedisOptions, sentinel: NonNullable<RedisOptions["sentinel"]>): Target {
  if (typeof sentinel?.name !== "string" || sentinel.name === "") {
    throw new OptionError("sentinel.name", sentinel?.name, "give the name by which the sentinels know the master.");
  }
  const parsed = each("sentinel.nodes", sentinel.nodes).map((node) => parse("sentinel.nodes", node, 26_379));
  return {
    ...common(
      options,
      parsed.map(({ address }) => address),
    ),
    kind: "sentinel",
    name: sentinel.name,
    sentinelCredentials: { ...parsed[0]!.credentials, ...credentials(sentinel.user, sentinel.password) },
    tls: options.ssl ? (options.tls ?? {}) : undefined,
  };
}

function common(options: RedisOptions, nodes: Address[]): Omit<Target, "kind"> {
  const { database = 0, accessKey, user } = options;
  if (!Number.isInteger(database) || database < 0) {
    throw new OptionError("database", database, "give a whole number from 0.");
  }
  for (const [option, value] of Object.entries({ user, accessKey })) {
    if (value !== undefined && (typeof value !== "string" || value === "")) {
      throw new OptionError(
        option,
        typeof value === "string" ? value : typeof value,
        "give a string, or leave it out.",
      );
    }
  }
  if (user !== undefined && accessKey === undefined) {
    throw new OptionError("accessKey", accessKey, "give the password of the user.");
  }
  return {
    label: nodes.map((node) => ("path" in node ? node.path : `${node.host}:${node.port}`)).join(", "),
    nodes,
    credentials: credentials(user, accessKey),
    sentinelCredentials: {},
    tls: undefined,
    database,
  };
}

function credentials(username: string | undefined, password: string | undefined): Credentials {
  return { ...(username !== undefined && { username }), ...(password !== undefined && { password }) };
}

/** A URL, or `host:port`. */
function parse(option: string, text: string, defaultPort = 6379) {
  const form = "redis://host:port, rediss://host:port or unix:///path";
  // The text may hold a password, so it is not printed.
  const wrong = () => new OptionError(option, "(not shown)", `give ${form}, with a password percent-encoded.`);
  if (typeof text !== "string") throw new OptionError(option, text, `give ${form}.`);
  let url: URL;
  try {
    url = new URL(text.includes("://") ? text : `redis://${text}`);
    if (!["redis:", "rediss:", "unix:"].includes(url.protocol)) throw wrong();
    const { hostname, port, pathname } = url;
    const socket = url.protocol === "unix:";
    const number = socket ? (url.searchParams.get("db") ?? "0") : pathname.slice(1) || "0";
    if (socket ? pathname.length < 2 : hostname === "" || !/^\d+$/.test(number)) throw wrong();
    const [user, password] = [url.username, url.password].map(decodeURIComponent);
    return {
      address: socket
        ? { path: decodeURIComponent(pathname) }
        : { host: hostname.replace(/^\[(.*)\]$/, "$1"), port: port === "" ? defaultPort : Number(port) },
      credentials: credentials(user || undefined, password || undefined),
      secure: url.protocol === "rediss:",
      database: Number(number),
    };
  } catch {
    throw wrong();
  }
}

function each(option: string, nodes: string[]): string[] {
  if (!Array.isArray(nodes) || nodes.length === 0) throw new OptionError(option, nodes, "give at least one.");
  return nodes;
}

function onlyOne(options: RedisOptions): void {
  const kinds = KINDS.filter((kind) => options[kind] !== undefined);
  if (kinds.length === 1) return;
  const fix = "give exactly one of url, host, client, cluster and sentinel.";
  if (kinds.length === 0) throw new OptionError("url", undefined, fix);
  throw new OptionError(kinds.join(" and "), "given together", fix);
}

function refuse(options: RedisOptions, names: (keyof RedisOptions)[], fix: string): void {
  const name = names.find((name) => options[name] !== undefined);
  if (name !== undefined) throw new OptionError(name, name === "accessKey" ? "given" : options[name], fix);
}
