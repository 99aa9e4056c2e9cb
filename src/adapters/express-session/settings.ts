// The options of session(), with their defaults, those of version 2, and what is wrong with them.

import type { KeyObject } from "node:crypto";
import { type Secret, signingKey } from "../../cookies/signature.ts";
import { OptionError, type SessionStore } from "../../index.ts";
import { type Duration, milliseconds } from "../../util/duration.ts";
import { randomIds } from "../../util/random-ids.ts";
import { CoatcheckStore, isCoatcheckStore } from "./coatcheck-store.ts";
import type { CookieOptions } from "./cookie.ts";
import { MemoryStore } from "./memory-store.ts";
import type { Session, SessionData, SessionRequest } from "./session.ts";
import type { Store } from "./store.ts";

/** The options of express-session, and below them those that coatcheck adds. */
export interface SessionOptions {
  /** Signs the cookie. Of an array the first one signs, and all verify. */
  secret?: Secret | readonly Secret[] | undefined;
  /** The cookie's name. Default: `"connect.sid"`. */
  name?: string | undefined;
  /** The older word for `name`. */
  key?: string | undefined;
  /** The cookie's attributes, or a function that gives those of a request's new session. */
  cookie?: CookieOptions | ((req: SessionRequest) => CookieOptions) | undefined;
  /** Gives a new session its id, also as a promise. Default: 24 random bytes. */
  genid?: ((req: SessionRequest) => string | Promise<string>) | undefined;
  /** True: `X-Forwarded-Proto` says whether the request came over https. Default: as Express's `trust proxy` has it. */
  proxy?: boolean | undefined;
  /**
   * Saves a session that has not changed, too. A coatcheck store does not need that, and is never asked to. Default: true, and
   * with `compat: 2` false.
   */
  resave?: boolean | undefined;
  /** Saves a new session in which nothing is. Default: true, and with `compat: 2` false. */
  saveUninitialized?: boolean | undefined;
  /** Sends the cookie with every response, so that it lasts `maxAge` from then. Default: false. */
  rolling?: boolean | undefined;
  /** `"destroy"`: `req.session = null` ends the session. Default: `"keep"`. */
  unset?: "destroy" | "keep" | undefined;
  /** A store for express-session, or one of coatcheck's: `redis({ … })`. Default: a `MemoryStore`. */
  store?: ExpressSessionStore | SessionStore | undefined;

  /**
   * 2: as the next version of express-session. `resave` and `saveUninitialized` are false, `secret` is needed, and a session
   * that is destroyed takes its cookie out of the browser. Default: 1.
   */
  compat?: 1 | 2 | undefined;
  /**
   * False, or a function that gives false: the request does not extend the session's life, unless it changes the session.
   * So a page that polls does not keep its user logged in. Default: true.
   */
  extend?: boolean | ((req: SessionRequest) => boolean | undefined) | undefined;
  /** For a coatcheck store: the user of a session, for `revokeAll`. Default: the one that Passport logged in. */
  owner?: ((session: Session & Partial<SessionData>) => string | undefined) | undefined;
  /** For a coatcheck store: how long a session lives whose cookie has no age. Default: `"1d"`. */
  ttl?: Duration | undefined;
  /** For a coatcheck store: `"server"` seals sessions under the secret. Default: `"server"`, and `"off"` in this process. */
  encryption?: "server" | "off" | undefined;
  /** For a coatcheck store: how long a call to it may take, retries included. Default: `"5s"`. */
  storeTimeout?: Duration | undefined;
}

/** The least that is needed of a store for express-session. */
export interface ExpressSessionStore {
  get(sid: string, callback: (error?: unknown, session?: unknown) => void): unknown;
  set(sid: string, session: unknown, callback?: (error?: unknown) => void): unknown;
  destroy(sid: string, callback?: (error?: unknown) => void): unknown;
}

export interface Settings {
  name: string;
  /** Empty: each request has to bring its own, `req.secret`. */
  keys: readonly KeyObject[];
  cookie: CookieOptions | ((req: SessionRequest) => CookieOptions);
  generateId: (req: SessionRequest) => string | Promise<string>;
  proxy: boolean | undefined;
  resave: boolean;
  saveUninitialized: boolean;
  rolling: boolean;
  unsetDestroys: boolean;
  /** The end of a session takes its cookie out of the browser. */
  expiresCookie: boolean;
  extends: (req: SessionRequest) => boolean;
  store: Store;
  /** A response must not say that all is well when its session could not be saved. */
  failsWithStore: boolean;
}

const ONLY_COATCHECK = ["owner", "ttl", "encryption", "storeTimeout"] as const;

/** @throws OptionError naming the option, its value and the fix. */
export function settingsFrom(options: SessionOptions = {}): Settings {
  const { compat = 1, genid, proxy, rolling = false, unset = "keep", extend = true } = options;
  if (compat !== 1 && compat !== 2) throw new OptionError("compat", compat, "it must be 1 or 2.");
  if (genid !== undefined && typeof genid !== "function") {
    throw new OptionError("genid", genid, "it must be a function that gives an id.");
  }
  if (unset !== "keep" && unset !== "destroy") throw new OptionError("unset", unset, 'it must be "destroy" or "keep".');
  if (typeof extend !== "boolean" && typeof extend !== "function") {
    throw new OptionError("extend", extend, "it must be true, false, or a function of the request.");
  }
  const keys = keysOf(options.secret);
  if (keys.length === 0) {
    if (compat === 2) throw new OptionError("secret", undefined, "it is required: a text that nobody can guess.");
    warn("COATCHECK_SECRET", "give session() the option secret; req.secret is deprecated");
  }
  const isOne = compat === 1;
  const given = options.store;
  const isOurs = isCoatcheckStore(given);
  for (const name of ["resave", "saveUninitialized"] as const) {
    if (isOne && options[name] === undefined && !(isOurs && name === "resave")) {
      warn(
        `COATCHECK_${name.toUpperCase()}`,
        `give session() the option ${name}, or compat: 2; its default will be false`,
      );
    }
  }
  if (!isOurs) {
    for (const name of ONLY_COATCHECK) {
      if (options[name] !== undefined) {
        throw new OptionError(
          name,
          options[name],
          "it needs a coatcheck store: store: redis({ … }) of coatcheck/redis.",
        );
      }
    }
  }
  return {
    name: options.name || options.key || "connect.sid",
    keys,
    cookie: options.cookie ?? {},
    generateId: genid ?? randomId,
    proxy,
    resave: !isOurs && (options.resave ?? isOne),
    saveUninitialized: options.saveUninitialized ?? isOne,
    rolling,
    unsetDestroys: unset === "destroy",
    expiresCookie: !isOne,
    extends: typeof extend === "function" ? (req) => extend(req) !== false : () => extend,
    store: isOurs ? coatcheckStore(given, options, keys) : expressStore(given),
    failsWithStore: isOurs,
  };
}

function keysOf(secret: SessionOptions["secret"]): KeyObject[] {
  const secrets = Array.isArray(secret) ? (secret as readonly Secret[]) : secret ? [secret as Secret] : [];
  if (Array.isArray(secret) && secrets.length === 0) {
    throw new OptionError("secret", secret, "the secret option array must contain one or more texts.");
  }
  return secrets.map(signingKey);
}

function expressStore(given: SessionOptions["store"]): Store {
  if (given === undefined || given === null) {
    if (process.env.NODE_ENV === "production") {
      process.emitWarning(
        "coatcheck: session() without a store keeps sessions in this process, for ever. Give it a store: store: memory() of coatcheck/memory, or redis({ … }) of coatcheck/redis.",
        { code: "COATCHECK_MEMORY_STORE" },
      );
    }
    return new MemoryStore();
  }
  for (const method of ["get", "set", "destroy"] as const) {
    if (typeof (given as unknown as Partial<Store>)[method] !== "function") {
      throw new OptionError(
        "store",
        given,
        `it has no ${method}(): give a store for express-session, or one of coatcheck.`,
      );
    }
  }
  return given as unknown as Store;
}

function coatcheckStore(store: SessionStore, options: SessionOptions, keys: readonly KeyObject[]): Store {
  const {
    owner = ownerOfPassport,
    ttl = "1d",
    encryption = store.inProcess ? "off" : "server",
    storeTimeout = "5s",
  } = options;
  if (encryption !== "server" && encryption !== "off") {
    throw new OptionError("encryption", encryption, 'it must be "server" or "off".');
  }
  if (store.inCookie) {
    throw new OptionError(
      "store",
      store,
      "a sealed cookie is no store for express-session's sessions: use coatcheck/express.",
    );
  }
  if (keys.length === 0)
    throw new OptionError("secret", undefined, "a coatcheck store needs it: a text that nobody can guess.");
  return new CoatcheckStore(store, {
    secrets: keys.map((key) => key.export().toString("base64url")),
    ownerOf: owner,
    ttl: milliseconds("ttl", ttl),
    encryption,
    timeout: milliseconds("storeTimeout", storeTimeout),
  });
}

/** Passport's `serializeUser` gives an id, or an object with one. */
function ownerOfPassport(session: object): string | undefined {
  const user = (session as { passport?: { user?: unknown } }).passport?.user;
  const id = typeof user === "object" && user !== null ? (user as { id?: unknown }).id : user;
  return typeof id === "number" || (typeof id === "string" && id !== "") ? String(id) : undefined;
}

const randomId = randomIds(24);

const warned = new Set<string>();

function warn(code: string, message: string): void {
  if (warned.has(code)) return;
  warned.add(code);
  process.emitWarning(`coatcheck: ${message}.`, { type: "DeprecationWarning", code });
}
