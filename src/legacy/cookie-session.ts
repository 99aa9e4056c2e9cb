// Sessions of cookie-session.

import { checkNames } from "../util/option-names.ts";
import { checkedName } from "./cookies.ts";
import { jsonInBase64, type LegacyKeys, objectInBase64, SignedCookie } from "./signed-cookie.ts";
import {
  COOKIE_NAMES,
  LEGACY_NAMES,
  type LegacyCookieOptions,
  type LegacyOptions,
  type LegacySource,
  legacySource,
} from "./source.ts";

export interface LegacyCookieSessionOptions extends LegacyOptions, LegacyCookieOptions {
  /** The cookie's name. Default: `"session"`. */
  name?: string;
  /** The old application's keys, or its Keygrip. */
  keys?: LegacyKeys;
  /** The same, for one key. */
  secret?: string;
}

/**
 * Takes over the sessions of cookie-session: `createSessions({ legacy: [cookieSession({ keys })] })`. Beside these options,
 * it takes the cookie's attributes as that package does; `maxAge` in milliseconds. Such a cookie has no end that a server
 * could check.
 *
 * @throws OptionError if an option is wrong.
 */
export function cookieSession(options: LegacyCookieSessionOptions): LegacySource {
  checkNames("cookieSession()", options, {
    name: true,
    keys: true,
    secret: "string",
    maxAge: true,
    ...COOKIE_NAMES,
    ...LEGACY_NAMES,
  });
  const { name = "session", maxAge, secret } = options;
  const keys = options.keys ?? (secret === undefined ? undefined : [secret]);
  const cookie = new SignedCookie(checkedName("name", name), keys, options);
  const seconds = typeof maxAge === "number" ? maxAge / 1000 : undefined;
  return legacySource(options, {
    package: "cookie-session",
    inCookie: true,
    attributes: options,
    isPresent: (header) => cookie.isPresent(header),
    find: (header) => cookie.find(header),

    async read(text) {
      const data = objectInBase64(text);
      return data && { data, endsAt: undefined, rolls: false, meta: undefined };
    },

    async write(data) {
      const text = jsonInBase64(data);
      return { found: text, cookies: cookie.cookies(text, seconds) };
    },

    async touch() {},
    async end() {},
    cookies: (text) => cookie.cookies(text, seconds),
    clear: () => cookie.clear(),
  });
}
