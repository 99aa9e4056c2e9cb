// Reads the SQL Server providers of ASP.NET, and the mode SQLServer.

import { NOT_SHOWN, printable } from "../../redaction/texts.ts";
import { loadConnectionString } from "../../stores/shared/optional-packages.ts";
import { importPeer } from "../../stores/shared/peer-dependency.ts";
import { suggestion } from "../../util/option-names.ts";
import { type Attributes, ignoreKeepAlive } from "./attributes.ts";
import type { ProviderContext, ProviderResult } from "./provider.ts";
import { encryptedSection, type Settings } from "./settings.ts";

const RETRIES = "a call that is safe to retry is tried up to three times, within its time limit.";
const OWN_TABLE = "coatcheck creates its own table, and sessions of ASP.NET stay in the old one.";

/**
 * Microsoft.AspNet.SessionState.SqlSessionStateProviderAsync.
 * @see https://github.com/aspnet/AspNetSessionState/blob/main/docs/SqlSessionStateProviderAsync.md
 */
export async function sqlProvider(attributes: Attributes, context: ProviderContext): Promise<ProviderResult> {
  const connection = await namedConnection(attributes, context.settings);
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
      `${attributes.at(memoryOptimized)} has no effect: coatcheck creates an ordinary table. For a memory-optimized one, create it from what schema() of coatcheck/mssql gives.`,
    );
  }
  if (repository === "FrameworkCompat") {
    attributes.report.warn(`${attributes.at("repositoryType")} has no effect: ${OWN_TABLE}`);
  }
  attributes.ignore("maxRetryNumber", RETRIES);
  attributes.ignore("retryInterval", RETRIES);
  ignoreKeepAlive(attributes);
  return sqlStore({ ...connection, ...(table && { table }) }, context.commandTimeout);
}

/** System.Web.Providers.DefaultSessionStateProvider of the ASP.NET Universal Providers. */
export async function universalProvider(attributes: Attributes, context: ProviderContext): Promise<ProviderResult> {
  const connection = await namedConnection(attributes, context.settings);
  attributes.ignore("applicationName", "applications that share a database need a table each.");
  return sqlStore(connection, context.commandTimeout);
}

/** `mode="SQLServer"`, with the attributes of `<sessionState>` itself. */
export async function sqlServerMode(
  attributes: Attributes,
  { settings, commandTimeout }: ProviderContext,
): Promise<ProviderResult | undefined> {
  const name = "sqlConnectionString";
  const given = attributes.text(name);
  const allowCustom = attributes.boolean("allowCustomSqlDatabase") ?? false;
  if (given === undefined) {
    attributes.refuse(name, 'is missing: mode "SQLServer" needs it.');
    return undefined;
  }
  const named = settings.connectionString(given);
  if (named === undefined && settings.mayBeEncrypted(given)) {
    const variable = `the variable SQLAZURECONNSTR_${given}`;
    attributes.refuse(name, `is ${printable(given)}, but ${encryptedSection("connectionStrings", variable)}`);
    return undefined;
  }
  const text = named ?? settings.expand(given, attributes.at(name));
  const parts = await parse(attributes, name, text);
  if (parts === undefined) return undefined;
  if (parts.database !== undefined && !allowCustom) {
    attributes.refuse(name, 'names a database, which needs allowCustomSqlDatabase="true": add that attribute.');
  }
  const whole = parts.database === undefined ? `${text.replace(/;\s*$/, "")};Initial Catalog=ASPState` : text;
  return sqlStore(connectionOptions({ database: "ASPState", ...parts }, whole), commandTimeout);
}

function sqlStore(options: object, seconds: number | undefined): ProviderResult {
  const timeout = seconds && seconds * 1000;
  return {
    type: "mssql",
    // ASP.NET's provider creates its table, too.
    options: { ...options, createTable: true, ...(timeout && { timeout }) },
    ...(timeout && { sessions: { storeTimeout: timeout } }),
  };
}

/** The options for the connection string that `connectionStringName` names. Empty if there is a problem. */
async function namedConnection(attributes: Attributes, settings: Settings): Promise<object> {
  const name = attributes.text("connectionStringName");
  if (name === undefined) {
    attributes.refuse("connectionStringName", "is missing: expected the name of one of <connectionStrings>.");
    return {};
  }
  const text = settings.connectionString(name);
  if (text === undefined) {
    const shown = printable(name);
    const variable = `SQLAZURECONNSTR_${shown === NOT_SHOWN ? "<name>" : name}`;
    attributes.refuse(
      "connectionStringName",
      settings.isEncrypted("connectionStrings")
        ? `is ${shown}, which may be in <connectionStrings>, but ${encryptedSection("connectionStrings", `the variable ${variable}`)}`
        : `is ${shown}, which is neither in <connectionStrings> nor in the environment (${variable} and its like): ${suggestion(name, settings.connectionNames)}`,
    );
    return {};
  }
  const parts = await parse(attributes, "connectionStringName", text);
  return parts === undefined ? {} : connectionOptions(parts, text);
}

/** The parts of a connection string that are needed here. */
interface ConnectionParts {
  server: string;
  database?: string;
  /** True to log in with an identity of Azure instead of a user and a password. */
  usesEntraId: boolean;
}

function connectionOptions({ server, database, usesEntraId }: ConnectionParts, text: string): object {
  if (!usesEntraId) return { connectionString: text };
  const [, host, port] = /^(?:tcp:)?([^,]*)(?:,\s*(\d+))?$/i.exec(server) ?? [undefined, server];
  return { server: host!.trim(), database, ...(port && port !== "1433" && { connection: { port: Number(port) } }) };
}

/** Reads an ADO.NET connection string, and refuses what is not supported. Messages do not show its values. */
async function parse(attributes: Attributes, name: string, text: string): Promise<ConnectionParts | undefined> {
  const library = await importPeer(
    "@tediousjs/connection-string",
    loadConnectionString,
    "a connection string of SQL Server in a web.config",
  );
  let values: ReadonlyMap<string, string>;
  try {
    values = new Map(library.parse(text));
  } catch {
    attributes.refuse(
      name,
      "is not a connection string of ADO.NET: expected Server=…;Database=…;User ID=…;Password=….",
    );
    return undefined;
  }
  const value = (...keys: string[]) => keys.map((key) => values.get(key)).find((found) => found !== undefined);
  const server = value("data source", "server", "addr", "address", "network address");
  const database = value("initial catalog", "database");
  const authentication = value("authentication")?.replaceAll(" ", "") ?? "";
  const usesEntraId = /^ActiveDirectory(Default|ManagedIdentity|MSI|WorkloadIdentity)$/i.test(authentication);

  const [emptyKey] = [...values].find(([, part]) => part.startsWith(";")) ?? [];
  if (values.has("metadata")) {
    attributes.refuse(
      name,
      "is a connection string of Entity Framework: use the one inside it, after provider connection string=.",
    );
  } else if (emptyKey !== undefined) {
    attributes.refuse(name, `has no value after ${emptyKey}=: leave it out.`);
  } else if (server === undefined) {
    attributes.refuse(name, "is a connection string without a server: expected Server=… or Data Source=… in it.");
  } else if (/^\(localdb\)/i.test(server) || values.has("attachdbfilename") || values.has("user instance")) {
    attributes.refuse(
      name,
      "uses LocalDB or a file of SQL Server Express, which only .NET on Windows can open: give a server.",
    );
  } else if (/^(true|yes|sspi)$/i.test(value("integrated security", "trusted_connection") ?? "")) {
    attributes.refuse(
      name,
      "uses the Windows account (Integrated Security), which is not supported: give User ID and Password, or Authentication=Active Directory Default for Azure.",
    );
  } else if (/^ActiveDirectory/i.test(authentication) && !usesEntraId) {
    attributes.refuse(
      name,
      "uses an Authentication that is not supported: use Active Directory Default, Managed Identity or Workload Identity.",
    );
  }
  if (usesEntraId && value("user id", "uid", "user") !== undefined) {
    attributes.report.warn(
      `${attributes.at(name)}: User ID has no effect with a managed identity: set the variable AZURE_CLIENT_ID to the identity.`,
    );
  }
  return server === undefined ? undefined : { server, ...(database !== undefined && { database }), usesEntraId };
}
