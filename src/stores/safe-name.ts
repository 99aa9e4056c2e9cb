import { createHash } from "node:crypto";

/**
 * The name under which a key or owner is stored where not every character will do: itself, if it consists of letters,
 * digits, `-` and `_` as the core's keys do, and else `~` and its SHA-256.
 */
export function safeName(key: string): string {
  return /^[\w-]{1,128}$/.test(key) ? key : `~${createHash("sha256").update(key, "utf16le").digest("hex")}`;
}

/** Whether the name is not the key itself, so that the key has to be stored beside it. */
export function isHashed(name: string): boolean {
  return name.startsWith("~");
}
