import { hash } from "node:crypto";

/*
 * Sessions by their number, so that nobody has to remember a million of them. No number is made text by `String` or in a
 * template: V8 keeps the last 16,384 such texts, 400 KB that each collection of the young generation would copy.
 */
const number = Buffer.alloc(4);

/** A new key as the core makes them: 24 characters of base64url, one string of its own. */
export function keyOf(index: number): string {
  number.writeInt32LE(index);
  return hash("sha256", number, "buffer").toString("base64url", 0, 18);
}

/** JSON of 280 to 320 bytes, in the mean 300. */
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
