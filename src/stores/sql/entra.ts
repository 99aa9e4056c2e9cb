import { OptionError } from "../../errors.ts";

/** What a credential of `@azure/identity` is. */
export interface AzureCredential {
  getToken(scopes: string | string[], options?: object): Promise<unknown>;
}

/** Ways of ADO.NET to sign in that `DefaultAzureCredential` covers, and that `mssql` would take for a password. */
const COVERED = ["default", "managed identity", "msi", "workload identity"];

/** Ways of ADO.NET that `mssql` knows itself. */
const KNOWN = ["integrated", "password"];

/**
 * How the client is to sign in, for its option `authentication`; undefined where it knows from the connection string.
 *
 * @throws OptionError for a way to sign in that neither can do.
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
  if (server !== undefined || COVERED.includes(method!)) {
    // A managed identity that is not the machine's only one is named by its client id.
    const clientId = setting(connectionString, "user id") ?? setting(connectionString, "uid");
    return { type: "azure-active-directory-default", options: clientId === undefined ? {} : { clientId } };
  }
  if (method === undefined || KNOWN.includes(method) || !/active directory/i.test(connectionString)) return undefined;
  throw new OptionError(
    "connectionString",
    `one with Authentication=Active Directory ${method}`,
    'use "Active Directory Default", or leave Authentication out and give a "credential" of @azure/identity.',
  );
}

function setting(connectionString: string, name: string): string | undefined {
  return new RegExp(`(?:^|;)\\s*${name}\\s*=\\s*["']?([^;"']*?)["']?\\s*(?:;|$)`, "i").exec(connectionString)?.[1];
}
