// Sessions of h3, version 2, and so of Nitro 3.

import { importPeer } from "../stores/shared/peer-dependency.ts";
import { checkNames } from "../util/option-names.ts";
import { checkedName, setCookie } from "./cookies.ts";
import { loadH3 } from "./packages.ts";
import { checkedPassword, endOfSeal, inSealedCookie } from "./seal.ts";
import {
  LEGACY_NAMES,
  type LegacyCookieOptions,
  type LegacyOptions,
  type LegacySource,
  legacySource,
} from "./source.ts";

export interface LegacyH3SessionOptions extends LegacyOptions {
  /** The old application's own. */
  password: string;
  /** The cookie's name. Default: `"h3"`. */
  name?: string;
  /** Seconds that a session lasts, as the old application has it. Default: it has no end. */
  maxAge?: number;
  /** The cookie's attributes, as the old application has them. */
  cookie?: LegacyCookieOptions;
}

interface H3Meta {
  readonly id: string;
  readonly createdAt: number;
}

/**
 * Takes over the sessions of h3: `createSessions({ legacy: [h3Session({ password })] })`. The package itself opens the seals.
 *
 * @throws OptionError if an option is wrong.
 */
export function h3Session(options: LegacyH3SessionOptions): LegacySource {
  checkNames("h3Session()", options, {
    password: true,
    name: true,
    maxAge: true,
    cookie: true,
    ...LEGACY_NAMES,
  });
  const password = checkedPassword(options.password);
  const { maxAge, cookie = {} } = options;
  const name = checkedName("name", options.name ?? "h3");
  const config = { password, name, ...(maxAge !== undefined && { maxAge }) };
  const attributes: LegacyCookieOptions = { sameSite: "lax", ...cookie };
  const cookies = (text: string) => [setCookie(name, text, attributes, maxAge)];
  const h3 = () => importPeer("h3", loadH3, "h3Session()");

  return legacySource(options, {
    package: "h3",
    ...inSealedCookie(name, attributes),

    async read(text) {
      const { mockEvent, unsealSession } = await h3();
      const session = await unsealSession(mockEvent("http://localhost/"), config, text).catch(() => undefined);
      if (session?.data === undefined || session.createdAt === undefined) return undefined;
      const { id, createdAt } = session;
      const endsAt = maxAge === undefined ? endOfSeal(text) : createdAt + maxAge * 1000;
      if (endsAt !== undefined && endsAt <= Date.now()) return undefined;
      return { data: { ...session.data }, endsAt, rolls: false, meta: { id, createdAt } };
    },

    async write(data, _found, former) {
      const { mockEvent, sealSession } = await h3();
      const { id, createdAt } = (former?.meta as H3Meta) ?? { id: crypto.randomUUID(), createdAt: Date.now() };
      const event = mockEvent("http://localhost/");
      event.context.sessions = { [name]: { id, createdAt, data } };
      const text = await sealSession(event, config);
      return { found: text, cookies: cookies(text) };
    },

    cookies,
  });
}
