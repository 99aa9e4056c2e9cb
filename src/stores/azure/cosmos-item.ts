import { randomBytes } from "node:crypto";
import { CoatcheckError } from "../../errors.ts";
import type { SessionWrite } from "../../store.ts";

/** What the container holds. The names are lower-case, and none is a word of the query language. */
export interface Item {
  id: string;
  /** The key, if it is not the id. */
  name?: string;
  /** Our version, 24 hexadecimal digits. The service's `_etag` moves with a touch, and the version must not. */
  v: string;
  /** The value, in base64. */
  data: string;
  /** The exact end, in milliseconds. */
  expires: number;
  owner: string | null;
  /** Seconds after which the service removes the item. Never before `expires`. */
  ttl: number;
  _etag: string;
}

/** An item of 2 MiB holds this in base64, with its other properties. */
const MAX_VALUE = 1_500_000;
const MAX_TTL = 2_147_483_647;

export function pack({ value, expiresAt, owner }: SessionWrite, grace: number) {
  if (value.length > MAX_VALUE) throw tooLarge(value.length);
  const data = Buffer.from(value.buffer, value.byteOffset, value.length).toString("base64");
  return {
    v: randomBytes(12).toString("hex"),
    data,
    expires: expiresAt,
    owner: owner ?? null,
    ttl: ttlUntil(expiresAt + grace),
  };
}

export function unpack({ data, expires, owner }: Item): SessionWrite {
  const content = { value: Buffer.from(data, "base64"), expiresAt: expires };
  return owner === null ? content : { ...content, owner };
}

export function isLive(item: { expires: number } | undefined): boolean {
  return item !== undefined && item.expires > Date.now();
}

export function ttlUntil(end: number): number {
  // One second more, because the service counts from the second in which it wrote.
  return Math.min(Math.max(Math.ceil((end - Date.now()) / 1000), 0) + 1, MAX_TTL);
}

export function tooLarge(size: number | undefined, cause?: unknown): CoatcheckError {
  return new CoatcheckError(
    "COATCHECK_TOO_LARGE",
    `coatcheck: ${size === undefined ? "the session" : `a session of ${size} bytes`} does not fit into an item of Cosmos DB, which takes ${MAX_VALUE} bytes; nothing was written. Keep large things elsewhere and their key here.`,
    { cause },
  );
}
