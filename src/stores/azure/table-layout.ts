import { randomBytes } from "node:crypto";
import { CoatcheckError, StoreError } from "../../errors.ts";
import type { SessionWrite } from "../../store.ts";
import { isHashed, safeName } from "../safe-name.ts";
import type { Entity } from "./table-client.ts";

/** A session's state without its value. */
export interface Known {
  /** Ours, and not the ETag: a touch moves the ETag, and must leave the version alone. */
  version: string;
  etag: string;
  expiresAt: number;
  owner: string | undefined;
  /** What tells the session's row on its owner's list from older ones. */
  link: string | undefined;
}

const CHUNK = 65_536;
/** What fits into an entity of 1 MiB beside keys, names and owner. */
const MAX_VALUE = 15 * CHUNK;
export const STATE = ["version", "expiresAt", "owner", "link"];

export function pack(
  key: string,
  row: string,
  { value, expiresAt, owner }: SessionWrite,
): { entity: Entity; version: string } {
  if (value.length > MAX_VALUE) throw tooLarge(value.length);
  const version = token();
  const entity: Entity = { partitionKey: partitionOf(row), rowKey: row, version, expiresAt: int64(expiresAt) };
  if (isHashed(row)) entity.key = key;
  if (owner !== undefined) entity.owner = owner;
  for (let chunk = 0; chunk * CHUNK < value.length; chunk++) {
    entity[`value${chunk}`] = value.subarray(chunk * CHUNK, (chunk + 1) * CHUNK);
  }
  return { entity, version };
}

export function unpack(entity: Entity): SessionWrite {
  const chunks: Uint8Array[] = [];
  for (let chunk = entity.value0; chunk instanceof Uint8Array; chunk = entity[`value${chunks.length}`])
    chunks.push(chunk);
  const { expiresAt, owner } = stateOf(entity);
  const value = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
  return owner === undefined ? { value, expiresAt } : { value, expiresAt, owner };
}

export function stateOf(entity: Entity): Known {
  const { version, etag, owner, link } = entity;
  const expiresAt = instant(entity);
  if (typeof version !== "string" || typeof etag !== "string" || !Number.isFinite(expiresAt)) {
    throw new StoreError(`coatcheck: the entity "${entity.rowKey}" is not a session`);
  }
  return { version, etag, expiresAt, owner: text(owner), link: text(link) };
}

export function isLive(known: Known | undefined): known is Known {
  return known !== undefined && known.expiresAt > Date.now();
}

export function entryOf(key: string, { expiresAt, owner }: Known) {
  return owner === undefined ? { key, expiresAt } : { key, expiresAt, owner };
}

export function keyOf(entity: Entity): string {
  return text(entity.key) ?? entity.rowKey;
}

/** Spreads sessions over 4,096 partitions. The key's end, since keys may begin alike. */
export function partitionOf(row: string): string {
  return `s${row.slice(-2)}`;
}

export function ownerPartition(owner: string): string {
  return `o${safeName(owner)}`;
}

export function listed({ rowKey }: Entity): { row: string; link: string } {
  const dot = rowKey.lastIndexOf(".");
  return { row: rowKey.slice(0, dot), link: rowKey.slice(dot + 1) };
}

export function instant(entity: Entity): number {
  return Number(entity.expiresAt ?? Number.NaN);
}

export function int64(instant: number): { type: "Int64"; value: string } {
  return { type: "Int64", value: String(Math.round(instant)) };
}

function text(property: unknown): string | undefined {
  return typeof property === "string" ? property : undefined;
}

export function token(): string {
  return randomBytes(12).toString("base64url");
}

export function tooLarge(size: number | undefined, cause?: unknown): CoatcheckError {
  return new CoatcheckError(
    "COATCHECK_TOO_LARGE",
    `coatcheck: ${size === undefined ? "the session" : `a session of ${size} bytes`} does not fit into an entity of Azure Table storage, which takes ${MAX_VALUE} bytes; nothing was written. Keep large things elsewhere and their key here.`,
    { cause },
  );
}
