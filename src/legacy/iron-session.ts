// Sessions of iron-session.

import { preloadPeer } from "../stores/shared/peer-dependency.ts";
import { checkNames } from "../util/option-names.ts";
import { checkedName, setCookie } from "./cookies.ts";
import { loadIronSession } from "./packages.ts";
import { checkedPassword, endOfSeal, inSealedCookie, type SealPassword } from "./seal.ts";
import {
  LEGACY_NAMES,
  type LegacyCookieOptions,
  type LegacyOptions,
  type LegacySource,
  legacySource,
} from "./source.ts";

export interface LegacyIronSessionOptions extends LegacyOptions {
  /** The old application's own. */
  password: SealPassword;
  /** The cookie's name. */
  cookieName: string;
  /** Seconds that a session lasts, as the old application has it. Default: 14 days. */
  ttl?: number;
  /** The cookie's attributes, as the old application has them. `maxAge` in seconds. */
  cookieOptions?: LegacyCookieOptions;
}

const TTL_SECONDS = 14 * 86_400;
// What the package takes for a `ttl` of 0, and how much earlier than the seal it ends the cookie.
const LONGEST_TTL = 2_147_483_647;
const COOKIE_ENDS_EARLIER = 60;

/**
 * Takes over the sessions of iron-session: `createSessions({ legacy: [ironSession({ password, cookieName })] })`. The package
 * itself opens the seals, so it stays installed until then.
 *
 * @throws OptionError if an option is wrong.
 */
export function ironSession(options: LegacyIronSessionOptions): LegacySource {
  checkNames("ironSession()", options, {
    password: true,
    cookieName: true,
    ttl: true,
    cookieOptions: true,
    ...LEGACY_NAMES,
  });
  const password = checkedPassword(options.password);
  const name = checkedName("cookieName", options.cookieName);
  const { ttl = TTL_SECONDS, cookieOptions = {} } = options;
  const attributes: LegacyCookieOptions = { secure: true, sameSite: "lax", ...cookieOptions };
  const seconds = "maxAge" in cookieOptions ? cookieOptions.maxAge : (ttl || LONGEST_TTL) - COOKIE_ENDS_EARLIER;
  const iron = preloadPeer("iron-session", loadIronSession);
  const cookies = (text: string) => [setCookie(name, text, attributes, seconds ?? undefined)];

  return legacySource(options, {
    package: "iron-session",
    ...inSealedCookie(name, attributes),

    async read(text) {
      const { unsealData } = await iron();
      // The package gives an empty object for what is forged or has ended.
      const data = await unsealData<Record<string, unknown>>(text, { password, ttl }).catch(() => ({}));
      return Object.keys(data).length === 0
        ? undefined
        : { data, endsAt: endOfSeal(text), rolls: false, meta: undefined };
    },

    async write(data) {
      const text = await (await iron()).sealData(data, { password, ttl });
      return { found: text, cookies: cookies(text) };
    },

    cookies,
  });
}
