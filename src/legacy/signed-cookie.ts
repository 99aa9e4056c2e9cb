// Cookies that the package `cookies` signs, with Keygrip: those of cookie-session and koa-session.

import { createHmac, timingSafeEqual } from "node:crypto";
import { OptionError } from "../errors.ts";
import { checkedSecrets, rawCookieValues, removeCookie, setCookie } from "./cookies.ts";
import type { LegacyCookieOptions } from "./source.ts";

/** What signs: the keys, of which the first one signs and all verify, or a Keygrip of the application's own. */
export type LegacyKeys = readonly string[] | KeygripLike;

export interface KeygripLike {
  sign(data: string): string;
  verify(data: string, digest: string): boolean;
}

/** A cookie and its signature, which is a cookie of its own. */
export class SignedCookie {
  readonly #name: string;
  readonly #keys: KeygripLike;
  readonly #options: LegacyCookieOptions;

  /** @throws OptionError if there are no keys */
  constructor(name: string, keys: LegacyKeys | undefined, options: LegacyCookieOptions) {
    this.#name = name;
    this.#keys = keygrip(keys);
    this.#options = options;
  }

  isPresent(header: string): boolean {
    return rawCookieValues(header, this.#name).length > 0;
  }

  /** The first value whose signature is right. */
  find(header: string): string | undefined {
    const signatures = rawCookieValues(header, `${this.#name}.sig`);
    return rawCookieValues(header, this.#name).find((value) =>
      signatures.some((signature) => this.#keys.verify(`${this.#name}=${value}`, signature)),
    );
  }

  /** `maxAge` in seconds. */
  cookies(value: string, maxAge: number | undefined): string[] {
    return [
      setCookie(this.#name, value, this.#options, maxAge),
      setCookie(`${this.#name}.sig`, this.#keys.sign(`${this.#name}=${value}`), this.#options, maxAge),
    ];
  }

  clear(): string[] {
    return [removeCookie(this.#name, this.#options), removeCookie(`${this.#name}.sig`, this.#options)];
  }
}

/** Both packages keep their data so. */
export function jsonInBase64(data: object): string {
  return Buffer.from(JSON.stringify(data)).toString("base64");
}

/** Undefined: it is no such text. */
export function objectInBase64(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, "base64").toString());
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function keygrip(keys: LegacyKeys | undefined): KeygripLike {
  const given = keys as Partial<KeygripLike> | undefined;
  if (typeof given?.sign === "function" && typeof given.verify === "function") return given as KeygripLike;
  if (typeof keys !== "object") throw new OptionError("keys", keys, "give the keys of the old application.");
  const secrets = checkedSecrets("keys", keys as readonly string[]);
  const signed = (data: string, key: string) => createHmac("sha1", key).update(data).digest("base64url");
  return {
    sign: (data) => signed(data, secrets[0]!),
    verify: (data, digest) => secrets.some((key) => isSame(signed(data, key), digest)),
  };
}

function isSame(one: string, other: string): boolean {
  const [expected, given] = [Buffer.from(one), Buffer.from(other)];
  return expected.length === given.length && timingSafeEqual(expected, given);
}
