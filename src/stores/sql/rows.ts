import { randomInt } from "node:crypto";
import { StoreError } from "../../errors.ts";
import type { ClaimedSession, SessionEntry, SessionWrite, StoredSession } from "../../store.ts";

/** The longest key and owner, in bytes of UTF-8: what fits into an index of every database. */
export const LONGEST_KEY = 255;
export const LONGEST_OWNER = 1024;

/** Sessions that `list` asks for at a time. */
export const PAGE = 1000;

/**
 * Lengths of the lists in statements: few, as of a statement for each the server keeps the plan; and close together, so
 * that padding adds little, and two parts or three do without.
 */
const LENGTHS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128];

/** A row as the clients give it. Numbers may come as text, and texts as bytes, from columns that hold those. */
export interface Row {
  key: string | Uint8Array;
  version: number | bigint | string;
  expires_at: number | bigint | string;
  owner: string | Uint8Array | null;
  value: Uint8Array;
}

/**
 * The version of a new session. The later ones count up from it; it is random so that a session that ends and begins
 * again under the same key does not come to an old version.
 */
export function firstVersion(): number {
  return randomInt(2 ** 48 - 1);
}

/** A row's session. @throws StoreError if somebody put something else into the row. */
export function stored(row: Row): StoredSession {
  return { ...written(row), version: integer(row.version, "version") };
}

/** The sessions of removed rows. Leaves out what was no session: to throw would lose the others. */
export function claimed(rows: Omit<Row, "version">[]): ClaimedSession[] {
  return rows.flatMap((row) => {
    try {
      return { key: text(row.key), ...written(row) };
    } catch {
      return [];
    }
  });
}

/** A row's session as `list` tells of it. @throws StoreError as `stored`. */
export function listed({ key, expires_at, owner }: Omit<Row, "version" | "value">): SessionEntry {
  const entry = { key: text(key), expiresAt: integer(expires_at, "expires_at") };
  return owner === null ? entry : { ...entry, owner: text(owner) };
}

/** Walks all rows in the order of their keys: `page` gives up to `PAGE` rows behind a key. */
export async function* pages(
  page: (after: string) => Promise<Omit<Row, "version" | "value">[]>,
): AsyncGenerator<SessionEntry> {
  for (let after = ""; ; ) {
    const rows = await page(after);
    for (const row of rows) {
      const entry = listed(row);
      after = entry.key;
      yield entry;
    }
    if (rows.length < PAGE) return;
  }
}

/** Refuses what a column would cut off, or not take. @throws StoreError */
export function mustFit(key: string, owner?: string): void {
  limit("key", key, LONGEST_KEY);
  if (owner !== undefined) limit("owner", owner, LONGEST_OWNER);
}

/** Repeats the last one, up to the next of the lengths that occur. */
export function padToFewLengths<Item>(items: Item[]): Item[] {
  const length = LENGTHS.find((one) => one >= items.length)!;
  return Array.from({ length }, (_, index) => items[Math.min(index, items.length - 1)]!);
}

/** The longest of such lists that so many items fill, for statements where a repeated one would do harm. */
export function longestList(items: number): number {
  return LENGTHS.findLast((length) => length <= items)!;
}

/** The same bytes as a Buffer, which every client takes for binary. */
export function binary(value: Uint8Array): Buffer {
  return Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

function written({ value, expires_at, owner }: Omit<Row, "version">): SessionWrite {
  if (!(value instanceof Uint8Array)) throw new StoreError("coatcheck: a row's value is not bytes: delete the row.");
  const session = { value, expiresAt: integer(expires_at, "expires_at") };
  return owner === null ? session : { ...session, owner: text(owner) };
}

function text(value: string | Uint8Array): string {
  return typeof value === "string" ? value : Buffer.from(value).toString();
}

function integer(value: number | bigint | string, column: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new StoreError(`coatcheck: a row's ${column} is ${value}, which coatcheck never writes: delete the row.`);
}

function limit(what: string, name: string, longest: number): void {
  if (name.includes("\0"))
    throw new StoreError(`coatcheck: a ${what} has a NUL character, which not every text takes.`);
  if (name.length > longest / 3 && Buffer.byteLength(name) > longest) {
    throw new StoreError(`coatcheck: a ${what} takes ${Buffer.byteLength(name)} bytes; at most ${longest} fit.`);
  }
}
