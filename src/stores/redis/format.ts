// How sessions lie in Redis: the bytes of a value, and the names of keys and channels.

import { randomBytes } from "node:crypto";

/**
 * A session is one string, a small header and then the value. A string takes half the memory of a hash.
 *
 *   0       PLAIN or OWNED. Any other byte: the string is not a session of coatcheck
 *   1..9    version, in characters that need no escaping in a command or a script
 *   OWNED only:
 *   10..15  when the session's entry in its owner's index ends, in milliseconds since 1970
 *   16..17  length of the owner in bytes
 *   18..    the owner
 *
 * The session's expiry is the expiry of the key.
 */
export const PLAIN = 0xc1;
export const OWNED = 0xc2;

/** A session as its bytes hold it, without the expiry. */
export interface StoredValue {
  version: string;
  value: Buffer;
  ownership: Ownership | undefined;
}

export interface Ownership {
  owner: string;
  /** When the session's entry in its owner's index ends, in milliseconds since 1970. */
  indexedUntil: number;
}

export function encode(version: string, value: Uint8Array, ownership: Ownership | undefined): Buffer {
  if (ownership === undefined) {
    const bytes = Buffer.allocUnsafe(10 + value.length);
    bytes[0] = PLAIN;
    bytes.write(version, 1, "latin1");
    bytes.set(value, 10);
    return bytes;
  }
  const owner = Buffer.from(ownership.owner);
  if (owner.length > 0xffff) throw new RangeError(`an owner has at most 65,535 bytes, and this one ${owner.length}`);
  const bytes = Buffer.allocUnsafe(18 + owner.length + value.length);
  bytes[0] = OWNED;
  bytes.write(version, 1, "latin1");
  bytes.writeUIntBE(ownership.indexedUntil, 10, 6);
  bytes.writeUInt16BE(owner.length, 16);
  bytes.set(owner, 18);
  bytes.set(value, 18 + owner.length);
  return bytes;
}

/** @throws Error if the bytes are not a session of coatcheck. */
export function decode(bytes: Buffer): StoredValue {
  const format = bytes[0];
  if (format === PLAIN && bytes.length >= 10) {
    return { version: bytes.toString("latin1", 1, 10), value: bytes.subarray(10), ownership: undefined };
  }
  if (format === OWNED && bytes.length >= 18) {
    return {
      version: bytes.toString("latin1", 1, 10),
      value: bytes.subarray(18 + bytes.readUInt16BE(16)),
      ownership: decodeOwnership(bytes.subarray(10)),
    };
  }
  throw new Error(
    "what Redis has under a session's key is not a session of coatcheck: give the store a prefix that nothing else uses",
  );
}

/** From the part of the header that begins at byte 10. */
export function decodeOwnership(bytes: Buffer): Ownership {
  return { indexedUntil: bytes.readUIntBE(0, 6), owner: bytes.toString("utf8", 8, 8 + bytes.readUInt16BE(6)) };
}

/** The names of keys and channels in Redis. All match the access rules `~prefix*` and `&prefix*`. */
export interface Names {
  /** The key in Redis of a session. */
  session(key: string): string;
  /** The session's key, from its key in Redis. */
  keyOf(name: string): string;
  /** The pattern of all sessions, for SCAN. */
  readonly sessionPattern: string;
  /** The index of an owner's sessions. */
  ownerIndex(owner: string): string;
  /** The expiry index of the bucket that a session is in, from the session's key in Redis. */
  expiryIndexOf(name: string): string;
  /** The expiry indexes of all buckets. */
  readonly expiryIndexes: readonly string[];
  /** The one channel for all changes, if channels are not sharded. */
  readonly channel: string;
  /** The channels of all buckets, if channels are sharded. */
  readonly shardedChannels: readonly { name: string; slot: number }[];
}

/**
 * Sessions are spread over 256 buckets, each named by a hash tag. So a session, its bucket's expiry index and its bucket's
 * channel are in one slot of a Cluster, and one script can use all three. The names are the same without a Cluster, so that
 * a single Redis can become one without a migration.
 */
export function createNames(prefix: string): Names {
  const bucketPrefixes = TAGS.map((tag) => `${prefix}{${tag}}`);
  const tagStart = prefix.length;
  const keyStart = prefix.length + 4;
  return {
    session: (key) => bucketPrefixes[bucketOf(key)] + key,
    keyOf: (name) => name.slice(keyStart),
    sessionPattern: `${prefix.replace(/[\\*?[\]]/g, "\\$&")}{??}*`,
    ownerIndex: (owner) => `${prefix}owner:${owner}`,
    expiryIndexOf: (name) => `${prefix}due${name.slice(tagStart, keyStart)}`,
    expiryIndexes: TAGS.map((tag) => `${prefix}due{${tag}}`),
    channel: `${prefix}changes`,
    shardedChannels: TAGS.map((tag, bucket) => ({ name: `${prefix}changes{${tag}}`, slot: SLOTS[bucket]! })),
  };
}

const BUCKETS = 256;
const CLUSTER_SLOTS = 16_384;

/** FNV-1a: takes 40 ns for a key of the core, and spreads keys with a common beginning evenly too. */
function bucketOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 16)) & (BUCKETS - 1);
}

/** The tag of each bucket: the first two characters whose slot is in the bucket's 256th of all slots, an even spread. */
const [TAGS, SLOTS] = (() => {
  const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const tags: string[] = [];
  const slots: number[] = [];
  for (const first of alphabet) {
    for (const second of alphabet) {
      const slot = slotOf(first + second);
      const bucket = Math.floor(slot / (CLUSTER_SLOTS / BUCKETS));
      if (tags[bucket] !== undefined) continue;
      tags[bucket] = first + second;
      slots[bucket] = slot;
    }
  }
  return [tags, slots];
})();

/** The Cluster slot of a hash tag: CRC16 (XMODEM) modulo 16,384. */
function slotOf(tag: string): number {
  let crc = 0;
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc % CLUSTER_SLOTS;
}

const VERSION_LENGTH = 9;
let randomText = "";
let used = 0;

/**
 * 54 random bits. No two writes have the same version, not even after a failover lost some, and a write that the client
 * sent twice is recognized. With nine characters, a version is never a word of the store contract, such as "conflict".
 */
export function newVersion(): string {
  if (used === randomText.length) {
    randomText = randomBytes(27 * 64).toString("base64url");
    used = 0;
  }
  used += VERSION_LENGTH;
  return randomText.slice(used - VERSION_LENGTH, used);
}
