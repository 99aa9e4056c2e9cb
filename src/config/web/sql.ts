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
  const connectionString = await namedConnection(attributes, surroundings.settings);
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
  return sqlStore(connectionString, table, surroundings.commandTimeout);
}

/** System.Web.Providers.DefaultSessionStateProvider, of ASP.NET Universal Providers. */
export async function universalProvider(attributes: Attributes, surroundings: Surroundings): Promise<Chosen> {
  const connectionString = await namedConnection(attributes, surroundings.settings);
  attributes.ignore("applicationName", "give applications that share a database tables of their own.");
  return sqlStore(connectionString, undefined, surroundings.commandTimeout);
}

/** `mode="SQLServer"`. The attributes are those of sessionState itself. */
export async function sqlServerMode(
  attributes: Attributes,
  { settings, commandTimeout }: Surroundings,
): Promise<Chosen> {
  const given = attributes.text("sqlConnectionString");
  const allowCustom = attributes.boolean("allowCustomSqlDatabase") ?? false;
  if (given === undefined) {
    attributes.refuse("sqlConnectionString", 'is missing: mode "SQLServer" needs it.');
    return sqlStore(undefined, undefined, commandTimeout);
  }
  const text = settings.connectionString(given) ?? settings.expand(given, attributes.at("sqlConnectionString"));
  const parsed = await checked(attributes, "sqlConnectionString", text);
  const hasDatabase = parsed !== undefined && (parsed.has("initial catalog") || parsed.has("database"));
  if (hasDatabase && !allowCustom) {
    attributes.refuse(
      "sqlConnectionString",
      'names a database, which ASP.NET takes only with allowCustomSqlDatabase="true": add that.',
    );
  }
  return sqlStore(
    hasDatabase ? text : `${text.replace(/;\s*$/, "")};Initial Catalog=ASPState`,
    undefined,
    commandTimeout,
  );
}

function sqlStore(
  connectionString: string | undefined,
  table: string | undefined,
  seconds: number | undefined,
): Chosen {
  const timeout = seconds && seconds * 1000;
  return {
    type: "mssql",
    // ASP.NET's own provider makes its table, too.
    options: { connectionString, createTable: true, ...(table && { table }), ...(timeout && { timeout }) },
    ...(timeout && { sessions: { storeTimeout: timeout } }),
  };
}

async function namedConnection(attributes: Attributes, settings: Settings): Promise<string | undefined> {
  const name = attributes.text("connectionStringName");
  if (name === undefined) {
    attributes.refuse("connectionStringName", "is missing: expected the name of one of <connectionStrings>.");
    return undefined;
  }
  const text = settings.connectionString(name);
  if (text === undefined) {
    attributes.refuse(
      "connectionStringName",
      `is "${name}", which is neither in <connectionStrings> nor in the environment (SQLAZURECONNSTR_${name} and its like): ${suggestion(name, settings.connectionNames)}`,
    );
    return undefined;
  }
  await checked(attributes, "connectionStringName", text);
  return text;
}

/** The parts of an ADO.NET connection string, if what it asks for can be had here. Its values are never shown. */
async function checked(
  attributes: Attributes,
  name: string,
  text: string,
): Promise<ReadonlyMap<string, string> | undefined> {
  const { parse } = await importPeer(
    "@tediousjs/connection-string",
    () => import("@tediousjs/connection-string"),
    "a connection string of SQL Server in a web.config",
  );
  let parsed: ReadonlyMap<string, string>;
  try {
    parsed = new Map(parse(text));
  } catch {
    attributes.refuse(
      name,
      "gives no connection string of ADO.NET: expected Server=…;Database=…;User ID=…;Password=….",
    );
    return undefined;
  }
  const value = (...keys: string[]) => keys.map((key) => parsed.get(key)).find((found) => found !== undefined);
  const server = value("data source", "server", "addr", "address", "network address");
  if (parsed.has("metadata")) {
    attributes.refuse(
      name,
      "gives a connection string of Entity Framework: give the one inside it, after provider connection string=.",
    );
  } else if (server === undefined) {
    attributes.refuse(name, "gives a connection string without a server: expected Server=… (or Data Source=…) in it.");
  } else if (/^\(localdb\)/i.test(server) || parsed.has("attachdbfilename") || parsed.has("user instance")) {
    attributes.refuse(
      name,
      "asks for LocalDB or a file of SQL Server Express, which only .NET on Windows can open: give a server.",
    );
  } else if (/^(true|yes|sspi)$/i.test(value("integrated security", "trusted_connection") ?? "")) {
    attributes.refuse(
      name,
      "asks for the Windows account (Integrated Security): give User ID and Password, or Authentication=Active Directory Default for Azure.",
    );
  }
  const empty = [...parsed].find(([, part]) => part.startsWith(";"));
  if (empty) attributes.refuse(name, `has nothing behind ${empty[0]}=: leave that out.`);
  return parsed;
}
