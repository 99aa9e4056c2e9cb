// Origins of web pages as options give them.

import { OptionError } from "../errors.ts";

/** @throws OptionError naming the option "origins", unless each is an origin as browsers send it. */
export function checkOrigins(origins: readonly string[]): void {
  const wrong = Array.isArray(origins) ? origins.find((origin) => !isOrigin(origin)) : origins;
  if (wrong !== undefined || !Array.isArray(origins)) {
    throw new OptionError("origins", wrong, 'give origins as browsers send them: ["https://shop.example.com"].');
  }
}

function isOrigin(text: unknown): boolean {
  return typeof text === "string" && URL.canParse(text) && new URL(text).origin === text;
}
