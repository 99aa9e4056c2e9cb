/** The base of every error that coatcheck throws on purpose. `code` is stable; `status` is the HTTP answer that fits. */
export class CoatcheckError extends Error {
  readonly code: string;
  readonly status: number;
  /** For the answer: when to try again, where that makes sense. Express, Fastify and Koa send them by themselves. */
  readonly headers: Readonly<Record<string, string>> | undefined;

  constructor(code: string, message: string, { status = 500, cause }: { status?: number; cause?: unknown } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
    this.status = status;
    this.headers = status === 503 || status === 429 ? { "Retry-After": "1" } : undefined;
  }
}

/** An option is wrong. The message names the option, the value and the fix. */
export class OptionError extends CoatcheckError {
  /** `value` is printed; pass a description instead where it is secret. */
  constructor(option: string, value: unknown, fix: string) {
    super("COATCHECK_OPTION", `coatcheck: option "${option}" is ${describe(value)}: ${fix}`);
  }
}

/** The store did not do what was asked: it is down, too slow, or refused. Never means "no such session". */
export class StoreError extends CoatcheckError {
  constructor(message: string, cause?: unknown) {
    super("COATCHECK_STORE", message, { status: 503, cause });
  }
}

/** Other requests kept changing the session, and the bounded retries ran out. Nothing was written. */
export class ConflictError extends CoatcheckError {
  constructor(id: string, attempts: number) {
    super(
      "COATCHECK_CONFLICT",
      `coatcheck: session ${id} changed under this request ${attempts} times in a row; nothing was written. Try again.`,
      { status: 503 },
    );
  }
}

/** Another request kept the whole session (mode `"exclusive"`) for longer than this one waits. Nothing was written. */
export class LockTimeoutError extends CoatcheckError {
  constructor(id: string, maxWait: number) {
    super(
      "COATCHECK_LOCK_TIMEOUT",
      `coatcheck: session ${id} was not free within ${maxWait} ms, because another request has it to itself, or this one has opened it twice. Make requests shorter, use mode "merge", or raise exclusive.maxWait.`,
      { status: 503 },
    );
  }
}

/** Too many requests of this process wait for one session (mode `"exclusive"`). */
export class QueueFullError extends CoatcheckError {
  constructor(id: string, maxQueue: number) {
    super(
      "COATCHECK_QUEUE_FULL",
      `coatcheck: ${maxQueue} requests wait for session ${id} already. Use mode "merge" or "readonly" where it is enough, or raise exclusive.maxQueue.`,
      { status: 429 },
    );
  }
}

/**
 * This request had the whole session (mode `"exclusive"`) and has lost it: it took longer than `maxHold`, or its process
 * or the store stood still for longer than `lease`. Nothing was written.
 */
export class LeaseLostError extends CoatcheckError {
  constructor(id: string) {
    super(
      "COATCHECK_LEASE_LOST",
      `coatcheck: this request no longer has session ${id} to itself, and another may have changed it; nothing was written. Try again, or raise exclusive.maxHold for long work.`,
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

/** A value that no store can keep, such as a function, a socket or an instance of a class. */
export class UnstorableValueError extends CoatcheckError {
  constructor(key: string, reason: string, cause?: unknown) {
    super(
      "COATCHECK_UNSTORABLE",
      `coatcheck: session key "${key}" can't be kept: ${reason}. Keep plain data: JSON types, Date, Map, Set, BigInt, undefined, Buffer, typed arrays.`,
      { cause },
    );
  }
}

/** The session is larger than `maxSize`. Nothing was written. */
export class SessionTooLargeError extends CoatcheckError {
  constructor(size: number, maxSize: number, largest: string) {
    super(
      "COATCHECK_TOO_LARGE",
      `coatcheck: the session takes ${size} bytes, more than maxSize (${maxSize}); nothing was written. ${largest} Keep large things elsewhere and their key here, or raise maxSize.`,
    );
  }
}

/** A write to a session that can't take it: opened readonly, or already committed. */
export class SessionClosedError extends CoatcheckError {
  constructor(message: string) {
    super("COATCHECK_CLOSED", `coatcheck: ${message}`);
  }
}

/** The store lacks an ability that the call needs. */
export class CapabilityError extends CoatcheckError {
  constructor(call: string, ability: string) {
    super("COATCHECK_CAPABILITY", `coatcheck: ${call} needs a store with ${ability}(), and this one has none.`);
  }
}

function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null) {
    return Array.isArray(value) ? "an array" : `an object of type ${value.constructor?.name ?? "Object"}`;
  }
  return String(value);
}
