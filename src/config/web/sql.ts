import { importPeer } from "../../stores/peer.ts";
import { suggestion } from "../errors.ts";
import type { Attributes } from "./attributes.ts";
import { ignoreKeepAlive } from "./cosmos.ts";
import type { Chosen, Surroundings } from "./providers.ts";
import type { Settings } from "./settings.ts";

const RETRIES = "what does no harm when it is done twice is tried up to three times, within the time for a call.";
const OWN_TABLE = "coatcheck makes a table of its own, and sessions that ASP.NET kept stay where they are.";

/**
 * Microsoft.AspNet.SessionState.SqlSessionStateProviderAsync.
 * @see https://github.com/aspnet/AspNetSessionState/blob/main/docs/SqlSessionStateProviderAsync.md
 */
export async function sqlProvider(attributes: Attributes, surroundings: Surroundings): Promise<Chosen> {
  const connection = await namedConnection(attributes, surroundings.settings);
  const table = attributes.text("sessionTableName");
  const repository = attributes.oneOf("repositoryType", [
    "SqlServer",
    "InMemory",
    "InMemoryDurable",
    "FrameworkCompat",
  ]);
  const inMemory = attributes.boolean("useInMemoryTable") && "useInMemoryTable";
  const memoryOptimized = repository?.startsWith("InMemory") ? "repositoryType" : inMemory;
  if (memoryOptimized) {
    attributes.report.warn(
      `${attributes.at(memoryOptimized)} has no effect: an ordinary table is made. Make one that is memory-optimized yourself, from what schema() of coatcheck/mssql gives.`,
    );
  }
  if (repository === "FrameworkCompat") {
    attributes.report.warn(`${attributes.at("repositoryType")} has no effect: ${OWN_TABLE}`);
  }
  attributes.ignore("maxRetryNumber", RETRIES);
  attributes.ignore("retryInterval", RETRIES);
  ignoreKeepAlive(attributes);
  return sqlStore({ ...connection, ...(table && { table }) }, surroundings.commandTimeout);
}

/** System.Web.Providers.DefaultSessionStateProvider, of ASP.NET Universal Providers. */
export async function universalProvider(attributes: Attributes, surroundings: Surroundings): Promise<Chosen> {
  const connection = await namedConnection(attributes, surroundings.settings);
  attributes.ignore("applicationName", "give applications that share a database tables of their own.");
  return sqlStore(connection, surroundings.commandTimeout);
}

/** `mode="SQLServer"`. The attributes are those of sessionState itself. */
export async function sqlServerMode(
  attributes: Attributes,
  { settings, commandTimeout }: Surroundings,
): Promise<Chosen | undefined> {
  const name = "sqlConnectionString";
  const given = attributes.text(name);
  const allowCustom = attributes.boolean("allowCustomSqlDatabase") ?? false;
  if (given === undefined) {
    attributes.refuse(name, 'is missing: mode "SQLServer" needs it.');
    return undefined;
  }
  const text = settings.connectionString(given) ?? settings.expand(given, attributes.at(name));
  const parts = await parse(attributes, name, text);
  if (parts === undefined) return undefined;
  if (parts.database !== undefined && !allowCustom) {
    attributes.refuse(name, 'names a database, which ASP.NET takes only with allowCustomSqlDatabase="true": add that.');
  }
  const whole = parts.database === undefined ? `${text.replace(/;\s*$/, "")};Initial Catalog=ASPState` : text;
  return sqlStore(connectionOptions({ database: "ASPState", ...parts }, whole), commandTimeout);
}

function sqlStore(options: object, seconds: number | undefined): Chosen {
  const timeout = seconds && seconds * 1000;
  return {
    type: "mssql",
    // ASP.NET's own provider makes its table, too.
    options: { ...options, createTable: true, ...(timeout && { timeout }) },
    ...(timeout && { sessions: { storeTimeout: timeout } }),
  };
}

/** How to connect, as the store's options. Empty after a problem. */
async function namedConnection(attributes: Attributes, settings: Settings): Promise<object> {
  const name = attributes.text("connectionStringName");
  if (name === undefined) {
    attributes.refuse("connectionStringName", "is missing: expected the name of one of <connectionStrings>.");
    return {};
  }
  const text = settings.connectionString(name);
  if (text === undefined) {
    attributes.refuse(
      "connectionStringName",
      `is "${name}", which is neither in <connectionStrings> nor in the environment (SQLAZURECONNSTR_${name} and its like): ${suggestion(name, settings.connectionNames)}`,
    );
    return {};
  }
  const parts = await parse(attributes, "connectionStringName", text);
  return parts === undefined ? {} : connectionOptions(parts, text);
}

/** What matters of a connection string. */
interface Parts {
  server: string;
  database?: string;
  /** To log in as Azure's own identity, instead of with a name and a password. */
  isEntraId: boolean;
}

function connectionOptions({ server, database, isEntraId }: Parts, text: string): object {
  if (!isEntraId) return { connectionString: text };
  const [, host, port] = /^(?:tcp:)?([^,]*)(?:,\s*(\d+))?$/i.exec(server) ?? [undefined, server];
  return { server: host!.trim(), database, ...(port && port !== "1433" && { connection: { port: Number(port) } }) };
}

/** Reads an ADO.NET connection string, and refuses what can't be had here. Its values are never shown. */
async function parse(attributes: Attributes, name: string, text: string): Promise<Parts | undefined> {
  const library = await importPeer(
    "@tediousjs/connection-string",
    () => import("@tediousjs/connection-string"),
    "a connection string of SQL Server in a web.config",
  );
  let values: ReadonlyMap<string, string>;
  try {
    values = new Map(library.parse(text));
  } catch {
    attributes.refuse(
      name,
      "gives no connection string of ADO.NET: expected Server=…;Database=…;User ID=…;Password=….",
    );
    return undefined;
  }
  const value = (...keys: string[]) => keys.map((key) => values.get(key)).find((found) => found !== undefined);
  const server = value("data source", "server", "addr", "address", "network address");
  const database = value("initial catalog", "database");
  const authentication = value("authentication")?.replaceAll(" ", "") ?? "";
  const isEntraId = /^ActiveDirectory(Default|ManagedIdentity|MSI|WorkloadIdentity)$/i.test(authentication);

  const [nothing] = [...values].find(([, part]) => part.startsWith(";")) ?? [];
  if (values.has("metadata")) {
    attributes.refuse(
      name,
      "gives a connection string of Entity Framework: give the one inside it, after provider connection string=.",
    );
  } else if (nothing !== undefined) {
    attributes.refuse(name, `has nothing behind ${nothing}=: leave that out.`);
  } else if (server === undefined) {
    attributes.refuse(name, "gives a connection string without a server: expected Server=… (or Data Source=…) in it.");
  } else if (/^\(localdb\)/i.test(server) || values.has("attachdbfilename") || values.has("user instance")) {
    attributes.refuse(
      name,
      "asks for LocalDB or a file of SQL Server Express, which only .NET on Windows can open: give a server.",
    );
  } else if (/^(true|yes|sspi)$/i.test(value("integrated security", "trusted_connection") ?? "")) {
    attributes.refuse(
      name,
      "asks for the Windows account (Integrated Security): give User ID and Password, or Authentication=Active Directory Default for Azure.",
    );
  } else if (/^ActiveDirectory/i.test(authentication) && !isEntraId) {
    attributes.refuse(
      name,
      "asks for a kind of Authentication that is not to be had here: Active Directory Default, Managed Identity and Workload Identity are.",
    );
  }
  if (isEntraId && value("user id", "uid", "user") !== undefined) {
    attributes.report.warn(
      `${attributes.at(name)}: User ID has no effect with a managed identity: name the identity in the variable AZURE_CLIENT_ID.`,
    );
  }
  return server === undefined ? undefined : { server, ...(database !== undefined && { database }), isEntraId };
}
