// The rows of the sessions' table: their limits, and how they become sessions.

import { randomInt } from "node:crypto";
import { StoreError } from "../../../errors.ts";
import {
  type ClaimedSession,
  type SessionEntry,
  type SessionWrite,
  type StoredSession,
  withOwner,
} from "../../../store.ts";

/** The longest key and owner, in bytes of UTF-8. They fit into an index of every database. */
const MAX_KEY_BYTES = 255;
const MAX_OWNER_BYTES = 1024;

/** How many rows `list` reads with one statement. */
export const PAGE_SIZE = 1000;

/**
 * The lengths of lists in statements. They are few, because the server keeps a plan for each; and close together, so that
 * padding adds little.
 */
const LIST_LENGTHS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128];

/** A row as the clients return it. Some return numbers as text, and text from binary columns as bytes. */
export interface Row {
  key: string | Uint8Array;
  version: number | bigint | string;
  expires_at: number | bigint | string;
  owner: string | Uint8Array | null;
  value: Uint8Array;
}

/**
 * The version of a new session. Later versions count up from it. It is random, so that a session that is created again
 * under the same key does not reach an old version.
 */
export function firstVersion(): number {
  return randomInt(2 ** 48 - 1);
}

/**
 * The session of a row.
 *
 * @throws StoreError if the row holds something that coatcheck did not write.
 */
export function toSession(row: Row): StoredSession {
  return { ...contentOf(row), version: toInteger(row.version, "version") };
}

/** The sessions of deleted rows. Leaves out rows that hold no session: an error would lose the others. */
export function toClaimed(rows: Omit<Row, "version">[]): ClaimedSession[] {
  return rows.flatMap((row) => {
    try {
      return { key: toText(row.key), ...contentOf(row) };
    } catch {
      return [];
    }
  });
}

/** The live sessions in the order of their keys. `readPage` returns up to `PAGE_SIZE` rows whose keys follow `after`. */
export async function* listPages(
  readPage: (after: string) => Promise<Omit<Row, "version" | "value">[]>,
): AsyncGenerator<SessionEntry> {
  for (let after = ""; ; ) {
    const rows = await readPage(after);
    for (const { key, expires_at, owner } of rows) {
      after = toText(key);
      yield withOwner({ key: after, expiresAt: toInteger(expires_at, "expires_at") }, ownerOf(owner));
    }
    if (rows.length < PAGE_SIZE) return;
  }
}

/**
 * Checks that key and owner fit into their columns. A database may cut them off otherwise.
 *
 * @throws StoreError if one is too long or has a NUL character.
 */
export function assertFits(key: string, owner?: string): void {
  assertLength("key", key, MAX_KEY_BYTES);
  if (owner !== undefined) assertLength("owner", owner, MAX_OWNER_BYTES);
}

/** Repeats the last item until the list has one of the lengths that statements have. */
export function padList<Item>(items: Item[]): Item[] {
  const length = LIST_LENGTHS.find((one) => one >= items.length)!;
  return Array.from({ length }, (_, index) => items[Math.min(index, items.length - 1)]!);
}

/** The longest list that `items` fill without padding, for statements that must not repeat an item. */
export function longestFullList(items: number): number {
  return LIST_LENGTHS.findLast((length) => length <= items)!;
}

/** The same bytes as a Buffer, which every client binds as binary. */
export function toBuffer(value: Uint8Array): Buffer {
  return Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

function contentOf({ value, expires_at, owner }: Omit<Row, "version">): SessionWrite {
  if (!(value instanceof Uint8Array)) {
    throw new StoreError("coatcheck: the value of a row is not binary, so coatcheck did not write it. Delete the row.");
  }
  return withOwner({ value, expiresAt: toInteger(expires_at, "expires_at") }, ownerOf(owner));
}

function ownerOf(owner: Row["owner"]): string | null {
  return owner === null ? null : toText(owner);
}

function toText(value: string | Uint8Array): string {
  return typeof value === "string" ? value : Buffer.from(value).toString();
}

function toInteger(value: number | bigint | string, column: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new StoreError(`coatcheck: the ${column} of a row is ${value}, which coatcheck never writes. Delete the row.`);
}

function assertLength(what: string, text: string, maxBytes: number): void {
  if (text.includes("\0")) {
    throw new StoreError(`coatcheck: the ${what} has a NUL character, which not every database stores in a text.`);
  }
  // A UTF-16 code unit takes at most three bytes of UTF-8.
  if (text.length > maxBytes / 3 && Buffer.byteLength(text) > maxBytes) {
    throw new StoreError(`coatcheck: the ${what} takes ${Buffer.byteLength(text)} bytes; at most ${maxBytes} fit.`);
  }
}
