// When a session ends, and what is due so that it lasts.

import type { SessionRecord } from "./record.ts";
import { type Lifetime, NO_TERMS, type SessionTerms } from "./terms.ts";

/** The clock and the limits of all sessions of an application. A session may have a lifetime of its own. */
export interface ExpiryLimits extends Lifetime {
  readonly clock: Clock;
  /** True if records are sealed, so that they can bound what the store says of their expiry. */
  readonly sealsExpiry: boolean;
  readonly cookie: {
    /** Milliseconds that the browser keeps the cookie, or undefined: until it closes. */
    readonly maxAge: number | undefined;
  };
}

/** Gives the present, in milliseconds since 1970. */
export interface Clock {
  now(): number;
}

// Renewing is not worth a write if it gains less than this share of the time.
const RENEW_AT = 0.1;
// How long a sealed state lasts, in idle timeouts. After the first of them, the next request seals the session again at its
// end; after the second, at its beginning.
const SEALED_FOR = 3;
// The last use of a session with a long life of its own is known to this.
const LAST_USE_KNOWN_TO_MS = 3_600_000;

/** When a session began and when it ends. Instants are in milliseconds since 1970. */
export class SessionExpiry {
  createdAt: number;
  readonly #limits: ExpiryLimits;
  #terms: SessionTerms | undefined;
  #expiresAt: number;

  constructor(limits: ExpiryLimits, loaded: { record: SessionRecord; expiresAt: number } | undefined) {
    this.#limits = limits;
    const now = limits.clock.now();
    this.createdAt = loaded?.record.createdAt ?? now;
    this.#terms = loaded?.record.terms;
    this.#expiresAt = loaded?.expiresAt ?? now + limits.idleTimeout;
  }

  get expiresAt(): number {
    return Math.min(this.#expiresAt, endOf(this.#limits, this.createdAt, this.#terms));
  }

  /** A new session begins when it is first stored. */
  restart(): void {
    this.createdAt = this.#limits.clock.now();
  }

  /** Goes by what the record says. */
  follow({ createdAt, terms }: Pick<SessionRecord, "createdAt" | "terms">): void {
    this.createdAt = createdAt;
    this.#terms = terms;
  }

  /** The latest end of a session that is in use now. */
  latest(): number {
    return Math.min(
      this.#limits.clock.now() + lifetimeOf(this.#limits, this.#terms).idleTimeout,
      endOf(this.#limits, this.createdAt, this.#terms),
    );
  }

  /** Notes the expiry that the store now has, and returns it. */
  extendTo(expiresAt: number): number {
    this.#expiresAt = expiresAt;
    return expiresAt;
  }

  isTouchDue(): boolean {
    return this.latest() - this.#expiresAt > touchAfter(this.#limits, this.#terms);
  }

  /** The terms of a record that is written because of a use. */
  termsInUse(terms = this.#terms): SessionTerms | undefined {
    if (!hidesUse(this.#limits, terms)) return terms;
    return { ...(terms ?? NO_TERMS), seenAt: this.#limits.clock.now() };
  }

  /** True if it is time to seal the record again: touching it can't make it last for long, or does not tell of the use. */
  isSealDue(record: SessionRecord | undefined): boolean {
    if (record !== undefined && hidesUse(this.#limits, record.terms)) {
      if (this.#limits.clock.now() - (record.terms?.seenAt ?? 0) > LAST_USE_KNOWN_TO_MS) return true;
    }
    if (record?.sealedUntil === undefined) return false;
    const due = record.sealedUntil - (SEALED_FOR - 1) * lifetimeOf(this.#limits, this.#terms).idleTimeout;
    return this.#limits.clock.now() > due && record.sealedUntil < endOf(this.#limits, this.createdAt, this.#terms);
  }

  /** The latest end of a record that is sealed now. */
  sealedUntil(): number | undefined {
    const { sealsExpiry, clock } = this.#limits;
    return sealsExpiry
      ? Math.min(
          clock.now() + SEALED_FOR * lifetimeOf(this.#limits, this.#terms).idleTimeout,
          endOf(this.#limits, this.createdAt, this.#terms),
        )
      : undefined;
  }

  /** Milliseconds that the browser is to keep the cookie that it gets now, or undefined: until it closes. */
  cookieAge(): number | undefined {
    if (this.#terms?.lifetime === undefined) return this.#limits.cookie.maxAge;
    return Math.max(this.latest() - this.#limits.clock.now(), 0);
  }

  /** True if a cookie that lasts has to be sent again, so that it does not run out while its user is active. */
  isCookieDue(record: SessionRecord | undefined): boolean {
    if (record === undefined) return false;
    const { cookie, clock } = this.#limits;
    const lifetime = this.#terms?.lifetime;
    if (lifetime === undefined) {
      return cookie.maxAge !== undefined && clock.now() - (record.renewedAt ?? 0) > RENEW_AT * cookie.maxAge;
    }
    const { idleTimeout } = lifetime;
    return (
      this.latest() -
        Math.min((record.renewedAt ?? 0) + idleTimeout, endOf(this.#limits, this.createdAt, this.#terms)) >
      RENEW_AT * idleTimeout
    );
  }
}

/** The session's own lifetime, or the application's. */
export function lifetimeOf(limits: Lifetime, terms: SessionTerms | undefined): Lifetime {
  return terms?.lifetime ?? limits;
}

/** The instant at which a session ends in any case. */
export function endOf(limits: Lifetime, createdAt: number, terms: SessionTerms | undefined): number {
  return (terms?.authenticatedAt ?? createdAt) + lifetimeOf(limits, terms).absoluteTimeout;
}

/** True if the session has ended, whatever the store says of its expiry. */
export function isOver(limits: Lifetime, record: SessionRecord, now: number): boolean {
  return (
    endOf(limits, record.createdAt, record.terms) <= now ||
    (record.sealedUntil !== undefined && record.sealedUntil <= now)
  );
}

/**
 * True if the store has extended a session for longer than its own lifetime allows. A store that extends while it reads
 * knows the application's idle timeout only.
 */
export function isTooLong({ terms }: SessionRecord, expiresAt: number, now: number): boolean {
  const lifetime = terms?.lifetime;
  return lifetime !== undefined && expiresAt - now > (1 + RENEW_AT) * lifetime.idleTimeout;
}

/**
 * When a request last used the session: to a tenth of its idle timeout, or to an hour with a long one.
 * `expiresAt`: the store's.
 */
export function lastSeenAt(limits: Lifetime, { createdAt, terms }: SessionRecord, expiresAt: number): number {
  const extendedAt = Math.min(expiresAt, endOf(limits, createdAt, terms)) - lifetimeOf(limits, terms).idleTimeout;
  return Math.max(createdAt, terms?.authenticatedAt ?? 0, terms?.seenAt ?? 0, extendedAt);
}

/** True if the expiry does not tell of the last use for long, as it stays at the end that comes in any case. */
function hidesUse(limits: Lifetime, terms: SessionTerms | undefined): boolean {
  const { idleTimeout, absoluteTimeout } = lifetimeOf(limits, terms);
  return idleTimeout > LAST_USE_KNOWN_TO_MS && absoluteTimeout < 2 * idleTimeout;
}

/** Milliseconds that a touch has to gain, or it is not worth its write. The expiry of a long life also tells its last use. */
function touchAfter(limits: Lifetime, terms: SessionTerms | undefined): number {
  const share = RENEW_AT * lifetimeOf(limits, terms).idleTimeout;
  return terms?.lifetime === undefined ? share : Math.min(share, LAST_USE_KNOWN_TO_MS);
}
