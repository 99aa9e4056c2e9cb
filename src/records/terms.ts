// What a session has of its own beside its values: its lifetime, and when its user was authenticated.

/* In a record: a byte of flags, then 6 bytes for each number. */

/** How long a session lasts, in milliseconds. */
export interface Lifetime {
  /** Milliseconds without a request after which a session ends. */
  readonly idleTimeout: number;
  /** Milliseconds after its start, or its user's last authentication, at which a session ends in any case. */
  readonly absoluteTimeout: number;
}

/** Instants are in milliseconds since 1970. */
export interface SessionTerms {
  /** In place of the application's. The browser keeps the cookie when it closes. */
  readonly lifetime: Lifetime | undefined;
  /** When the user was last authenticated. */
  readonly authenticatedAt: number | undefined;
  /** When the session got its present ticket. Kept only if tickets are renewed after a time. */
  readonly ticketAt: number | undefined;
  /** How often the session's ticket was renewed, to the present one. */
  readonly renewals: number | undefined;
  /** When a request last used the session. Kept only where its expiry does not tell: see expiry.ts. */
  readonly seenAt: number | undefined;
  /** True if the owner logged in with a security stamp. */
  readonly isStamped: true | undefined;
}

export const NO_TERMS: SessionTerms = {
  lifetime: undefined,
  authenticatedAt: undefined,
  ticketAt: undefined,
  renewals: undefined,
  seenAt: undefined,
  isStamped: undefined,
};

const HAS_LIFETIME = 1;
const HAS_AUTHENTICATED_AT = 2;
const HAS_TICKET_AT = 4;
const HAS_SEEN_AT = 8;
const IS_STAMPED = 16;
const HAS_RENEWALS = 32;
const ALL = HAS_LIFETIME | HAS_AUTHENTICATED_AT | HAS_TICKET_AT | HAS_SEEN_AT | IS_STAMPED | HAS_RENEWALS;

/** Undefined if there is nothing to note. */
export function termsOf(terms: SessionTerms): SessionTerms | undefined {
  return flagsOf(terms) === 0 ? undefined : terms;
}

/** True if they differ in nothing that a request can change: use alone may have been noted. */
export function isSameButForUse(one: SessionTerms | undefined, other: SessionTerms | undefined): boolean {
  return (
    one === other ||
    (one?.lifetime === other?.lifetime &&
      one?.authenticatedAt === other?.authenticatedAt &&
      one?.ticketAt === other?.ticketAt &&
      one?.renewals === other?.renewals &&
      one?.isStamped === other?.isStamped)
  );
}

function flagsOf({ lifetime, authenticatedAt, ticketAt, renewals, seenAt, isStamped }: SessionTerms): number {
  return (
    (lifetime === undefined ? 0 : HAS_LIFETIME) |
    (authenticatedAt === undefined ? 0 : HAS_AUTHENTICATED_AT) |
    (ticketAt === undefined ? 0 : HAS_TICKET_AT) |
    (seenAt === undefined ? 0 : HAS_SEEN_AT) |
    (isStamped ? IS_STAMPED : 0) |
    (renewals === undefined ? 0 : HAS_RENEWALS)
  );
}

export function sizeOfTerms({ lifetime, authenticatedAt, ticketAt, seenAt, renewals }: SessionTerms): number {
  let size = lifetime === undefined ? 1 : 13;
  for (const number of [authenticatedAt, ticketAt, seenAt, renewals]) if (number !== undefined) size += 6;
  return size;
}

/** Returns where they end. */
export function writeTerms(bytes: Buffer, terms: SessionTerms, start: number): number {
  const { lifetime, authenticatedAt, ticketAt, seenAt, renewals } = terms;
  let at = bytes.writeUInt8(flagsOf(terms), start);
  if (lifetime !== undefined) {
    at = bytes.writeUIntLE(lifetime.idleTimeout, at, 6);
    at = bytes.writeUIntLE(lifetime.absoluteTimeout, at, 6);
  }
  for (const number of [authenticatedAt, ticketAt, seenAt, renewals]) {
    if (number !== undefined) at = bytes.writeUIntLE(number, at, 6);
  }
  return at;
}

/** @throws RangeError if there are none, or such as only a later version knows. */
export function readTerms(bytes: Buffer, start: number): SessionTerms {
  const flags = bytes.readUInt8(start);
  if (flags === 0 || flags & ~ALL) throw new RangeError("not the terms of a session record");
  let at = start + 1;
  const next = () => {
    const number = bytes.readUIntLE(at, 6);
    at += 6;
    return number;
  };
  return {
    lifetime: flags & HAS_LIFETIME ? { idleTimeout: next(), absoluteTimeout: next() } : undefined,
    authenticatedAt: flags & HAS_AUTHENTICATED_AT ? next() : undefined,
    ticketAt: flags & HAS_TICKET_AT ? next() : undefined,
    seenAt: flags & HAS_SEEN_AT ? next() : undefined,
    renewals: flags & HAS_RENEWALS ? next() : undefined,
    isStamped: flags & IS_STAMPED ? true : undefined,
  };
}
