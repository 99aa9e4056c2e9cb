// The errors that coatcheck throws, each with its code and the HTTP status that fits.

import { withoutCredentials } from "./redaction/causes.ts";
import { redacted, shownValue } from "./redaction/texts.ts";

/** The base of every error that coatcheck throws on purpose. `code` is stable; `status` is the HTTP answer that fits. */
export class CoatcheckError extends Error {
  readonly code: string;
  readonly status: number;
  /** For the answer: when to try again, where that makes sense. Express, Fastify and Koa send them by themselves. */
  readonly headers: Readonly<Record<string, string>> | undefined;

  constructor(code: string, message: string, { status = 500, cause }: { status?: number; cause?: unknown } = {}) {
    super(message, cause === undefined ? undefined : { cause: withoutCredentials(cause) });
    this.name = new.target.name;
    this.code = code;
    this.status = status;
    this.headers = status === 503 || status === 429 ? { "Retry-After": "1" } : undefined;
  }

  /** The status under the name that http-errors gives it. NestJS looks for it, and for `expose`. */
  get statusCode(): number {
    return this.status;
  }

  /** False: the message is for the log, and not for the client. */
  get expose(): boolean {
    return false;
  }
}

/** An option is wrong, or several are. The message names each option, its value and the fix. */
export class OptionError extends CoatcheckError {
  /** What is wrong, each problem in one sentence. */
  readonly problems: readonly string[];

  /**
   * `value` is printed, unless it may be a credential: by the option's name, or because it looks like one. A Description
   * says something about the value instead.
   */
  constructor(option: string, value: unknown, fix: string);
  constructor(problems: readonly string[]);
  constructor(option: string | readonly string[], value?: unknown, fix?: string) {
    const problems =
      typeof option === "string"
        ? [`option "${option}" is ${value instanceof Description ? value.text : shownValue(value, option)}: ${fix}`]
        : option;
    super("COATCHECK_OPTION", `coatcheck:${listOf(problems)}`);
    this.problems = problems;
  }
}

/** Stands for the value of an option in an OptionError, and is printed as it is: "missing", "too short". */
export class Description {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What follows the colon of a message: one problem as it is, several as a list. */
export function listOf(problems: readonly string[]): string {
  return problems.length === 1 ? ` ${problems[0]}` : problems.map((problem) => `\n  - ${problem}`).join("");
}

/** What a store knows of a call that failed. */
export interface StoreFailure {
  /** False: a write was certainly not applied, so it can be sent again. Default: it may have been applied. */
  applied?: false;
  /** True: the store refuses writes and still answers reads, so it is not down. Default: it may be down. */
  refusesWrites?: true;
}

/** The store did not do what was asked: it is down, too slow, or refused. Never means "no such session". */
export class StoreError extends CoatcheckError implements StoreFailure {
  declare readonly applied?: false;
  declare readonly refusesWrites?: true;

  constructor(message: string, cause?: unknown, failure: StoreFailure = {}) {
    super("COATCHECK_STORE", message, { status: 503, cause });
    Object.assign(this, failure);
  }
}

/**
 * The error for a failed call of a store's client: "coatcheck: Redis failed to read: <reason>". An error of coatcheck
 * stays as it is.
 *
 * @param store the store's name, for the message.
 * @param operation what was asked, as an infinitive: "read", "create".
 * @param reason what went wrong. Default: the cause's message.
 * @param failure what else is known.
 */
export function toStoreError(
  store: string,
  operation: string,
  cause: unknown,
  reason: string = reasonOf(cause),
  failure: StoreFailure = {},
): CoatcheckError {
  if (cause instanceof CoatcheckError) return cause;
  return new StoreError(`coatcheck: ${store} failed to ${operation}: ${reason}`, cause, failure);
}

/** The error for a call that took too long: "coatcheck: Redis did not read within 50 ms". */
export function storeTimeoutError(store: string, operation: string, timeout: number, cause?: unknown): StoreError {
  return new StoreError(`coatcheck: ${store} did not ${operation} within ${timeout} ms`, cause);
}

/**
 * The session is sealed under a secret that this server does not have, as while secrets are rotated in one step instead of
 * three. The session is good: the browser keeps its ticket, and a server with the secret opens it.
 */
export class UnknownSecretError extends StoreError {
  constructor(id: string, reason: string = OTHER_SECRET, cause?: unknown) {
    super(`coatcheck: session ${id} can't be opened: ${reason}`, cause);
  }
}

const OTHER_SECRET =
  "it is sealed under a secret that this server does not have. To rotate, give every server [old, new]; then every server [new, old]; then [new].";

/** The session is sealed by a cipher that this server does not have. The session is good. */
export class UnknownCipherError extends UnknownSecretError {
  constructor(id: string, cause: unknown) {
    super(
      id,
      'another server has sealed it by "xchacha20-poly1305". Install sodium-native on every server before one of them uses that cipher: npm install sodium-native',
      cause,
    );
  }
}

/** Other requests kept changing the session until this request ran out of attempts. Nothing was written. */
export class ConflictError extends CoatcheckError {
  constructor(what: string, attempts: number) {
    super(
      "COATCHECK_CONFLICT",
      `coatcheck: ${what} changed under this request ${attempts} times in a row; nothing was written. Try again.`,
      { status: 503 },
    );
  }
}

/**
 * Another request held the session (mode `"exclusive"`), or was making the value of a key (`session.once`), for longer than
 * this one waits. Nothing was written.
 */
export class LockTimeoutError extends CoatcheckError {
  constructor(id: string, maxWait: number, key?: string) {
    super(
      "COATCHECK_LOCK_TIMEOUT",
      key === undefined
        ? `coatcheck: session ${id} was not free within ${maxWait} ms: another request holds it, or this one has opened it twice. Make requests shorter, use mode "merge", or raise exclusive.maxWait.`
        : `coatcheck: another request did not make "${key}" of session ${id} within ${maxWait} ms. Give its function a time limit, or raise exclusive.maxWait.`,
      { status: 503 },
    );
  }
}

/**
 * `session.once` has made a value that can't be kept: the session has ended meanwhile, the store is down, or the value can't
 * be stored. `cause` says which. The value is not lost: it may be a token that has to be revoked where it came from.
 */
export class ValueNotStoredError extends CoatcheckError {
  /** Private, so that a log of the error does not show the value. */
  readonly #value: unknown;

  constructor(id: string, key: string, value: unknown, cause: unknown) {
    super(
      "COATCHECK_NOT_STORED",
      `coatcheck: once() has made "${key}" of session ${id}, which could not be stored: ${reasonOf(cause)} The value is in error.value.`,
      { status: cause instanceof CoatcheckError ? cause.status : 500, cause },
    );
    this.#value = value;
  }

  /** What was made. */
  get value(): unknown {
    return this.#value;
  }
}

/** Too many requests of this process wait for one session (mode `"exclusive"`). */
export class QueueFullError extends CoatcheckError {
  constructor(id: string, maxQueue: number) {
    super(
      "COATCHECK_QUEUE_FULL",
      `coatcheck: ${maxQueue} requests already wait for session ${id}. Use mode "merge" or "readonly" where it is enough, or raise exclusive.maxQueue.`,
      { status: 429 },
    );
  }
}

/**
 * This request held the session (mode `"exclusive"`) and has lost it: it took longer than `maxHold`, or its process or the
 * store stood still for longer than `lease`. Nothing was written.
 */
export class LeaseLostError extends CoatcheckError {
  constructor(id: string) {
    super(
      "COATCHECK_LEASE_LOST",
      `coatcheck: this request no longer holds session ${id}, and another one may have changed it; nothing was written. Try again, or raise exclusive.maxHold for long work.`,
      { status: 503 },
    );
  }
}

/** The browser has gone away while its request waited for the session (mode `"exclusive"`). */
export class ClientGoneError extends CoatcheckError {
  constructor(id: string) {
    super("COATCHECK_CLIENT_GONE", `coatcheck: the client has left while its request waited for session ${id}.`, {
      status: 499,
    });
  }
}

/** The owner has as many sessions as `maxPerOwner` allows, and none may end for this one. Nothing was written. */
export class TooManySessionsError extends CoatcheckError {
  constructor(limit: number) {
    super(
      "COATCHECK_TOO_MANY_SESSIONS",
      `coatcheck: the owner already has ${limit} sessions, which is the limit (maxPerOwner). Show them, and let the user end one.`,
      { status: 403 },
    );
  }
}

/** The owner's security stamp has changed since it was read, as by a new password. Nothing was written. */
export class StaleStampError extends CoatcheckError {
  constructor(id: string) {
    super(
      "COATCHECK_STALE_STAMP",
      `coatcheck: session ${id} was refused: its owner's security stamp has changed meanwhile. Let the user log in again.`,
      { status: 401 },
    );
  }
}

/** The owner has to prove again who they are before the request may go on: see `session.requireFresh`. */
export class ReauthenticationError extends CoatcheckError {
  constructor(maxAge: string) {
    super(
      "COATCHECK_REAUTHENTICATION",
      `coatcheck: this request needs an owner who was authenticated within the last ${maxAge}. Ask for the password or a second factor, and call session.reauthenticated().`,
      { status: 401 },
    );
  }
}

/** A request that a page of another site may have sent in its user's name: see `session.checkCsrf`. */
export class CsrfError extends CoatcheckError {
  constructor(why: string) {
    super(
      "COATCHECK_CSRF",
      `coatcheck: the request is refused as cross-site request forgery: ${why}. Pages of other origins that may send it go into the option origins.`,
      { status: 403 },
    );
  }
}

/** A value that can't be stored, such as a function, a socket or an instance of a class. */
export class UnstorableValueError extends CoatcheckError {
  constructor(key: string, reason: string, cause?: unknown) {
    super(
      "COATCHECK_UNSTORABLE",
      `coatcheck: session key "${key}" can't be stored: ${reason}. Store plain data: JSON types, Date, Map, Set, BigInt, undefined, Buffer, typed arrays.`,
      { cause },
    );
  }
}

/** The session is larger than `maxSize`. Nothing was written. */
export class SessionTooLargeError extends CoatcheckError {
  /** `size`: in bytes; undefined if the session was refused before it had a size. */
  constructor(size: number | undefined, maxSize: number, largest: string) {
    const taken = size === undefined ? "more bytes than" : `${size} bytes, more than`;
    super(
      "COATCHECK_TOO_LARGE",
      `coatcheck: the session takes ${taken} maxSize (${maxSize}); nothing was written. ${largest} Keep large things elsewhere and their key here, or raise maxSize.`,
    );
  }
}

/** A write to a session that was opened readonly, or is already committed. */
export class SessionClosedError extends CoatcheckError {
  constructor(message: string) {
    super("COATCHECK_CLOSED", `coatcheck: ${message}`);
  }
}

/** The session of an open connection has ended, so its message is not handled. The connection is closed. */
export class SessionEndedError extends CoatcheckError {
  /** Why it ended. */
  readonly reason: "ended" | "expired" | "replaced";

  constructor(id: string, reason: SessionEndedError["reason"]) {
    super("COATCHECK_ENDED", `coatcheck: session ${id} of this connection has ${WHAT_HAPPENED[reason]}.`, {
      status: 401,
    });
    this.reason = reason;
  }
}

const WHAT_HAPPENED = {
  ended: "ended",
  expired: "expired",
  replaced: "a new ticket: the client has to connect again",
} as const;

/** The store lacks an ability that the call needs. */
export class CapabilityError extends CoatcheckError {
  /** `reason` says why the store has no such method. */
  constructor(call: string, method: string, reason = "this one has none") {
    super("COATCHECK_CAPABILITY", `coatcheck: ${call} needs a store with ${method}(), and ${reason}.`);
  }
}

/** The message of anything that was thrown, without credentials. Some errors have only a name. */
export function reasonOf(cause: unknown): string {
  // Node's error for a host with several addresses, none of which answers, has no text of its own.
  if (cause instanceof AggregateError && cause.message === "") {
    return [...new Set(cause.errors.map((one) => reasonOf(one)))].join(", ");
  }
  return redacted(cause instanceof Error ? cause.message || cause.name : String(cause));
}
