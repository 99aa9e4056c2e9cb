// How the store for SQL Server signs in.

import { Description, OptionError } from "../../errors.ts";
import type { AzureCredential } from "../shared/azure-credential.ts";

/** Values of ADO.NET's `Authentication` that `DefaultAzureCredential` covers. `mssql` would expect a password for them. */
const DEFAULT_CREDENTIAL_METHODS = ["default", "managed identity", "msi", "workload identity"];

/** Values of ADO.NET's `Authentication` that `mssql` implements itself. */
const MSSQL_METHODS = ["integrated", "password"];

/**
 * The option `authentication` for `mssql`; undefined if the connection string is enough.
 *
 * @throws OptionError if the connection string asks for a method that is not supported.
 */
export function authentication({
  connectionString = "",
  server,
  credential,
}: {
  connectionString?: string | undefined;
  server?: string | undefined;
  credential?: AzureCredential | undefined;
}): object | undefined {
  if (credential !== undefined) return { type: "token-credential", options: { credential } };
  const method = setting(connectionString, "authentication")
    ?.toLowerCase()
    .replace(/^active directory /, "");
  if (server !== undefined || DEFAULT_CREDENTIAL_METHODS.includes(method!)) {
    // A machine with several managed identities needs the client id of one.
    const clientId = setting(connectionString, "user id") ?? setting(connectionString, "uid");
    return { type: "azure-active-directory-default", options: clientId === undefined ? {} : { clientId } };
  }
  if (method === undefined || MSSQL_METHODS.includes(method)) return undefined;
  if (!/active directory/i.test(connectionString)) return undefined;
  throw new OptionError(
    "connectionString",
    new Description("one with another way to sign in to Active Directory"),
    'use "Active Directory Default", or leave Authentication out and give a "credential" of @azure/identity.',
  );
}

function setting(connectionString: string, name: string): string | undefined {
  return new RegExp(`(?:^|;)\\s*${name}\\s*=\\s*["']?([^;"']*?)["']?\\s*(?:;|$)`, "i").exec(connectionString)?.[1];
}
