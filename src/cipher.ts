import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hash,
  hkdfSync,
  type KeyObject,
  randomFillSync,
} from "node:crypto";
import type { Ticket } from "./ticket.ts";

/**
 * How records are sealed for the store.
 * - `"server"`: under the secret. Who reads the database reads nothing.
 * - `"ticket"`: under the secret and the ticket together. Who has the database and the secret still reads nothing.
 *   `list` and `end` events then come without data.
 * - `"off"`: readable in the store.
 */
export type Encryption = "server" | "ticket" | "off";

/** Which record is meant: its store key always, its whole ticket if the browser has just shown it. */
export type SealTarget = Pick<Ticket, "key"> & Partial<Ticket>;

export interface Cipher {
  seal(record: Buffer, target: SealTarget): Uint8Array;
  /** True if `open` has what it needs. */
  canOpen(target: SealTarget): boolean;
  /** @throws if the bytes were not sealed for this target under one of the secrets. */
  open(sealed: Uint8Array, target: SealTarget): Uint8Array;
}

export function cipher(encryption: Encryption, secrets: readonly string[]): Cipher {
  return encryption === "off" ? plain : sealing(encryption, secrets);
}

const plain: Cipher = { seal: (record) => record, canOpen: () => true, open: (bytes) => bytes };

/** A record's own key, and the application's that it was derived from. */
interface RecordKey {
  readonly from: object;
  readonly key: KeyObject;
}

// Sealed: format (1), key id (4), nonce (12), tag (16), ciphertext.
const FORMATS = { server: 0xc1, ticket: 0xc2 };
const NONCE_AT = 5;
const TAG_AT = 17;
const TEXT_AT = 33;

/**
 * AES-256-GCM under a key of each record's own, derived from the secret and the record's store key (or ticket).
 * So a record opens nowhere but in its own place, and the limit on random nonces (2^32 messages a key, NIST SP 800-38D)
 * counts for each session alone.
 */
function sealing(encryption: "server" | "ticket", secrets: readonly string[]): Cipher {
  const format = FORMATS[encryption];
  const keys = secrets.map((secret) => ({
    id: Buffer.from(hkdfSync("sha256", secret, "", "coatcheck seal id v1", 4)).readUInt32LE(),
    text: Buffer.from(hkdfSync("sha256", secret, "", `coatcheck seal ${encryption} v1`, 32)).toString("base64url"),
  }));

  /**
   * Fixed lengths on both sides, so a plain hash is a sound key derivation (see ticket.ts).
   * A KeyObject, because with bytes for a key Node 24 takes 17 µs for a record of 1 KB instead of 5.
   */
  function recordKey(from: (typeof keys)[number], target: SealTarget): KeyObject {
    const known = target.recordKey as RecordKey | undefined;
    if (known?.from === from) return known.key;
    const place = encryption === "server" ? target.key : target.text;
    if (place === undefined) throw new Error("sealed under a ticket that is not at hand");
    const key = createSecretKey(hash("sha256", from.text + place, "binary"), "latin1");
    target.recordKey = { from, key } satisfies RecordKey;
    return key;
  }

  return {
    seal(record, target) {
      const key = keys[0]!;
      const sealed = Buffer.allocUnsafe(TEXT_AT + record.length);
      sealed[0] = format;
      sealed.writeUInt32LE(key.id, 1);
      const nonce = nextNonce();
      sealed.set(nonce, NONCE_AT);
      const aes = createCipheriv("aes-256-gcm", recordKey(key, target), nonce);
      sealed.set(aes.update(record), TEXT_AT);
      aes.final();
      sealed.set(aes.getAuthTag(), TAG_AT);
      return sealed;
    },

    canOpen: (target) => encryption === "server" || target.text !== undefined,

    open(bytes, target) {
      const sealed = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      if (sealed.length < TEXT_AT || sealed[0] !== format) throw new Error("not sealed by this application");
      const id = sealed.readUInt32LE(1);
      const key = keys.find((candidate) => candidate.id === id);
      if (key === undefined) throw new Error("sealed under another secret");
      const aes = createDecipheriv("aes-256-gcm", recordKey(key, target), sealed.subarray(NONCE_AT, TAG_AT), {
        authTagLength: TEXT_AT - TAG_AT,
      });
      aes.setAuthTag(sealed.subarray(TAG_AT, TEXT_AT));
      const record = aes.update(sealed.subarray(TEXT_AT));
      aes.final(); // throws unless every byte is as it was sealed
      return record;
    },
  };
}

const NONCE_BYTES = TAG_AT - NONCE_AT;
const pool = Buffer.allocUnsafeSlow(NONCE_BYTES * 256);
let used = pool.length;

function nextNonce(): Buffer {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += NONCE_BYTES;
  return pool.subarray(used - NONCE_BYTES, used);
}
