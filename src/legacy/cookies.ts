// The cookies of other packages: found, made, and removed.

import { findAll } from "../cookies/session-cookie.ts";
import { OptionError } from "../errors.ts";
import type { LegacyCookieOptions } from "./source.ts";

// RFC 6265bis 5.6: browsers drop a cookie whose name and value are longer than this together.
const MAX_NAME_AND_VALUE = 4096;
// In place of a session that is too large. The old package finds nothing in it, and the browser is not logged out here.
const TOO_LARGE = "0";

/** The values under a name, decoded. */
export function cookieValues(header: string, name: string): string[] {
  return findAll(header, `${name}=`).map(decoded);
}

/** The same as they are. */
export function rawCookieValues(header: string, name: string): string[] {
  return findAll(header, `${name}=`);
}

function decoded(value: string): string {
  try {
    return value.includes("%") ? decodeURIComponent(value) : value;
  } catch {
    return value;
  }
}

/** `maxAge` in seconds. */
export function setCookie(name: string, value: string, options: LegacyCookieOptions, maxAge?: number): string {
  const { path = "/", domain, secure, httpOnly = true, sameSite, partitioned } = options;
  const fits = name.length + value.length <= MAX_NAME_AND_VALUE;
  let text = `${name}=${fits ? value : TOO_LARGE}; Path=${path}`;
  if (domain !== undefined && domain !== null) text += `; Domain=${domain}`;
  if (maxAge !== undefined) text += `; Max-Age=${Math.max(0, Math.floor(maxAge))}`;
  if (httpOnly) text += "; HttpOnly";
  if (secure === true) text += "; Secure";
  if (sameSite === true || sameSite === "strict") text += "; SameSite=Strict";
  else if (sameSite === "lax" || sameSite === "none") text += `; SameSite=${sameSite === "lax" ? "Lax" : "None"}`;
  if (partitioned) text += "; Partitioned";
  return text;
}

export function removeCookie(name: string, options: LegacyCookieOptions): string {
  return setCookie(name, "", options, 0);
}

/** @throws OptionError unless it can be the name of a cookie. */
export function checkedName(option: string, name: string): string {
  if (typeof name === "string" && /^[\w!#$%&'*+.^`|~-]+$/.test(name)) return name;
  throw new OptionError(option, name, "give the name of the old package's cookie.");
}

/** @throws OptionError unless it is a text, or several of them. */
export function checkedSecrets(option: string, secret: string | readonly string[] | undefined): readonly string[] {
  const secrets = typeof secret === "string" ? [secret] : secret;
  if (Array.isArray(secrets) && secrets.length > 0 && secrets.every((one) => typeof one === "string" && one !== "")) {
    return secrets;
  }
  throw new OptionError(option, secret, "give the old package's own: a text, or an array of at least one.");
}
