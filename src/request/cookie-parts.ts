// The parts of a `Set-Cookie` text, for frameworks that set cookies by name, value and attributes.

import type { CookieParts } from "../session.ts";

/** Takes a text apart that session-cookie.ts has made. */
export function cookieParts(text: string): CookieParts {
  const [pair = "", ...attributes] = text.split("; ");
  const equals = pair.indexOf("=");
  const parts: CookieParts = {
    name: pair.slice(0, equals),
    value: pair.slice(equals + 1),
    path: "/",
    httpOnly: false,
    secure: false,
    sameSite: "lax",
  };
  for (const attribute of attributes) {
    const [name, value = ""] = attribute.split("=");
    if (name === "Path") parts.path = value;
    else if (name === "HttpOnly") parts.httpOnly = true;
    else if (name === "Secure") parts.secure = true;
    else if (name === "SameSite") parts.sameSite = value.toLowerCase() as CookieParts["sameSite"];
    else if (name === "Domain") parts.domain = value;
    else if (name === "Max-Age") parts.maxAge = Number(value);
    else if (name === "Partitioned") parts.partitioned = true;
  }
  return parts;
}
