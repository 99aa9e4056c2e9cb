import { importPeer } from "../peer.ts";

/** A credential of `@azure/identity`, or anything that makes tokens as those do. */
export interface AzureCredential {
  getToken(
    scopes: string | string[],
    options?: object,
  ): Promise<{ token: string; expiresOnTimestamp: number; refreshAfterTimestamp?: number } | null>;
}

/** The identity that the environment gives: managed identity in Azure, `az login` on a developer's machine. */
export async function defaultCredential(): Promise<AzureCredential> {
  const { DefaultAzureCredential } = await importPeer("@azure/identity", () => import("@azure/identity"));
  return new DefaultAzureCredential();
}
