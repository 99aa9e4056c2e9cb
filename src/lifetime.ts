import type { SessionContext } from "./context.ts";
import type { SessionRecord } from "./record.ts";

// A renewal that would gain less than this share of the time is not worth a write.
const RENEW_AT = 0.1;

/** When a session began, when it ends, and what is due to make it last. Instants in milliseconds since 1970. */
export class Lifetime {
  createdAt: number;
  readonly #limits: Pick<SessionContext, "idleTimeout" | "absoluteTimeout" | "jar">;
  #expiresAt: number;

  constructor(
    limits: Pick<SessionContext, "idleTimeout" | "absoluteTimeout" | "jar">,
    found: { record: SessionRecord; expiresAt: number } | undefined,
  ) {
    this.#limits = limits;
    const now = Date.now();
    this.createdAt = found?.record.createdAt ?? now;
    this.#expiresAt = found?.expiresAt ?? now + limits.idleTimeout;
  }

  get expiresAt(): number {
    return Math.min(this.#expiresAt, this.createdAt + this.#limits.absoluteTimeout);
  }

  /** Until when a session lives that is used now. */
  latestExpiry(): number {
    return Math.min(Date.now() + this.#limits.idleTimeout, this.createdAt + this.#limits.absoluteTimeout);
  }

  /** The session is stored now, or its expiry moved, to `expiresAt`. */
  extend(expiresAt: number): number {
    this.#expiresAt = expiresAt;
    return expiresAt;
  }

  isTouchDue(): boolean {
    return this.latestExpiry() - this.#expiresAt > RENEW_AT * this.#limits.idleTimeout;
  }

  /** A cookie with a `maxAge` is sent again from time to time, or it would run out under a user who stays. */
  isCookieDue(record: SessionRecord | undefined): boolean {
    const { maxAge } = this.#limits.jar;
    if (maxAge === undefined || record === undefined) return false;
    return Date.now() - (record.renewedAt ?? 0) > RENEW_AT * maxAge;
  }
}
