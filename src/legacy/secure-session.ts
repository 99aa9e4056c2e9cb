// Sessions of @fastify/secure-session.

import { createRequire } from "node:module";
import { CoatcheckError, OptionError } from "../errors.ts";
import { checkNames } from "../util/option-names.ts";
import { checkedName, cookieValues, removeCookie, setCookie } from "./cookies.ts";
import {
  LEGACY_NAMES,
  type LegacyCookieOptions,
  type LegacyOptions,
  type LegacySource,
  legacySource,
} from "./source.ts";

export interface LegacySecureSessionOptions extends LegacyOptions {
  /** The old application's own: 32 bytes. Of an array, the first one seals and all open. */
  key?: Uint8Array | readonly Uint8Array[];
  /** In place of `key`, together with `salt`, as the old application has it. */
  secret?: string | Uint8Array;
  /** 16 bytes. */
  salt?: string | Uint8Array;
  /** The cookie's name, or the session's if the cookie has none of its own. Default: `"session"`. */
  cookieName?: string;
  /** Seconds that a session lasts, as the old application has it. Default: a day. */
  expiry?: number;
  /** The cookie's attributes, as the old application has them. `maxAge` in seconds. */
  cookie?: LegacyCookieOptions;
}

/** What is used of sodium-native. */
interface Sodium {
  readonly crypto_pwhash_OPSLIMIT_MODERATE: number;
  readonly crypto_pwhash_MEMLIMIT_MODERATE: number;
  readonly crypto_pwhash_ALG_DEFAULT: number;
  crypto_pwhash(key: Buffer, secret: Buffer, salt: Buffer, ops: number, memory: number, algorithm: number): void;
  crypto_secretbox_open_easy(text: Buffer, sealed: Buffer, nonce: Buffer, key: Buffer): boolean;
  crypto_secretbox_easy(sealed: Buffer, text: Buffer, nonce: Buffer, key: Buffer): void;
  randombytes_buf(bytes: Buffer): void;
}

const KEY_BYTES = 32;
const SALT_BYTES = 16;
const NONCE_BYTES = 24;
const MAC_BYTES = 16;
const DAY_SECONDS = 86_400;
const SEALED = /^([\w+/]+={0,2});([\w+/]+={0,2})$/;

/**
 * Takes over the sessions of @fastify/secure-session: `createSessions({ legacy: [secureSession({ key })] })`. libsodium opens
 * the seals, in the package `sodium-native`, which that package has brought along.
 *
 * @throws OptionError if an option is wrong.
 * @throws CoatcheckError (`COATCHECK_PEER`) if sodium-native can't be loaded.
 */
export function secureSession(options: LegacySecureSessionOptions): LegacySource {
  checkNames("secureSession()", options, {
    key: true,
    secret: true,
    salt: true,
    cookieName: true,
    expiry: true,
    cookie: true,
    ...LEGACY_NAMES,
  });
  const sodium = loadSodium();
  const keys = keysOf(sodium, options);
  const { expiry = DAY_SECONDS, cookie: attributes = {} } = options;
  const name = checkedName("cookieName", options.cookieName ?? "session");
  const cookies = (text: string) => [
    setCookie(name, encodeURIComponent(text), { sameSite: "lax", ...attributes }, attributes.maxAge ?? undefined),
  ];

  return legacySource(options, {
    package: "@fastify/secure-session",
    inCookie: true,
    attributes,
    isPresent: (header) => cookieValues(header, name).length > 0,
    find: (header) => cookieValues(header, name).find((text) => opened(sodium, keys, text) !== undefined),
    identity: (text) =>
      partsOf(text)
        .map((part) => part.toString("base64"))
        .join(), // base64 has spare bits

    async read(text) {
      const record = opened(sodium, keys, text);
      if (record === undefined) return undefined;
      const { __ts, ...data } = record;
      if (typeof __ts !== "number") return { data, endsAt: undefined, rolls: false, meta: undefined };
      const endsAt = (__ts + expiry) * 1000;
      return endsAt <= Date.now() ? undefined : { data, endsAt, rolls: false, meta: __ts };
    },

    async write(data, _found, former) {
      const began = typeof former?.meta === "number" ? former.meta : Math.round(Date.now() / 1000);
      const text = sealed(sodium, keys[0]!, { __ts: began, ...data });
      return { found: text, cookies: cookies(text) };
    },

    async touch() {},
    async end() {},
    cookies,
    clear: () => [removeCookie(name, attributes)],
  });
}

function loadSodium(): Sodium {
  try {
    return createRequire(import.meta.url)("sodium-native") as Sodium;
  } catch (cause) {
    throw new CoatcheckError(
      "COATCHECK_PEER",
      'coatcheck: secureSession() needs the package "sodium-native": npm install sodium-native',
      { cause },
    );
  }
}

function keysOf(sodium: Sodium, { key, secret, salt }: LegacySecureSessionOptions): readonly Buffer[] {
  if (key !== undefined) {
    const keys = key instanceof Uint8Array ? [key] : key;
    if (Array.isArray(keys) && keys.length > 0 && keys.every((one) => isBytes(one, KEY_BYTES))) {
      return keys.map((one) => Buffer.from(one));
    }
    throw new OptionError("key", key, `give the old application's own: ${KEY_BYTES} bytes, or an array of such.`);
  }
  const saltBytes = Buffer.from(salt ?? "");
  if (secret === undefined || saltBytes.length !== SALT_BYTES) {
    throw new OptionError(
      "key",
      key,
      `give the old application's key, or its secret and its salt of ${SALT_BYTES} bytes.`,
    );
  }
  const derived = Buffer.allocUnsafe(KEY_BYTES);
  sodium.crypto_pwhash(
    derived,
    Buffer.from(secret),
    saltBytes,
    sodium.crypto_pwhash_OPSLIMIT_MODERATE,
    sodium.crypto_pwhash_MEMLIMIT_MODERATE,
    sodium.crypto_pwhash_ALG_DEFAULT,
  );
  return [derived];
}

function isBytes(value: unknown, length: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === length;
}

function partsOf(text: string): [box: Buffer, nonce: Buffer] {
  const [, box = "", nonce = ""] = SEALED.exec(text) ?? [];
  return [Buffer.from(box, "base64"), Buffer.from(nonce, "base64")];
}

/** Undefined: none of the keys has sealed it. */
function opened(sodium: Sodium, keys: readonly Buffer[], text: string): Record<string, unknown> | undefined {
  const [box, nonce] = partsOf(text);
  if (box.length <= MAC_BYTES || nonce.length !== NONCE_BYTES) return undefined;
  const json = Buffer.allocUnsafe(box.length - MAC_BYTES);
  if (!keys.some((key) => sodium.crypto_secretbox_open_easy(json, box, nonce, key))) return undefined;
  try {
    return JSON.parse(json.toString()) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function sealed(sodium: Sodium, key: Buffer, data: object): string {
  const json = Buffer.from(JSON.stringify(data));
  const nonce = Buffer.allocUnsafe(NONCE_BYTES);
  sodium.randombytes_buf(nonce);
  const box = Buffer.allocUnsafe(json.length + MAC_BYTES);
  sodium.crypto_secretbox_easy(box, json, nonce, key);
  return `${box.toString("base64")};${nonce.toString("base64")}`;
}
