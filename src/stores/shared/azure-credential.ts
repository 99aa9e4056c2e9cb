// Credentials of Azure's Entra ID.

import { preload } from "./lazy-client.ts";
import { loadAzureIdentity } from "./optional-packages.ts";
import { importPeer } from "./peer-dependency.ts";

/** A credential of `@azure/identity`, or anything else that issues tokens in the same way. */
export interface AzureCredential {
  getToken(
    scopes: string | string[],
    options?: object,
  ): Promise<{ token: string; expiresOnTimestamp: number; refreshAfterTimestamp?: number } | null>;
}

/**
 * Begins to load `@azure/identity`. The returned function gives the identity of the environment: the managed identity on
 * Azure, `az login` on a developer's machine.
 */
export function preloadDefaultCredential(): () => Promise<AzureCredential> {
  const load = preload(() => importPeer("@azure/identity", loadAzureIdentity));
  return async () => new (await load()).DefaultAzureCredential();
}
