// Names for keys and owners in databases that do not accept every character.

import { createHash } from "node:crypto";

/**
 * The name under which a key or an owner is stored. It is the text itself if that has 1 to 128 letters, digits, `-` and `_`,
 * as the core's keys have. Any other text gets `~` and its SHA-256.
 */
export function safeName(text: string): string {
  return /^[\w-]{1,128}$/.test(text) ? text : `~${createHash("sha256").update(text, "utf16le").digest("hex")}`;
}

/** True if the name is a hash, so that the text itself has to be stored beside it. */
export function isHashed(name: string): boolean {
  return name.startsWith("~");
}
