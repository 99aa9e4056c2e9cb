import { MAX_CARRIED } from "./carried.ts";
import type { AnyResolver, KeyRules, Resolvers } from "./changes.ts";
import type { Encryption } from "./cipher.ts";
import { encode } from "./codec.ts";
import type { CompressOptions } from "./compression.ts";
import type { CookieOptions } from "./cookie.ts";
import { type Duration, milliseconds } from "./duration.ts";
import { OptionError } from "./errors.ts";
import type { LeaseLimits } from "./lease.ts";
import { MODES, type Mode } from "./session.ts";
import type { SessionStore } from "./store.ts";

export interface SessionsOptions<Data extends object> {
  /** Where sessions are kept. Default: `memory()`, in this process. */
  store?: SessionStore;
  /**
   * What tickets and records are sealed with: at least 32 characters that nobody can guess. An array rotates: the first
   * seals, all of them open. May be left out only with an in-process store; each process then makes its own.
   */
  secret?: string | readonly string[];
  /** A session ends when no request uses it for so long. Default: `"20m"`. */
  idleTimeout?: Duration;
  /** A session ends so long after it began, used or not. Default: `"30d"`. */
  absoluteTimeout?: Duration;
  /** How the ticket travels. */
  cookie?: CookieOptions;
  /** How records are sealed. Default: `"server"`, and `"off"` with an in-process store. */
  encryption?: Encryption;
  /**
   * Packs sessions of 1 KiB and more before they are sealed, for every store. Packed and plain ones can be read at any
   * time. A packed size tells who can watch it whether two parts of a session are alike: leave it off where a secret
   * stands beside text that others choose. Default: false.
   */
  compress?: boolean | CompressOptions;
  /**
   * How a request uses its session unless its route says otherwise. `"off"`, for the whole application: no cookie is read
   * or set, no store asked, sessions are empty, and writing to one throws. Default: `"merge"`.
   */
  mode?: Mode | "off";
  /** The bounds of mode `"exclusive"`. */
  exclusive?: ExclusiveOptions;
  /** What becomes of a key that two requests change at the same time. Default: the last writer wins. */
  merge?: Resolvers<Data>;
  /** What a key is before it is set. Each session gets a copy of its own. */
  initial?: { readonly [Key in keyof Data]?: Data[Key] };
  /** The most bytes of one session. Default: 1 MiB (1048576). */
  maxSize?: number;
  /** How long one call to the store may take. Default: `"5s"`. */
  storeTimeout?: Duration;
  /**
   * While the store is down: `"fail"`, `open` throws a StoreError (adapters answer 503); `"anonymous"`, the request goes
   * on with an empty session that refuses to be changed. Default: `"fail"`.
   */
  onStoreError?: "fail" | "anonymous";
  /**
   * How often expired sessions are removed, if the store needs that done. Every server may do it; none is done twice.
   * Default: `"30s"`. False: only when `sweep()` is called.
   */
  sweepInterval?: Duration | false;
}

export interface ExclusiveOptions {
  /**
   * How long a request has the session to itself unless it renews its claim, which happens by itself while it runs: so
   * long a crashed server keeps others waiting. At least a second. Default: `"10s"`.
   */
  lease?: Duration;
  /** How long a request may keep the session to itself, renewals and all. Default: `"110s"`, as in ASP.NET. */
  maxHold?: Duration;
  /** How long a request waits for the session; then LockTimeoutError, answered 503. Default: `"30s"`. */
  maxWait?: Duration;
  /** How many requests of one process may wait for one session; then QueueFullError, answered 429. Default: 100. */
  maxQueue?: number;
}

const SHORTEST_LEASE = 1_000;
// More does not fit into a record.
const LONGEST_LEASE = 2 ** 31;
const MIN_SECRET = 32;
const MAKE_ONE = `make one with: node -e "console.log(crypto.randomBytes(32).toString('base64url'))"`;

/** The options with defaults filled in. @throws OptionError */
export function checkOptions<Data extends object>(options: SessionsOptions<Data>, store: SessionStore) {
  const { mode = "merge", encryption = store.inProcess ? "off" : "server", onStoreError = "fail" } = options;
  oneOf("mode", mode, [...MODES, "off"]);
  oneOf("encryption", encryption, ["server", "ticket", "off"]);
  oneOf("onStoreError", onStoreError, ["fail", "anonymous"]);
  const {
    maxSize = store.inCookie ? MAX_CARRIED : 1024 * 1024,
    initial = {},
    merge = {},
    sweepInterval = "30s",
  } = options;
  if (!Number.isInteger(maxSize) || maxSize <= 0) throw new OptionError("maxSize", maxSize, "give a number of bytes.");
  if (store.inCookie) checkCarried(mode, encryption, maxSize);
  const idleTimeout = milliseconds("idleTimeout", options.idleTimeout ?? "20m");
  const absoluteTimeout = milliseconds("absoluteTimeout", options.absoluteTimeout ?? "30d");
  if (idleTimeout > absoluteTimeout) {
    throw new OptionError(
      "idleTimeout",
      options.idleTimeout,
      `it is longer than absoluteTimeout (${options.absoluteTimeout ?? "30d"}): raise that, or lower this.`,
    );
  }
  return {
    mode,
    encryption,
    onStoreError,
    maxSize,
    idleTimeout,
    absoluteTimeout,
    leaseLimits: leaseLimits(options.exclusive),
    secrets: secretsOf(options.secret, store),
    rules: keyRules(initial, merge),
    storeTimeout: milliseconds("storeTimeout", options.storeTimeout ?? "5s"),
    sweepInterval: sweepInterval === false ? undefined : milliseconds("sweepInterval", sweepInterval),
  };
}

function checkCarried(mode: string, encryption: Encryption, maxSize: number): void {
  if (encryption === "off") throw new OptionError("encryption", "off", "the browser would read what it carries.");
  if (maxSize > MAX_CARRIED) {
    throw new OptionError("maxSize", maxSize, `a cookie has room for ${MAX_CARRIED} bytes of a session.`);
  }
  if (mode === "exclusive") throw new OptionError("mode", mode, "a session in a cookie can't be locked: take a store.");
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

function keyRules(initial: object, merge: object): KeyRules {
  const rules = { initial: new Map<string, string>(), resolvers: new Map<string, AnyResolver>() };
  for (const [key, resolver] of Object.entries(merge)) {
    if (typeof resolver !== "function") oneOf(`merge.${key}`, resolver, ["counter", "append", "union"]);
    rules.resolvers.set(key, resolver);
  }
  for (const [key, value] of Object.entries(initial)) {
    try {
      rules.initial.set(key, encode(key, value));
    } catch (error) {
      throw new OptionError(`initial.${key}`, value, (error as Error).message);
    }
  }
  return rules;
}

function secretsOf(secret: string | readonly string[] | undefined, store: SessionStore): readonly string[] {
  if (secret === undefined) {
    if (store.inProcess) return [randomSecret()];
    throw new OptionError("secret", undefined, `this store is shared, so every server needs the same one; ${MAKE_ONE}`);
  }
  const secrets = typeof secret === "string" ? [secret] : secret;
  if (!Array.isArray(secrets) || secrets.length === 0) {
    throw new OptionError("secret", secret, `give a text, or an array of at least one; ${MAKE_ONE}`);
  }
  for (const one of secrets) {
    if (typeof one !== "string") throw new OptionError("secret", typeof one, `give a text; ${MAKE_ONE}`);
    if (one.length < MIN_SECRET) {
      throw new OptionError("secret", `${one.length} characters long`, `${MIN_SECRET} are the least; ${MAKE_ONE}`);
    }
  }
  return secrets;
}

function randomSecret(): string {
  process.emitWarning(
    "coatcheck: no secret given, so this process made one. Its sessions end with it, as its in-process store does.",
    { code: "COATCHECK_RANDOM_SECRET" },
  );
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");
}

function oneOf(option: string, value: unknown, allowed: readonly string[]): void {
  if (!allowed.includes(value as string)) {
    throw new OptionError(option, value, `use ${allowed.map((one) => `"${one}"`).join(", ")}.`);
  }
}
