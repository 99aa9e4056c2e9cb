// How a session and an index row are stored as entities.

import { randomBytes } from "node:crypto";
import { StoreError } from "../../errors.ts";
import { type SessionEntry, type SessionWrite, withOwner } from "../../store.ts";
import { isHashed, safeName } from "../shared/safe-name.ts";
import { CHUNK_BYTES, MAX_VALUE_BYTES, tooLarge } from "./errors.ts";
import type { Entity } from "./sdk.ts";

/** What a session's entity says beside the value. */
export interface EntityState {
  /** The store's own version. The ETag changes with a touch, and the version must not. */
  version: string;
  etag: string;
  expiresAt: number;
  owner: string | undefined;
  /** The id of the session's row in its owner's index. It is stored as `link`. */
  indexId: string | undefined;
}

/** The properties that `stateOf` reads. */
export const STATE_PROPERTIES = ["version", "expiresAt", "owner", "link"];

/**
 * The entity of a session, under a new version.
 *
 * @param row the session's row key.
 * @throws CoatcheckError (`COATCHECK_TOO_LARGE`) if the value does not fit.
 */
export function encode(
  key: string,
  row: string,
  { value, expiresAt, owner }: SessionWrite,
): { entity: Entity; version: string } {
  if (value.length > MAX_VALUE_BYTES) throw tooLarge(value.length);
  const version = randomId();
  const entity: Entity = { partitionKey: partitionOf(row), rowKey: row, version, expiresAt: int64(expiresAt) };
  if (isHashed(row)) entity.key = key;
  if (owner !== undefined) entity.owner = owner;
  // Of bytes that are no Buffer, the client sends the whole memory that they are a part of.
  const buffer = Buffer.from(value.buffer, value.byteOffset, value.length);
  for (let chunk = 0; chunk * CHUNK_BYTES < value.length; chunk++) {
    entity[`value${chunk}`] = buffer.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES);
  }
  return { entity, version };
}

/** The session of an entity. */
export function decode(entity: Entity): SessionWrite {
  const chunks: Uint8Array[] = [];
  for (let chunk = entity.value0; chunk instanceof Uint8Array; chunk = entity[`value${chunks.length}`]) {
    chunks.push(chunk);
  }
  const { expiresAt, owner } = stateOf(entity);
  return withOwner({ value: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks), expiresAt }, owner);
}

/** @throws StoreError if the entity is not a session of coatcheck. */
export function stateOf(entity: Entity): EntityState {
  const { version, etag, owner, link } = entity;
  const expiresAt = expiryOf(entity);
  if (typeof version !== "string" || typeof etag !== "string" || !Number.isFinite(expiresAt)) {
    throw new StoreError(
      `coatcheck: the entity "${entity.rowKey}" is not a session of coatcheck. Give coatcheck a table of its own.`,
    );
  }
  return { version, etag, expiresAt, owner: textOf(owner), indexId: textOf(link) };
}

/** `now`: by the service's clock. */
export function isLive(state: EntityState | undefined, now: number): state is EntityState {
  return state !== undefined && state.expiresAt > now;
}

export function entryOf(key: string, { expiresAt, owner }: EntityState): SessionEntry {
  return withOwner({ key, expiresAt }, owner);
}

export function keyOf(entity: Entity): string {
  return textOf(entity.key) ?? entity.rowKey;
}

/** Spreads sessions over 4,096 partitions, by the end of their keys: keys may have a common beginning. */
export function partitionOf(row: string): string {
  return `s${row.slice(-2)}`;
}

/** The partition that holds the index of an owner. */
export function ownerPartition(owner: string): string {
  return `o${safeName(owner)}`;
}

/** The row key of an index row: the session's row key, and the id that the session confirms. */
export function indexRowKey(row: string, indexId: string): string {
  return `${row}.${indexId}`;
}

export function parseIndexRow({ rowKey }: Entity): { row: string; indexId: string } {
  const dot = rowKey.lastIndexOf(".");
  return { row: rowKey.slice(0, dot), indexId: rowKey.slice(dot + 1) };
}

/** When an entity expires; NaN if it does not say so. */
export function expiryOf(entity: Entity): number {
  return Number(entity.expiresAt ?? Number.NaN);
}

/** An integer as the service stores it. The client would send a plain number as 32 bits. */
export function int64(instant: number): { type: "Int64"; value: string } {
  return { type: "Int64", value: String(Math.round(instant)) };
}

export function randomId(): string {
  return randomBytes(12).toString("base64url");
}

function textOf(property: unknown): string | undefined {
  return typeof property === "string" ? property : undefined;
}
