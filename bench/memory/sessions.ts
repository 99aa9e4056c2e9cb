// The sessions of the memory benchmark: keys and data by number.
import { hash } from "node:crypto";

/*
 * A session's key and data follow from its number, so that a million of them need no memory. No number becomes text by
 * `String` or a template: V8 caches the last 16,384 such texts, 400 KB that each young generation's collection would copy.
 */
const number = Buffer.alloc(4);

/** A key like the core's: 24 characters of base64url, in one flat string. */
export function keyOf(index: number): string {
  number.writeInt32LE(index);
  return hash("sha256", number, "buffer").toString("base64url", 0, 18);
}

/** JSON of 280 to 320 bytes, 300 in the mean. */
export function textOf(index: number): string {
  const size = 280 + ((Math.imul(index, 0x9e3779b1) >>> 0) % 41);
  const csrf = keyOf(-index);
  const session = {
    user: { id: index, name: `User ${csrf.slice(0, 8)}`, roles: ["customer"] },
    cart: [{ sku: `A-${csrf.slice(8, 12)}`, quantity: 1 + (index % 5), price: 1999 }],
    locale: "en-GB",
    theme: "dark",
    csrf,
    views: index % 100,
    note: "",
  };
  session.note = "n".repeat(size - JSON.stringify(session).length);
  return JSON.stringify(session);
}
