// The seals of iron-session and h3: what they show without their password, and sessions in such cookies.

import { OptionError } from "../errors.ts";
import { cookieValues, removeCookie } from "./cookies.ts";
import type { LegacyCookieOptions } from "./source.ts";

/** A text, or several of them by their numbers, of which the highest seals. */
export type SealPassword = string | { readonly [id: string]: string };

// Fe26.2 * password's number * salt * iv * text * end * salt * MAC
const PARTS = 8;
const END_AT = 5;
// What the MAC is made of.
const SIGNED_PARTS = 6;

/** True for what may be a seal, and has not ended by its own word. A false word makes it no better: nobody has sealed it. */
function isSeal(text: string): boolean {
  return text.startsWith("Fe26.2*") && text.split("*").length === PARTS && (endOfSeal(text) ?? Infinity) > Date.now();
}

/** The part that was signed. Of the rest there are several spellings. */
function signedPart(text: string): string {
  return text.split("*").slice(0, SIGNED_PARTS).join("*");
}

/** What a source has whose sessions are sealed in one cookie: the server holds nothing that could be kept or ended. */
export function inSealedCookie(name: string, attributes: LegacyCookieOptions) {
  return {
    inCookie: true,
    attributes,
    isPresent: (header: string) => cookieValues(header, name).length > 0,
    find: (header: string) => cookieValues(header, name).find((text) => isSeal(text)),
    identity: signedPart,
    async touch() {},
    async end() {},
    clear: () => [removeCookie(name, attributes)],
  } as const;
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
