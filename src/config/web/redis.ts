// Reads the Redis provider of ASP.NET.

import { NOT_SHOWN, printable } from "../../redaction/texts.ts";
import { mostSimilar } from "../../util/option-names.ts";
import type { Attributes } from "./attributes.ts";
import type { ProviderContext, ProviderResult } from "./provider.ts";
import { encryptedSection } from "./settings.ts";

const CONNECT_TIMEOUT = "an attempt to connect always ends after 5 seconds.";
const NET_CLASS = "it names a .NET class, which can't run here.";

/**
 * Microsoft.Web.Redis.RedisSessionStateProvider. An attribute may be the name of an app setting instead of the value.
 * @see https://github.com/Azure/aspnet-redis-providers/blob/main/docs/configuration.md
 */
export function redisProvider(attributes: Attributes, { settings }: ProviderContext): ProviderResult {
  /** The value of the app setting that the attribute names, or else the attribute itself. */
  const text = (name: string) => {
    const given = attributes.text(name);
    return given && (settings.appSetting(given) ?? settings.expand(given, attributes.at(name)));
  };
  const number = (name: string, min: number, max?: number) => {
    const value = text(name);
    return value === undefined ? undefined : attributes.readNumber(name, value, min, max);
  };
  const boolean = (name: string) => {
    const value = text(name);
    return value === undefined ? undefined : attributes.readBoolean(name, value);
  };

  const host = text("host") ?? "127.0.0.1";
  const port = number("port", 0, 65_535);
  const accessKey = text("accessKey");
  const ssl = boolean("ssl") ?? true;
  const database = number("databaseId", 0);
  const application = text("applicationName");
  const operationTimeout = number("operationTimeoutInMilliseconds", 0);
  const retryTimeout = number("retryTimeoutInMilliseconds", 0) ?? 5000;
  const throwOnError = boolean("throwOnError") ?? true;
  const connectionString = readConnectionString();

  attributes.ignore("connectionTimeoutInMilliseconds", CONNECT_TIMEOUT, (value) => value !== "5000");
  for (const name of ["loggingClassName", "loggingMethodName"]) {
    attributes.ignore(name, `${NET_CLASS} Use sessions.on("storeError").`);
  }
  attributes.ignore("redisSerializerType", `${NET_CLASS} Sessions are stored as JSON with more types.`);
  if (!throwOnError) {
    attributes.report.warn(
      `${attributes.at("throwOnError")} lets a request go on without its session while Redis is down, but a write to the session then throws, so that no write is lost.`,
    );
  }

  const connection = connectionString === undefined ? undefined : readStackExchange(connectionString, attributes);
  if (connection) {
    for (const name of ["host", "port", "accessKey", "ssl"]) {
      attributes.ignore(name, "connectionString has it already.");
    }
  }
  const usedDatabase = connection?.database ?? database;
  const operation = operationTimeout || connection?.operationTimeout || 1000;
  return {
    type: "redis",
    options: {
      ...(connection?.options ?? { host, ...(port && { port }), ...(accessKey && { accessKey }), ssl }),
      ...(usedDatabase && { database: usedDatabase }),
      ...(application && { prefix: `${application}:` }),
    },
    sessions: {
      // ASP.NET retries an operation for this long. Here, the calls that are safe to retry are, within the same time.
      storeTimeout: Math.max(operation, retryTimeout),
      ...(!throwOnError && { onStoreError: "anonymous" }),
    },
  };

  /** The app setting that it names, or the connection string that it names, or else the text itself. */
  function readConnectionString(): string | undefined {
    const given = attributes.text("connectionString");
    const classes = ["settingsClassName", "settingsMethodName"].filter((name) => attributes.text(name) !== undefined);
    if (classes.length > 0) {
      attributes.refuse(classes[0]!, `is not supported: ${NET_CLASS} Give connectionString, or host and accessKey.`);
    }
    if (given === undefined) return undefined;
    const named = settings.appSetting(given) ?? settings.connectionString(given);
    if (named === undefined && settings.mayBeEncrypted(given)) {
      const variable = `the variable REDISCACHECONNSTR_${given}`;
      attributes.refuse(
        "connectionString",
        `is ${printable(given)}, but ${encryptedSection("connectionStrings", variable)}`,
      );
    }
    return named ?? settings.expand(given, attributes.at("connectionString"));
  }
}

interface Connection {
  options: object;
  database: number | undefined;
  operationTimeout: number | undefined;
}

/** The options of a StackExchange.Redis connection string. True: it is used. A text: why it has no effect. */
const OPTIONS: Record<string, true | string> = {
  password: true,
  user: true,
  ssl: true,
  sslHost: true,
  defaultDatabase: true,
  serviceName: true,
  syncTimeout: true,
  asyncTimeout: true,
  responseTimeout: true,
  abortConnect: true,
  connectTimeout: CONNECT_TIMEOUT,
  connectRetry: "the store tries to connect until it is closed.",
  keepAlive: "a connection in use is checked every 5 seconds.",
  allowAdmin: "no administrative commands are used.",
  channelPrefix: "applicationName is the prefix of keys and of channels.",
  sslProtocols: "Node.js decides it, with flags such as --tls-min-v1.2.",
  checkCertificateRevocation: "Node.js does not check revocation.",
  resolveDns: "names are always resolved.",
  name: "connections have no name.",
};
for (const option of [
  "configChannel",
  "configCheckSeconds",
  "highPriorityThreads",
  "writeBuffer",
  "proxy",
  "version",
  "preserveAsyncOrder",
  "tieBreaker",
  "protocol",
  "setlib",
  "highIntegrity",
  "heartbeatInterval",
]) {
  OPTIONS[option] = "it concerns StackExchange.Redis only.";
}

/**
 * Reads `host:port,password=…,ssl=True`, the form of StackExchange.Redis, in which an address may also be a URL. Messages do
 * not show its values, since it has a password.
 * @see https://stackexchange.github.io/StackExchange.Redis/Configuration
 */
function readStackExchange(text: string, attributes: Attributes): Connection {
  const nodes: Node[] = [];
  const given = new Map<string, string>();
  const names = Object.keys(OPTIONS);
  for (const part of text.split(",").map((part) => part.trim())) {
    const [, typed, value] = /^([^=:/@]*)=(.*)$/s.exec(part) ?? [];
    if (typed === undefined) {
      const node = part === "" ? undefined : parseNode(part);
      if (node !== undefined) nodes.push(node);
      else if (part !== "")
        attributes.refuse("connectionString", `has an address ${NOT_SHOWN} that is wrong: expected ${NODE}.`);
      continue;
    }
    const name = names.find((candidate) => candidate.toLowerCase() === typed.trim().toLowerCase());
    if (name === undefined) {
      refuseOption(typed.trim(), names, attributes);
      continue;
    }
    given.set(name, value!.trim());
    const reason = OPTIONS[name];
    if (typeof reason === "string" && !(name === "connectTimeout" && given.get(name) === "5000")) {
      attributes.report.warn(`${attributes.at("connectionString")}: ${name} has no effect: ${reason}`);
    }
  }
  if (/^true$/i.test(given.get("abortConnect") ?? "")) {
    attributes.report.warn(
      `${attributes.at("connectionString")}: abortConnect has no effect: the store connects on first use, and tries until it is closed.`,
    );
  }
  if (nodes.length === 0) attributes.refuse("connectionString", `names no server: expected ${NODE}.`);

  const numberOf = (name: string) => {
    const value = given.get(name);
    return value === undefined ? undefined : attributes.readNumber(`connectionString: ${name}`, value, 0);
  };
  const user = given.get("user") || nodes.find((node) => node.user)?.user;
  const accessKey = given.get("password") || nodes.find((node) => node.password)?.password;
  const ssl = usesTls(nodes, given, accessKey !== undefined, attributes);
  const login = {
    ...(user && { user }),
    ...(accessKey && { accessKey }),
    ssl,
    ...(ssl && given.get("sslHost") && { tls: { servername: given.get("sslHost") } }),
  };
  return {
    options: { ...servers(nodes, given.get("serviceName")), ...login },
    database: numberOf("defaultDatabase") ?? nodes[0]?.database,
    operationTimeout: numberOf("asyncTimeout") ?? numberOf("syncTimeout") ?? numberOf("responseTimeout"),
  };
}

/** The text may be a part of a password with a comma, so it is shown only if it is nearly an option. */
function refuseOption(typed: string, names: readonly string[], attributes: Attributes): void {
  const similar = mostSimilar(typed, names);
  attributes.refuse(
    "connectionString",
    similar === undefined
      ? `has an option ${NOT_SHOWN} that is unknown: expected one of ${names.join(", ")}. A comma ends a value, also in a password.`
      : `has the option "${typed}", which is unknown: did you mean "${similar}"?`,
  );
}

/** One of the servers of a connection string. */
interface Node {
  host: string;
  port?: number;
  user?: string;
  password?: string;
  database?: number;
  /** True if the address itself says that TLS is to be used. */
  isSecure: boolean;
}

const NODE = "host:port, or a URL such as rediss://host:port";

/** Reads `host`, `host:port` or a URL. Undefined if it is none. */
function parseNode(text: string): Node | undefined {
  const [, protocol, address] = /^(?:(redis|rediss|tcp):\/\/)?(.*)$/i.exec(text)!;
  const at = address!.lastIndexOf("@");
  const [user, password] = at === -1 ? [] : credentialsOf(address!.slice(0, at));
  const [, host, port, database] =
    /^([\w.-]+|\[[\da-f:.]+\])(?::(\d{1,5}))?(?:\/(\d*))?$/i.exec(address!.slice(at + 1)) ?? [];
  if (host === undefined || (at !== -1 && password === undefined)) return undefined;
  return {
    host: host.replace(/^\[(.*)\]$/, "$1"),
    ...(port !== undefined && { port: Number(port) }),
    ...(user && { user }),
    ...(password && { password }),
    ...(database && { database: Number(database) }),
    isSecure: protocol?.toLowerCase() === "rediss",
  };
}

/** User and password of a URL. The password is undefined if they are not percent-encoded as they should be. */
function credentialsOf(text: string): (string | undefined)[] {
  const colon = text.indexOf(":");
  try {
    return [text.slice(0, Math.max(colon, 0)), text.slice(colon + 1)].map(decodeURIComponent);
  } catch {
    return [];
  }
}

/** The hosts of Azure Cache for Redis and Azure Managed Redis. */
const AZURE_HOST =
  /\.redis(enterprise)?\.cache\.(windows\.net|azure\.net|chinacloudapi\.cn|usgovcloudapi\.net)$|\.redis\.azure\.net$/i;
const LOCAL_HOST = /^(localhost|127\.[\d.]+|::1)$/i;

/** Whether to use TLS: what the connection string says, and if that is in doubt, yes. */
function usesTls(
  nodes: readonly Node[],
  given: ReadonlyMap<string, string>,
  hasPassword: boolean,
  attributes: Attributes,
): boolean {
  const at = attributes.at("connectionString");
  const ssl = given.has("ssl") ? attributes.readBoolean("connectionString: ssl", given.get("ssl")!) : undefined;
  if (nodes.some((node) => node.isSecure)) {
    if (ssl === false) attributes.report.warn(`${at}: ssl=False has no effect: rediss:// in the address means TLS.`);
    return true;
  }
  if (ssl !== undefined) return ssl;
  const reason =
    (nodes.some(({ port }) => port === 6380) && "port 6380 is that of Redis with TLS") ||
    (nodes.some(({ host, port }) => AZURE_HOST.test(host) && port !== 6379) && "Azure's servers expect it") ||
    (["sslHost", "sslProtocols"].some((name) => given.has(name)) && "other options are about it");
  if (reason) {
    attributes.report.warn(`${at}: TLS is used, since ${reason}. Write ssl=True or ssl=False to say which is meant.`);
    return true;
  }
  if (hasPassword && nodes.some(({ host }) => !LOCAL_HOST.test(host))) {
    attributes.report.warn(
      `${at}: the password goes to the server unencrypted. Write ssl=True, or ssl=False if that is meant.`,
    );
  }
  return false;
}

function servers(nodes: readonly Node[], serviceName: string | undefined): object {
  const addresses = nodes.map(({ host, port }) => {
    const name = host.includes(":") ? `[${host}]` : host;
    return port === undefined ? name : `${name}:${port}`;
  });
  if (serviceName) return { sentinel: { name: serviceName, nodes: addresses } };
  // A Cluster, or a primary with its replicas: the store asks them.
  if (nodes.length > 1) return { servers: addresses };
  const { host = "", port } = nodes[0] ?? {};
  return { host, ...(port !== undefined && { port }) };
}
