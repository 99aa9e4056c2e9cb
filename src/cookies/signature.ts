// The signature of the cookie: HMAC-SHA256 in base64, as the package cookie-signature writes it.

import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from "node:crypto";

/** What node:crypto takes as the key of an HMAC. */
export type Secret = string | NodeJS.ArrayBufferView | KeyObject;

/** A key that is made once, since a key from a text costs as much as the HMAC itself. */
export function signingKey(secret: Secret): KeyObject {
  if (typeof secret === "string") return createSecretKey(secret, "utf8");
  return ArrayBuffer.isView(secret) ? createSecretKey(secret) : secret;
}

/** The value, a dot, and its signature. */
export function sign(value: string, key: KeyObject): string {
  return `${value}.${signatureOf(value, key)}`;
}

/** The value of a signed text. Undefined: none of the keys has signed it. */
export function unsign(text: string, keys: readonly KeyObject[]): string | undefined {
  const dot = text.lastIndexOf(".");
  if (dot === -1) return undefined;
  const value = text.slice(0, dot);
  const given = Buffer.from(text.slice(dot + 1));
  for (const key of keys) {
    const expected = Buffer.from(signatureOf(value, key));
    if (expected.length === given.length && timingSafeEqual(expected, given)) return value;
  }
  return undefined;
}

/** Without the padding. 32 bytes always have one character of it. */
function signatureOf(value: string, key: KeyObject): string {
  return createHmac("sha256", key).update(value).digest("base64").slice(0, -1);
}
