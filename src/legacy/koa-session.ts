// Sessions of koa-session: in the cookie, or in a store.

import { randomUUID } from "node:crypto";
import { OptionError } from "../errors.ts";
import { checkNames } from "../util/option-names.ts";
import { checkedName } from "./cookies.ts";
import { jsonInBase64, type LegacyKeys, objectInBase64, SignedCookie } from "./signed-cookie.ts";
import {
  COOKIE_NAMES,
  EXTEND_BELOW,
  LEGACY_NAMES,
  type LegacyCookieOptions,
  type LegacyOptions,
  type LegacySource,
  legacySource,
  type OldSession,
} from "./source.ts";

/** The methods of a store for koa-session that are used. */
export interface LegacyKoaStore {
  get(key: string, maxAge: number | "session" | undefined, options: object): unknown;
  set(key: string, session: object, maxAge: number | "session" | undefined, options: object): unknown;
  destroy(key: string, options: object): unknown;
}

export interface LegacyKoaSessionOptions extends LegacyOptions, Omit<LegacyCookieOptions, "maxAge"> {
  /** The cookie's name. Default: `"koa.sess"`. */
  key?: string;
  /** The old application's `app.keys`, or its Keygrip. A cookie that is not signed is not taken over. */
  keys: LegacyKeys;
  /** The old application's store. Default: the session is in the cookie. */
  store?: LegacyKoaStore;
  /** As the old application has it: milliseconds, or `"session"`. Default: a day. */
  maxAge?: number | "session" | null;
  /** True if each use extends the session. Default: false. */
  rolling?: boolean;
  /** True if a use shortly before the end extends it. Default: false. */
  renew?: boolean;
}

const DAY_MS = 86_400_000;

/**
 * Takes over the sessions of koa-session: `createSessions({ legacy: [koaSession({ keys: app.keys, store })] })`. Beside these
 * options, it takes the cookie's attributes as that package does. An `encode` of the application's own is not known here.
 *
 * @throws OptionError if an option is wrong.
 */
export function koaSession(options: LegacyKoaSessionOptions): LegacySource {
  checkNames("koaSession()", options, {
    key: true,
    keys: true,
    store: true,
    maxAge: true,
    rolling: "boolean",
    renew: "boolean",
    ...COOKIE_NAMES,
    ...LEGACY_NAMES,
  });
  const { key: name = "koa.sess", store, keys, rolling = false, renew = false } = options;
  const { maxAge: _, ...attributes } = options;
  const maxAge = options.maxAge ?? DAY_MS;
  if (store !== undefined && ["get", "set", "destroy"].some((method) => !(method in Object(store)))) {
    throw new OptionError("store", store, "give the store of the old application: it has get, set and destroy.");
  }
  const cookie = new SignedCookie(checkedName("key", name), keys, attributes);
  const cookies = (text: string) => cookie.cookies(text, maxAge === "session" ? undefined : maxAge / 1000);
  const rolls = rolling || renew;

  function opened(record: Record<string, unknown> | undefined | null): OldSession | undefined {
    if (record === undefined || record === null) return undefined;
    const { _expire, _maxAge, _session, ...data } = record;
    const endsAt = typeof _expire === "number" ? _expire : undefined;
    if (endsAt !== undefined && endsAt <= Date.now()) return undefined;
    return { data, endsAt, rolls, meta: undefined };
  }

  return legacySource(options, {
    package: "koa-session",
    inCookie: store === undefined,
    attributes,
    isPresent: (header) => cookie.isPresent(header),
    find: (header) => cookie.find(header),

    async read(found) {
      if (store === undefined) return opened(objectInBase64(found));
      return opened((await store.get(found, maxAge, { rolling })) as Record<string, unknown>);
    },

    async write(data, found) {
      const end = maxAge === "session" ? { _session: true } : { _expire: Date.now() + maxAge, _maxAge: maxAge };
      if (store === undefined) {
        const text = jsonInBase64({ ...data, ...end });
        return { found: text, cookies: cookies(text) };
      }
      const id = found ?? randomUUID();
      await store.set(id, { ...data, ...end }, maxAge, { changed: true, rolling });
      return { found: id, cookies: found === undefined || rolls ? cookies(id) : [] };
    },

    async touch(found, { endsAt = 0 }) {
      if (store === undefined || maxAge === "session" || endsAt - Date.now() > EXTEND_BELOW * maxAge) return;
      // There is no touch: what an old server has written since has to stay.
      const record = await store.get(found, maxAge, { rolling });
      const end = { _expire: Date.now() + maxAge, _maxAge: maxAge };
      if (record) await store.set(found, { ...record, ...end }, maxAge, { changed: true, rolling });
    },

    async end(found) {
      await store?.destroy(found, {});
    },

    cookies,
    clear: () => cookie.clear(),
  });
}
