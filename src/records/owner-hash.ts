// Owners: checked, and hashed for the store.

import { hash, hkdfSync } from "node:crypto";
import { DEFAULT_APPLICATION } from "../cookies/ticket.ts";
import { UnstorableValueError } from "../errors.ts";

const MAX_BYTES = 1024;

/** The owner's id and security stamp. @throws UnstorableValueError */
export function checkedOwner(
  owner: string | { readonly id: string; readonly stamp: string } | undefined,
): readonly [id: string | undefined, stamp: string | undefined] {
  if (typeof owner !== "object" || owner === null) return [checked("owner", owner), undefined];
  const { id, stamp } = owner;
  if (id === undefined || stamp === undefined) throw unstorable(id === undefined ? "owner" : "owner.stamp");
  return [checked("owner", id), checked("owner.stamp", stamp)];
}

function checked(name: string, text: string | undefined): string | undefined {
  const fits = typeof text === "string" && text !== "" && Buffer.byteLength(text) <= MAX_BYTES;
  if (text === undefined || fits) return text;
  throw unstorable(name);
}

function unstorable(name: string): UnstorableValueError {
  return new UnstorableValueError(name, `an owner and a stamp are texts of 1 to ${MAX_BYTES} bytes`);
}

/** The store files sessions under this hash of the owner, so that a user's id is not readable there. */
export function ownerHasher(secret: string, application: string = DEFAULT_APPLICATION): (owner: string) => string {
  const start = Buffer.from(hkdfSync("sha256", secret, application, "coatcheck owner v1", 32)).toString("base64url");
  return (owner) => hash("sha256", start + owner, "base64url").slice(0, 24);
}
