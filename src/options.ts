// The options of createSessions: types, checks, and every default (timeouts, lease, sweep interval, sizes).

import type { AnyResolver, KeyRules, Resolvers } from "./commit/merge.ts";
import {
  type CookieOptions,
  EXPIRY_BYTES,
  MAX_SEALED_SESSION,
  type SessionCookie,
  sessionCookie,
} from "./cookies/session-cookie.ts";
import { DEFAULT_APPLICATION } from "./cookies/ticket.ts";
import { checkedTransport, type HeaderTransport } from "./cookies/ticket-header.ts";
import { Description, OptionError } from "./errors.ts";
import type { LegacySource } from "./legacy/source.ts";
import type { LeaseLimits } from "./locking/lease.ts";
import { limitOf, type MaxPerOwner } from "./owners/limit.ts";
import { CIPHERS, type CipherName, DEFAULT_CIPHER, type Encryption, sealBytes } from "./records/cipher.ts";
import { type CompressOptions, checkCompress } from "./records/compression.ts";
import { type PolicyName, timeoutsOf } from "./records/policy.ts";
import { MIN_SECRET, secretsOf } from "./records/secrets.ts";
import { encode } from "./records/value-codec.ts";
import { MODES, type Mode } from "./session.ts";
import type { SessionStore } from "./store.ts";
import { type Duration, milliseconds } from "./util/duration.ts";
import { FOREIGN_OPTIONS } from "./util/foreign-options.ts";
import { nameProblems, type OptionNames } from "./util/option-names.ts";

export interface SessionsOptions<Data extends object> {
  /** Where sessions are kept. Default: `memory()`, in this process. */
  store?: SessionStore;
  /**
   * What tickets and records are sealed with: at least 32 characters that nobody can guess. An array rotates secrets: the
   * first one seals, all of them open. It may be left out only with an in-process store: each process then makes its own.
   */
  secret?: string | readonly string[];
  /**
   * Keeps applications apart that share a secret, or a store: none knows another's tickets, records or owners. All servers
   * of one application need the same. Default: `cookie.name`, or `"sid"`.
   */
  application?: string;
  /**
   * Timeouts by a policy: `"aal1"`, `"aal2"`, `"aal3"` of NIST SP 800-63B-4, or `"aspnet"`. Own timeouts go over it, and
   * `sessions.policyReport()` says what it asks and what the application has. Default: none.
   */
  policy?: PolicyName;
  /** A session ends when no request uses it for this long. Default: as the policy, or `"20m"`. */
  idleTimeout?: Duration;
  /**
   * A session ends this long after it began, or its owner was last authenticated, used or not. Default: as the policy, or
   * `"30d"`.
   */
  absoluteTimeout?: Duration;
  /**
   * A session's ticket is renewed by the next request once it is this old. The former one is good for 30 seconds after the
   * browser has brought the new one, for requests that were under way. Default: never, but by `regenerate`.
   */
  renewAfter?: Duration;
  /** How the ticket travels. */
  cookie?: CookieOptions;
  /**
   * Lets clients without cookies send their ticket in a header: `header("x-session")`. Default: cookies only.
   */
  transport?: HeaderTransport;
  /** How records are sealed. Default: `"server"`, and `"off"` with an in-process store. */
  encryption?: Encryption;
  /**
   * The cipher of records that are sealed from now on. `"xchacha20-poly1305"` needs the package `sodium-native`, and takes
   * a quarter of the time; install it on every server first. Default: `"aes-256-gcm"`, by the platform.
   */
  cipher?: CipherName;
  /**
   * Compresses sessions of 1 KiB and more before they are sealed, for every store. Compressed and plain sessions can be
   * read at any time. Compressed size can reveal repeated text (CRIME, BREACH): leave compression off where a secret stands
   * beside attacker-controlled text. Default: false.
   */
  compress?: boolean | CompressOptions;
  /**
   * How a request uses its session unless its route says otherwise. `"off"`, for the whole application: no cookie is read
   * or set, the store is not asked, sessions are empty, and writing to one throws. Default: `"merge"`.
   */
  mode?: Mode | "off";
  /** The bounds of mode `"exclusive"`, and of `session.once`. */
  exclusive?: ExclusiveOptions;
  /** What becomes of a key that two requests change at the same time. Default: the last writer wins. */
  merge?: Resolvers<Data>;
  /** The value of a key before it is set. Each session gets its own copy. */
  initial?: { readonly [Key in keyof Data]?: Data[Key] };
  /**
   * How many sessions an owner may have at the same time: a number, whose oldest one ends when another would be too many, or
   * `{ limit, when }`. It holds for logins from now on. Default: no limit.
   */
  maxPerOwner?: number | MaxPerOwner;
  /** The largest session, in bytes. Default: 1 MiB (1048576); in a sealed cookie 2900, or what its name leaves. */
  maxSize?: number;
  /** How long a call to the store may take, retries included. Default: `"5s"`. */
  storeTimeout?: Duration;
  /**
   * While the store is down: `"fail"`, `open` throws a StoreError (adapters answer 503); `"anonymous"`, the request goes
   * on with an empty session that refuses to be changed. Default: `"fail"`.
   */
  onStoreError?: "fail" | "anonymous";
  /**
   * Sessions of other packages, which are taken over while the application runs: `[expressSession({ secret, store })]`, and
   * the others of `coatcheck/legacy`. Needs a store on the server. Default: none.
   */
  legacy?: readonly LegacySource[];
  /**
   * How often expired sessions are removed, if the store needs that. Every server may do it: no session is removed twice.
   * Default: `"30s"`. False: only when `sweep()` is called.
   */
  sweepInterval?: Duration | false;
}

export interface ExclusiveOptions {
  /**
   * How long a lease lasts unless it is renewed, which happens automatically while the request runs. A crashed server
   * keeps other requests waiting for this long. At least a second. Default: `"10s"`.
   */
  lease?: Duration;
  /** How long a request may hold the session, renewals included. Default: `"110s"`, as in ASP.NET. */
  maxHold?: Duration;
  /** How long a request waits for the session; then LockTimeoutError, answered 503. Default: `"30s"`. */
  maxWait?: Duration;
  /** How many requests of one process may wait for one session; then QueueFullError, answered 429. Default: 100. */
  maxQueue?: number;
}

const SHORTEST_LEASE = 1_000;
// A record has no room for more.
const LONGEST_LEASE = 2 ** 31;
// Bytes of a session in a cookie, beside which hardly any would be left for its values.
const MIN_SEALED_SESSION = 256;
/**
 * The options with defaults filled in.
 * @throws OptionError with every option that is wrong.
 */
export function checkOptions<Data extends object>(options: SessionsOptions<Data>, store: SessionStore) {
  const problems: string[] = [];
  const settings = readOptions(options, store, problems);
  if (problems.length > 0) throw new OptionError(problems);
  return settings;
}

/** What is wrong with the options, each problem in one sentence. A secret may be missing: code may add one. */
export function optionProblems<Data extends object>(options: SessionsOptions<Data>, store: SessionStore): string[] {
  const problems: string[] = [];
  readOptions({ secret: "x".repeat(MIN_SECRET), ...options }, store, problems);
  return problems;
}

function readOptions<Data extends object>(options: SessionsOptions<Data>, store: SessionStore, problems: string[]) {
  /** Goes on with `fallback` after a problem, so that the others are found, too. */
  function attempt<Value>(read: () => Value, fallback: Value): Value {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof OptionError)) throw error;
      problems.push(...error.problems);
      return fallback;
    }
  }
  problems.push(...nameProblems("createSessions()", options, namesFor(options), FOREIGN_OPTIONS));
  if (typeof options !== "object" || options === null) throw new OptionError(problems);
  attempt(() => checkStore(options.store), undefined);

  const { mode = "merge", encryption = store.inProcess ? "off" : "server", onStoreError = "fail" } = options;
  attempt(() => oneOf("mode", mode, [...MODES, "off"]), undefined);
  attempt(() => oneOf("encryption", encryption, ["server", "ticket", "off"]), undefined);
  const { cipher = DEFAULT_CIPHER } = options;
  attempt(() => oneOf("cipher", cipher, CIPHERS), undefined);
  attempt(() => oneOf("onStoreError", onStoreError, ["fail", "anonymous"]), undefined);
  attempt(() => checkMaxSize(options.maxSize), undefined);
  // Both are checked here, with the other options, and made where they are used.
  const cookie = attempt(() => sessionCookie(objectOr(options.cookie, {})), undefined);
  attempt(() => checkCompress(options.compress), undefined);
  const cookieRoom = cookie === undefined ? MAX_SEALED_SESSION : sealedRoom(cookie.room, cipher);
  const {
    maxSize = store.inCookie ? Math.max(cookieRoom, MIN_SEALED_SESSION) : 1024 * 1024,
    initial = {},
    merge = {},
    sweepInterval = "30s",
  } = options;
  if (store.inCookie) attempt(() => checkCarried(mode, encryption, maxSize, cookieRoom), undefined);
  const timeouts = attempt(() => timeoutsOf(options), { idleTimeout: 0, absoluteTimeout: 0 });
  return {
    mode,
    encryption,
    cipherName: cipher,
    onStoreError,
    maxSize,
    application: attempt(() => applicationOf(options), ""),
    policy: options.policy,
    renewAfter: attempt(() => renewalAge(options.renewAfter, store), undefined),
    maxPerOwner: attempt(() => limitOf(options.maxPerOwner, store), undefined),
    ...timeouts,
    leaseLimits: attempt(() => leaseLimits(objectOr(options.exclusive, {})), NO_LEASES),
    transport: attempt(() => checkedTransport(options.transport), undefined),
    legacy: attempt(() => legacyOf(options.legacy, store, cookie), []),
    secrets: attempt(() => secretsOf(options.secret, store), []),
    rules: keyRules(initial, merge, maxSize, attempt),
    storeTimeout: attempt(() => milliseconds("storeTimeout", options.storeTimeout ?? "5s"), 0),
    sweepInterval:
      sweepInterval === false ? undefined : attempt(() => milliseconds("sweepInterval", sweepInterval), undefined),
  };
}

type Attempt = <Value>(read: () => Value, fallback: Value) => Value;

/** In place of limits that are wrong. */
const NO_LEASES: LeaseLimits = { lease: 0, maxHold: 0, maxWait: 0, maxQueue: 0 };

const COOKIE_NAMES: OptionNames<CookieOptions> = {
  name: true,
  secure: true,
  sameSite: true,
  path: true,
  domain: true,
  maxAge: true,
  partitioned: "boolean",
};
const TRANSPORT_NAMES: OptionNames<HeaderTransport> = { header: true, cookies: "boolean" };
const EXCLUSIVE_NAMES: OptionNames<ExclusiveOptions> = { lease: true, maxHold: true, maxWait: true, maxQueue: true };
const COMPRESS_NAMES: OptionNames<CompressOptions> = { threshold: true, algorithm: true };

function namesFor<Data extends object>(options: SessionsOptions<Data>): OptionNames<SessionsOptions<Data>> {
  return {
    store: true,
    secret: true,
    policy: true,
    idleTimeout: true,
    absoluteTimeout: true,
    renewAfter: true,
    application: true,
    cookie: COOKIE_NAMES,
    transport: TRANSPORT_NAMES,
    encryption: true,
    cipher: true,
    compress: typeof options?.compress === "object" ? COMPRESS_NAMES : true,
    mode: true,
    exclusive: EXCLUSIVE_NAMES,
    merge: true,
    initial: true,
    maxPerOwner: true,
    maxSize: true,
    storeTimeout: true,
    onStoreError: true,
    legacy: true,
    sweepInterval: true,
  };
}

/** Methods by which a value that is no store is recognized, and what to do with it. */
const NOT_STORES: readonly (readonly [methods: readonly string[], fix: string])[] = [
  [["then"], "it is a promise: await it first."],
  [["sendCommand"], "it is a client of Redis: give redis({ client }) of coatcheck/redis."],
  [
    ["get", "set", "destroy"],
    "it is a store for express-session: give fromExpressStore(store) of coatcheck/express-store.",
  ],
  [["getItem", "setItem"], "it is a storage of unstorage: give fromUnstorage(storage) of coatcheck/unstorage."],
  [["open", "openMaybeSync"], "these are sessions, made by createSessions(): give their store."],
];
const A_STORE = 'give a store, such as redis({ url: "redis://localhost:6379" }) of coatcheck/redis.';

function checkStore(store: unknown): void {
  if (store === undefined) return;
  if (typeof store === "function") throw new OptionError("store", store, "call it, as in store: redis({ … }).");
  if (typeof store !== "object" || store === null) throw new OptionError("store", store, A_STORE);
  const has = (method: string) => typeof (store as Record<string, unknown>)[method] === "function";
  const missing = ["read", "create", "update", "delete", "touch", "close"].find((method) => !has(method));
  if (missing === undefined) return;
  const [, fix] = NOT_STORES.find(([methods]) => methods.every(has)) ?? [];
  throw new OptionError("store", store, fix ?? `it has no ${missing}(): ${A_STORE}`);
}

function checkMaxSize(maxSize: number | undefined): void {
  if (maxSize === undefined) return;
  if (!Number.isInteger(maxSize) || maxSize <= 0) throw new OptionError("maxSize", maxSize, "give a number of bytes.");
}

function legacyOf(
  legacy: readonly LegacySource[] | undefined,
  store: SessionStore,
  cookie: SessionCookie | undefined,
): readonly LegacySource[] {
  if (legacy === undefined) return [];
  const isSource = (one: LegacySource) => typeof one?.find === "function" && typeof one.read === "function";
  if (!Array.isArray(legacy) || !legacy.every(isSource)) {
    throw new OptionError("legacy", legacy, "give an array, such as [expressSession({ … })] of coatcheck/legacy.");
  }
  if (new Set(legacy.map((one: LegacySource) => one.package)).size < legacy.length) {
    throw new OptionError("legacy", legacy, "it has a package twice: give each once.");
  }
  if (store.inCookie && legacy.length > 0) {
    throw new OptionError(
      "legacy",
      legacy,
      "a sealed cookie can't remember which sessions have moved: use a store on the server.",
    );
  }
  for (const isSecure of [true, false]) {
    const pair = cookie?.issue("1", isSecure).split(";", 1)[0] ?? "";
    const clash = legacy.find((one: LegacySource) => one.isPresent(pair));
    if (clash !== undefined) {
      const why = `the cookie of ${clash.package} has that name, and a browser keeps one of the two.`;
      throw new OptionError("cookie.name", pair.slice(0, -2), `${why} Choose another one.`);
    }
  }
  return legacy;
}

function applicationOf<Data extends object>(options: SessionsOptions<Data>): string {
  const application = options.application ?? options.cookie?.name ?? DEFAULT_APPLICATION;
  if (typeof application !== "string" || application === "") {
    throw new OptionError("application", application, "give the application a name, the same on all of its servers.");
  }
  return application;
}

/** The most bytes of a session for which a cookie has room, in as many characters. */
function sealedRoom(chars: number, cipher: CipherName): number {
  return Math.min(MAX_SEALED_SESSION, Math.floor((chars * 3) / 4) - sealBytes(cipher) - EXPIRY_BYTES);
}

function checkCarried(mode: string, encryption: Encryption, maxSize: number, cookieRoom: number): void {
  if (encryption === "off")
    throw new OptionError(
      "encryption",
      "off",
      'a cookie that is not sealed shows the session to the browser: leave it out, or use "server" or "ticket".',
    );
  if (cookieRoom < MIN_SEALED_SESSION) {
    throw new OptionError(
      "cookie",
      new Description("too long for a session in it"),
      `shorten its name, path or domain: with the ticket, a browser takes 4096 bytes.`,
    );
  }
  if (maxSize > cookieRoom) {
    throw new OptionError("maxSize", maxSize, `this cookie has room for ${cookieRoom} bytes of a session.`);
  }
  if (mode === "exclusive")
    throw new OptionError("mode", mode, "a session in a cookie can't be locked: use a server-side store.");
}

function leaseLimits({
  lease = "10s",
  maxHold = "110s",
  maxWait = "30s",
  maxQueue = 100,
}: ExclusiveOptions = {}): LeaseLimits {
  const limits = {
    lease: milliseconds("exclusive.lease", lease),
    maxHold: milliseconds("exclusive.maxHold", maxHold),
    maxWait: milliseconds("exclusive.maxWait", maxWait),
    maxQueue,
  };
  if (limits.lease < SHORTEST_LEASE || limits.lease > LONGEST_LEASE) {
    throw new OptionError("exclusive.lease", lease, 'give a span from "1s" to "24d"; "10s" is usual.');
  }
  if (!Number.isInteger(maxQueue) || maxQueue < 0) {
    throw new OptionError("exclusive.maxQueue", maxQueue, "give a number of requests, or 0 if none may wait.");
  }
  return limits;
}

function renewalAge(renewAfter: Duration | undefined, store: SessionStore): number | undefined {
  if (renewAfter === undefined) return undefined;
  if (store.inCookie) {
    throw new OptionError("renewAfter", renewAfter, "a copy of a cookie stays valid: use a server-side store.");
  }
  return milliseconds("renewAfter", renewAfter);
}

function keyRules(initial: object, merge: object, maxSize: number, attempt: Attempt): KeyRules {
  const rules = {
    initial: new Map<string, string>(),
    resolvers: new Map<string, AnyResolver>(),
    maxSize,
    now: Date.now,
  };
  for (const [key, resolver] of Object.entries(merge)) {
    if (typeof resolver !== "function") {
      attempt(() => oneOf(`merge.${key}`, resolver, ["counter", "append", "union"]), undefined);
    }
    rules.resolvers.set(key, resolver);
  }
  for (const [key, value] of Object.entries(initial)) {
    attempt(() => rules.initial.set(key, initialValue(key, value)), undefined);
  }
  return rules;
}

function initialValue(key: string, value: unknown): string {
  try {
    return encode(key, value);
  } catch (error) {
    throw new OptionError(`initial.${key}`, value, (error as Error).message);
  }
}

function oneOf(option: string, value: unknown, allowed: readonly string[]): void {
  if (!allowed.includes(value as string)) {
    throw new OptionError(option, value, `use ${allowed.map((one) => `"${one}"`).join(", ")}.`);
  }
}

function objectOr<Value extends object>(value: Value | undefined, fallback: Value): Value {
  return typeof value === "object" && value !== null ? value : fallback;
}
