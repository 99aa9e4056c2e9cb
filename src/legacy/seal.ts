// What the seals of iron-session and h3 show without their password.

import { OptionError } from "../errors.ts";

/** A text, or several of them by their numbers, of which the highest seals. */
export type SealPassword = string | { readonly [id: string]: string };

// Fe26.2 * password's number * salt * iv * text * end * salt * MAC
const PARTS = 8;
const END_AT = 5;
// What the MAC is made of.
const SIGNED_PARTS = 6;

/** True for what may be a seal, and has not ended by its own word. A false word makes it no better: nobody has sealed it. */
export function isSeal(text: string): boolean {
  return text.startsWith("Fe26.2*") && text.split("*").length === PARTS && (endOfSeal(text) ?? Infinity) > Date.now();
}

/** The part that was signed. Of the rest there are several spellings. */
export function signedPart(text: string): string {
  return text.split("*").slice(0, SIGNED_PARTS).join("*");
}

/** When a seal ends, in milliseconds since 1970. Undefined: it does not. */
export function endOfSeal(text: string): number | undefined {
  const end = text.split("*")[END_AT];
  return end ? Number(end) : undefined;
}

/** @throws OptionError unless each is long enough for the packages. */
export function checkedPassword<Password extends SealPassword>(password: Password): Password {
  const texts = typeof password === "string" ? [password] : Object.values(Object(password));
  if (texts.length > 0 && texts.every((text) => typeof text === "string" && text.length >= 32)) return password;
  throw new OptionError("password", password, "give the old application's own: at least 32 characters.");
}
