import { hash } from "node:crypto";
import { UnstorableValueError } from "./errors.ts";

const MAX_BYTES = 1024;

/** @throws UnstorableValueError */
export function checkedOwner(owner: string | undefined): string | undefined {
  const fits = typeof owner === "string" && owner !== "" && Buffer.byteLength(owner) <= MAX_BYTES;
  if (owner === undefined || fits) return owner;
  throw new UnstorableValueError("owner", `an owner is a text of 1 to ${MAX_BYTES} bytes`);
}

/** The store files sessions under a hash of the owner, so that a user's id is not readable there. */
export function ownerNames(secret: string): (owner: string) => string {
  const start = hash("sha256", `coatcheck owner v1 ${secret}`, "base64url");
  return (owner) => hash("sha256", start + owner, "base64url").slice(0, 24);
}
