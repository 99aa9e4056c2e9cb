import { randomBytes } from "node:crypto";

/**
 * How a session lies in Redis: one string, a small header and then the value.
 *
 *   0       PLAIN or OWNED, so that something else under our prefix is noticed
 *   1..9    version, in characters that need no escaping in a command or a script
 *   OWNED only:
 *   10..15  until when the owner's index keeps its entry for this session, in milliseconds since 1970
 *   16..17  length of the owner's name in bytes
 *   18..    the owner's name
 *
 * The expiry is the key's own. A string takes half the memory of a hash.
 */
export const PLAIN = 0xc1;
export const OWNED = 0xc2;

/** A session as its bytes tell it; the expiry is beside them. */
export interface Record {
  version: string;
  value: Buffer;
  ownership: Ownership | undefined;
}

export interface Ownership {
  owner: string;
  /** Until when the owner's index keeps its entry for the session, in milliseconds since 1970. */
  until: number;
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
  if (owner.length > 0xffff) throw new RangeError(`an owner's name may have 65,535 bytes; this has ${owner.length}`);
  const bytes = Buffer.allocUnsafe(18 + owner.length + value.length);
  bytes[0] = OWNED;
  bytes.write(version, 1, "latin1");
  bytes.writeUIntBE(ownership.until, 10, 6);
  bytes.writeUInt16BE(owner.length, 16);
  bytes.set(owner, 18);
  bytes.set(value, 18 + owner.length);
  return bytes;
}

export function decode(bytes: Buffer): Record {
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
  throw new Error("Redis holds something under a session's key that is not a session of coatcheck");
}

/** From the part of the header that begins at byte 10. */
export function decodeOwnership(bytes: Buffer): Ownership {
  return { until: bytes.readUIntBE(0, 6), owner: bytes.toString("utf8", 8, 8 + bytes.readUInt16BE(6)) };
}

/** The names of what lies in Redis. Each ends in, or is, what the access rules `~prefix*` and `&prefix*` allow. */
export interface Names {
  /** The key of a session. */
  session(key: string): string;
  /** The store's key, from the key of a session. */
  keyOf(name: string): string;
  /** For SCAN: all sessions. */
  readonly sessions: string;
  /** The index of an owner's sessions. */
  owner(owner: string): string;
  /** The index of a bucket's sessions by expiry, from the key of a session in it. */
  dueOf(name: string): string;
  /** All of those indexes. */
  readonly due: readonly string[];
  /** The channel on which changes are announced, when there is one for all buckets. */
  readonly channel: string;
  /** The channels on which changes are announced, when each bucket has its own. */
  readonly channels: readonly { name: string; slot: number }[];
}

/**
 * Sessions are spread over 256 buckets, each named by a hash tag, so that in a Cluster a session, its bucket's expiry
 * index and its bucket's channel are in one slot and one script may use them. The names are the same without a Cluster:
 * a Redis can become one as it is.
 */
export function names(prefix: string): Names {
  const starts = TAGS.map((tag) => `${prefix}{${tag}}`);
  const tagAt = prefix.length;
  const keyAt = prefix.length + 4;
  return {
    session: (key) => starts[bucketOf(key)] + key,
    keyOf: (name) => name.slice(keyAt),
    sessions: `${prefix.replace(/[\\*?[\]]/g, "\\$&")}{??}*`,
    owner: (owner) => `${prefix}owner:${owner}`,
    dueOf: (name) => `${prefix}due${name.slice(tagAt, keyAt)}`,
    due: TAGS.map((tag) => `${prefix}due{${tag}}`),
    channel: `${prefix}changes`,
    channels: TAGS.map((tag, bucket) => ({ name: `${prefix}changes{${tag}}`, slot: SLOTS[bucket]! })),
  };
}

const BUCKETS = 256;

/** FNV-1a: 40 ns for a key of the core, and even also for keys that begin alike. */
function bucketOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 16)) & (BUCKETS - 1);
}

/** For each bucket, the first two characters whose slot lies in the bucket's 256th of all slots: an even spread. */
const [TAGS, SLOTS] = (() => {
  const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const tags: string[] = [];
  const slots: number[] = [];
  for (const first of alphabet) {
    for (const second of alphabet) {
      const slot = slotOf(first + second);
      const bucket = Math.floor(slot / (16_384 / BUCKETS));
      if (tags[bucket] !== undefined) continue;
      tags[bucket] = first + second;
      slots[bucket] = slot;
    }
  }
  return [tags, slots];
})();

/** The Cluster slot of a hash tag: CRC16 (XMODEM) modulo 16,384. */
export function slotOf(tag: string): number {
  let crc = 0;
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc % 16_384;
}

const VERSION_CHARS = 9;
let pool = "";
let used = 0;

/**
 * 54 random bits: no write ever has another's version, not even after a failover lost some, and a write that the client
 * sent twice is recognized. Nine characters, so that none is a word of the contract.
 */
export function newVersion(): string {
  if (used === pool.length) {
    pool = randomBytes(27 * 64).toString("base64url");
    used = 0;
  }
  used += VERSION_CHARS;
  return pool.slice(used - VERSION_CHARS, used);
}
