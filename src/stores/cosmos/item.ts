// How a session is stored as an item.

import { randomBytes } from "node:crypto";
import { type SessionWrite, withOwner } from "../../store.ts";
import { MAX_VALUE_BYTES, tooLarge } from "./errors.ts";

/** What the container holds. No property is a keyword of the query language. */
export interface Item {
  id: string;
  /** The key, if it is not the id. */
  name?: string;
  /** The store's own version, 24 hexadecimal digits. The service's `_etag` changes with a touch, and the version must not. */
  v: string;
  /** The value, in base64. */
  data: string;
  /** When the session expires, in milliseconds since 1970. */
  expires: number;
  owner: string | null;
  /** Seconds after which the service deletes the item. Never before `expires`. */
  ttl: number;
  _etag: string;
}

const MAX_TTL_SECONDS = 2_147_483_647;

/**
 * The properties of a session, under a new version.
 *
 * @param grace milliseconds for which the item outlives the session.
 * @param now by the service's clock.
 * @throws CoatcheckError (`COATCHECK_TOO_LARGE`) if the value does not fit.
 */
export function encode({ value, expiresAt, owner }: SessionWrite, grace: number, now: number) {
  if (value.length > MAX_VALUE_BYTES) throw tooLarge(value.length);
  return {
    v: randomBytes(12).toString("hex"),
    data: Buffer.from(value.buffer, value.byteOffset, value.length).toString("base64"),
    expires: expiresAt,
    owner: owner ?? null,
    ttl: ttlUntil(expiresAt + grace, now),
  };
}

/** The session of an item. */
export function decode({ data, expires, owner }: Item): SessionWrite {
  return withOwner({ value: Buffer.from(data, "base64"), expiresAt: expires }, owner);
}

export function keyOf({ id, name }: Item): string {
  return name ?? id;
}

/** `now`: by the service's clock. */
export function isLive(item: Item | undefined, now: number): item is Item {
  return item !== undefined && item.expires > now;
}

/** The time to live from `now` until `end`, in seconds. */
export function ttlUntil(end: number, now: number): number {
  // One second more: the service counts from the beginning of the second in which it wrote.
  return Math.min(Math.max(Math.ceil((end - now) / 1000), 0) + 1, MAX_TTL_SECONDS);
}
