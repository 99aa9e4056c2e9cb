// Sessions that express-session and @fastify/session keep in a store: a signed id in the cookie, a record under it.

import { randomBytes } from "node:crypto";
import { sign, signingKey, unsign } from "../cookies/signature.ts";
import { OptionError } from "../errors.ts";
import type { OptionNames } from "../util/option-names.ts";
import { checkedName, checkedSecrets, cookieValues, removeCookie, setCookie } from "./cookies.ts";
import {
  EXTEND_BELOW,
  LEGACY_NAMES,
  type LegacyCookieOptions,
  type LegacyOptions,
  type LegacySource,
  legacySource,
  type OldSession,
} from "./source.ts";

/** The methods of a store for express-session or @fastify/session that are used. */
export interface LegacyStore {
  get(id: string, callback: (error?: unknown, session?: object | null) => void): unknown;
  set(id: string, session: object, callback: (error?: unknown) => void): unknown;
  destroy(id: string, callback: (error?: unknown) => void): unknown;
  touch?(id: string, session: object, callback: (error?: unknown) => void): unknown;
}

/** A session as such a store has it. */
export interface LegacyRecord {
  cookie: { expires?: Date | string | null; originalMaxAge?: number | null };
  [key: string]: unknown;
}

export interface StoredOptions extends LegacyOptions {
  /** The old application's own. Of an array, the first one signs and all verify. */
  secret: string | readonly string[];
  /** The old application's store, such as `new RedisStore({ client })`. It is used and never closed. */
  store: LegacyStore;
  /** The cookie's attributes, as the old application has them. `maxAge` in milliseconds. */
  cookie?: LegacyCookieOptions;
  /** True if the old application extends the cookie with each use. Default: as the package has it. */
  rolling?: boolean;
}

export const STORED_NAMES: OptionNames<StoredOptions> = {
  secret: true,
  store: true,
  cookie: true,
  rolling: "boolean",
  ...LEGACY_NAMES,
};

export interface StoredTraits {
  readonly package: string;
  readonly name: string;
  readonly nameOption: string;
  readonly prefix: string;
  readonly rolling: boolean;
  /** False: each use saves the whole record, so that the end in it always holds. True: uses may be in the store's TTL alone. */
  readonly touches: boolean;
}

const ID_BYTES = 24;

export function storedSource(options: StoredOptions, traits: StoredTraits): LegacySource {
  const keys = checkedSecrets("secret", options.secret).map(signingKey);
  const name = checkedName(traits.nameOption, traits.name);
  const { store, cookie = {}, rolling = traits.rolling } = options;
  const { prefix } = traits;
  for (const method of ["get", "set", "destroy"] as const) {
    if (typeof store?.[method] !== "function") {
      throw new OptionError("store", store, `it has no ${method}(): give the store of the old application.`);
    }
  }
  const lifetime = typeof cookie.maxAge === "number" ? cookie.maxAge : null;

  function cookies(id: string): string[] {
    const value = encodeURIComponent(prefix + sign(id, keys[0]!));
    return [setCookie(name, value, cookie, lifetime === null ? undefined : lifetime / 1000)];
  }

  return legacySource(options, {
    package: traits.package,
    inCookie: false,
    attributes: cookie,
    isPresent: (header) => cookieValues(header, name).length > 0,

    find(header) {
      for (const value of cookieValues(header, name)) {
        const id = value.startsWith(prefix) ? unsign(value.slice(prefix.length), keys) : undefined;
        if (id) return id;
      }
      return undefined;
    },

    async read(id) {
      const record = (await answer((done) => store.get(id, done)).catch(undefinedIfMissing)) as LegacyRecord | null;
      if (!record?.cookie) return undefined;
      const { cookie, ...data } = record;
      const endsAt = cookie.expires ? new Date(cookie.expires).getTime() : undefined;
      // Otherwise it is that of the last save, and a later use has moved the end on in the store alone.
      const isEnd = !rolling || !traits.touches;
      if (isEnd && endsAt !== undefined && !(endsAt > Date.now())) return undefined;
      // Some stores give the session itself, with methods and what is not JSON.
      return { data: JSON.parse(JSON.stringify(data)), endsAt, rolls: rolling, meta: cookie };
    },

    async write(data, found, former) {
      const id = found ?? randomBytes(ID_BYTES).toString("base64url");
      await answer((done) => store.set(id, recordOf(data, former), done));
      return { found: id, cookies: found === undefined || rolling ? cookies(id) : [] };
    },

    async touch(id, old) {
      if (!traits.touches) await extend(id, old);
      else if (store.touch !== undefined) {
        await answer((done) => store.touch!(id, recordOf({ ...old.data }, old), done));
      }
    },

    async end(id) {
      await answer((done) => store.destroy(id, done));
    },

    cookies,
    clear: () => [removeCookie(name, cookie)],
  });

  /** Moves the end in the record on. What an old server has written since has to stay. */
  async function extend(id: string, { endsAt, meta }: OldSession): Promise<void> {
    const life = (meta as LegacyRecord["cookie"]).originalMaxAge;
    if (!rolling || typeof life !== "number" || (endsAt ?? 0) - Date.now() > EXTEND_BELOW * life) return;
    const record = (await answer((done) => store.get(id, done))) as LegacyRecord | null | undefined;
    if (!record?.cookie) return;
    const { cookie, ...data } = record;
    await answer((done) => store.set(id, recordOf(data, { data, endsAt, rolls: true, meta: cookie }), done));
  }

  /** The package's own record. Its end moves on where the package would move it on. */
  function recordOf(data: Record<string, unknown>, former: OldSession | undefined): LegacyRecord {
    const known = former?.meta as LegacyRecord["cookie"] | undefined;
    const originalMaxAge = known === undefined ? lifetime : (known.originalMaxAge ?? null);
    const expires = typeof originalMaxAge === "number" ? new Date(Date.now() + originalMaxAge) : null;
    const { maxAge: _, ...attributes } = cookie;
    return { ...data, cookie: { path: "/", httpOnly: true, ...attributes, ...known, originalMaxAge, expires } };
  }
}

/** The result of a call that answers by callback. Some stores return a promise that rejects instead of calling back. */
function answer(call: (done: (error?: unknown, result?: object | null) => void) => unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const returned = call((error, result) => (error ? reject(error) : resolve(result)));
    if (returned instanceof Promise) returned.catch(reject);
  });
}

/** For ENOENT, which some file stores give for "no such session". */
function undefinedIfMissing(error: { code?: unknown } | undefined): undefined {
  if (error?.code !== "ENOENT") throw error;
}
