import { createHash } from "node:crypto";
import { importPeer } from "./peer.ts";

/** What both Azure stores need: names that their services accept, and the identity that Azure gives an application. */

/** A credential of `@azure/identity`, or anything that makes tokens as those do. */
export interface AzureCredential {
  getToken(
    scopes: string | string[],
    options?: object,
  ): Promise<{ token: string; expiresOnTimestamp: number; refreshAfterTimestamp?: number } | null>;
}

/**
 * The name under which a key or owner is stored: itself, if it consists of letters, digits, `-` and `_` as the core's
 * keys do, and else `~` and its SHA-256. Both services refuse `/`, `\`, `#`, `?` and long names.
 */
export function azureName(key: string): string {
  return /^[\w-]{1,128}$/.test(key) ? key : `~${createHash("sha256").update(key, "utf16le").digest("hex")}`;
}

/** Whether the name is not the key itself, so that the key has to be stored beside it. */
export function isHashed(name: string): boolean {
  return name.startsWith("~");
}

/** The identity that the environment gives: managed identity in Azure, `az login` on a developer's machine. */
export async function defaultCredential(): Promise<AzureCredential> {
  const { DefaultAzureCredential } = await importPeer("@azure/identity", () => import("@azure/identity"));
  return new DefaultAzureCredential();
}
