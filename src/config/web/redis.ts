import { suggestion } from "../errors.ts";
import type { Attributes } from "./attributes.ts";
import type { Chosen, Surroundings } from "./providers.ts";

const CONNECT_TIMEOUT = "an attempt to connect is given up after 5 seconds.";
const NET_CLASS = "it names a .NET class, which can't run here.";

/**
 * Microsoft.Web.Redis.RedisSessionStateProvider. A value that is the name of an app setting stands for that setting.
 * @see https://github.com/Azure/aspnet-redis-providers/blob/main/docs/configuration.md
 */
export function redisProvider(attributes: Attributes, { settings }: Surroundings): Chosen {
  /** A text: the app setting of that name, else the text itself. */
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
    attributes.ignore(name, `${NET_CLASS} Listen with sessions.on("storeError").`);
  }
  attributes.ignore("redisSerializerType", `${NET_CLASS} Sessions are kept as JSON, with more types than it has.`);
  if (!throwOnError) {
    attributes.report.warn(
      `${attributes.at("throwOnError")} lets a request go on without its session while Redis is down; but where it would write to it, that throws instead of losing the write.`,
    );
  }

  const connection = connectionString === undefined ? undefined : readStackExchange(connectionString, attributes);
  if (connection) {
    for (const name of ["host", "port", "accessKey", "ssl"]) {
      attributes.ignore(name, "connectionString says it.");
    }
  }
  const operation = operationTimeout || connection?.operationTimeout || 1000;
  return {
    type: "redis",
    options: {
      ...(connection?.options ?? { host, ...(port && { port }), ...(accessKey && { accessKey }), ssl }),
      ...defaultDatabase(connection?.database ?? database),
      ...(application && { prefix: `${application}:` }),
    },
    sessions: {
      // ASP.NET repeats an operation until this is over; what can be repeated here is, within the same time.
      storeTimeout: Math.max(operation, retryTimeout),
      ...(!throwOnError && { onStoreError: "anonymous" }),
    },
  };

  /** The app setting of that name, else the connection string of that name, else the text itself. */
  function readConnectionString(): string | undefined {
    const given = attributes.text("connectionString");
    const classes = ["settingsClassName", "settingsMethodName"].filter((name) => attributes.text(name) !== undefined);
    if (classes.length > 0) {
      attributes.refuse(classes[0]!, `has no way to run: ${NET_CLASS} Give connectionString, or host and accessKey.`);
    }
    if (given === undefined) return undefined;
    return (
      settings.appSetting(given) ??
      settings.connectionString(given) ??
      settings.expand(given, attributes.at("connectionString"))
    );
  }
}

function defaultDatabase(database: number | undefined): object {
  return database ? { database } : {};
}

interface Connection {
  options: object;
  database: number | undefined;
  operationTimeout: number | undefined;
}

/** What a connection string of StackExchange.Redis can say, and why some of it has no effect here; true: it has. */
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
  connectRetry: "it goes on trying to connect until the store is closed.",
  keepAlive: "a connection that is in use is tried every 5 seconds.",
  allowAdmin: "no administrative commands are used.",
  channelPrefix: "applicationName is the prefix of keys and channels.",
  sslProtocols: "Node.js decides, with --tls-min-v1.2 and its like.",
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
]) {
  OPTIONS[option] = "it is of StackExchange.Redis itself.";
}
for (const option of ["preserveAsyncOrder", "tieBreaker", "protocol", "setlib", "highIntegrity", "heartbeatInterval"]) {
  OPTIONS[option] = "it is of StackExchange.Redis itself.";
}

/**
 * `host:port,password=…,ssl=True`, the form of StackExchange.Redis. Messages don't show its values: it holds a password.
 * @see https://stackexchange.github.io/StackExchange.Redis/Configuration
 */
function readStackExchange(text: string, attributes: Attributes): Connection {
  const nodes: string[] = [];
  const given = new Map<string, string>();
  const names = Object.keys(OPTIONS);
  for (const part of text.split(",").map((part) => part.trim())) {
    const equals = part.indexOf("=");
    if (equals === -1) {
      if (part !== "") nodes.push(part.replace(/^(rediss?|tcp):\/\//, ""));
      continue;
    }
    const typed = part.slice(0, equals).trim();
    const name = names.find((candidate) => candidate.toLowerCase() === typed.toLowerCase());
    if (name === undefined) {
      // What follows a comma may be a part of a password: nothing long is shown.
      attributes.refuse(
        "connectionString",
        `has the option "${typed.slice(0, 30)}", which is unknown: ${suggestion(typed, names)}`,
      );
      continue;
    }
    given.set(name, part.slice(equals + 1).trim());
    const reason = OPTIONS[name];
    if (typeof reason === "string" && !(name === "connectTimeout" && given.get(name) === "5000")) {
      attributes.report.warn(`${attributes.at("connectionString")}: ${name} has no effect: ${reason}`);
    }
  }
  if (/^true$/i.test(given.get("abortConnect") ?? "")) {
    attributes.report.warn(
      `${attributes.at("connectionString")}: abortConnect has no effect: it connects on first use, and goes on trying.`,
    );
  }
  if (nodes.length === 0) attributes.refuse("connectionString", "names no server: expected host:port in it.");

  const numberOf = (name: string) => {
    const value = given.get(name);
    return value === undefined ? undefined : attributes.readNumber(`connectionString: ${name}`, value, 0);
  };
  const ssl = given.has("ssl") && attributes.readBoolean("connectionString: ssl", given.get("ssl")!);
  const login = {
    ...(given.get("user") && { user: given.get("user") }),
    ...(given.get("password") && { accessKey: given.get("password") }),
    ssl: ssl === true,
    ...(given.get("sslHost") && { tls: { servername: given.get("sslHost") } }),
  };
  return {
    options: { ...servers(nodes, given.get("serviceName"), attributes), ...login },
    database: numberOf("defaultDatabase"),
    operationTimeout: numberOf("asyncTimeout") ?? numberOf("syncTimeout") ?? numberOf("responseTimeout"),
  };
}

function servers(nodes: string[], serviceName: string | undefined, attributes: Attributes): object {
  if (serviceName) return { sentinel: { name: serviceName, nodes } };
  if (nodes.length > 1) {
    attributes.report.warn(
      `${attributes.at("connectionString")} names ${nodes.length} servers: they are taken for a Redis Cluster.`,
    );
    return { cluster: { nodes } };
  }
  const [, host = "", port] = /^(.*?)(?::(\d+))?$/.exec(nodes[0] ?? "")!;
  return { host, ...(port && { port: Number(port) }) };
}
