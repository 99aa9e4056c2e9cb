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

// Sealed: format (1), key id (4), nonce (12), tag (16), ciphertext.
const FORMATS = { server: 0xc1, ticket: 0xc2 };
const NONCE_AT = 5;
const TAG_AT = 17;
const TEXT_AT = 33;
/** Characters of the store key, six bits each, that choose a shared key. */
const SHARED_BY = 2;

/**
 * AES-256-GCM, bound to the record's store key as associated data, so that a record opens nowhere but in its own place.
 * With "server" the secret gives 4,096 keys, and the store key's first 12 bits say which. So the limit on random nonces
 * (2^32 messages a key, NIST SP 800-38D) counts for each of them: 2^44 records. With "ticket" each session has its own.
 */
function sealing(encryption: "server" | "ticket", secrets: readonly string[]): Cipher {
  const format = FORMATS[encryption];
  const keys = secrets.map((secret) => new SecretKeys(encryption, secret));

  return {
    seal(record, target) {
      const secret = keys[0]!;
      const sealed = Buffer.allocUnsafe(TEXT_AT + record.length);
      sealed[0] = format;
      sealed.writeUInt32LE(secret.id, 1);
      const nonce = nextNonce();
      sealed.set(nonce, NONCE_AT);
      const aes = createCipheriv("aes-256-gcm", secret.keyFor(target), nonce);
      aes.setAAD(Buffer.from(target.key, "latin1"));
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
      const secret = keys.find((candidate) => candidate.id === id);
      if (secret === undefined) throw new Error("sealed under another secret");
      const aes = createDecipheriv("aes-256-gcm", secret.keyFor(target), sealed.subarray(NONCE_AT, TAG_AT), {
        authTagLength: TEXT_AT - TAG_AT,
      });
      aes.setAAD(Buffer.from(target.key, "latin1"));
      aes.setAuthTag(sealed.subarray(TAG_AT, TEXT_AT));
      const record = aes.update(sealed.subarray(TEXT_AT));
      aes.final(); // throws unless every byte is as it was sealed
      return record;
    },
  };
}

/** The keys that one secret gives. */
class SecretKeys {
  /** Says in a record which secret sealed it. */
  readonly id: number;
  readonly #encryption: "server" | "ticket";
  readonly #text: string;
  readonly #shared = new Map<string, KeyObject>();

  constructor(encryption: "server" | "ticket", secret: string) {
    this.id = Buffer.from(hkdfSync("sha256", secret, "", "coatcheck seal id v1", 4)).readUInt32LE();
    this.#encryption = encryption;
    this.#text = Buffer.from(hkdfSync("sha256", secret, "", `coatcheck seal ${encryption} v2`, 32)).toString(
      "base64url",
    );
  }

  keyFor({ key, text }: SealTarget): KeyObject {
    if (this.#encryption === "server") return this.#sharedKey(key.slice(0, SHARED_BY));
    if (text === undefined) throw new Error("sealed under a ticket that is not at hand");
    return this.#derive(text);
  }

  /** Kept, because to derive one and to collect it afterwards takes a quarter of the time that sealing does. */
  #sharedKey(place: string): KeyObject {
    let key = this.#shared.get(place);
    if (key === undefined) {
      key = this.#derive(place);
      this.#shared.set(place, key);
    }
    return key;
  }

  /**
   * Fixed lengths on both sides, so a plain hash is a sound key derivation (see ticket.ts).
   * A KeyObject, because with bytes for a key Node 24 takes 17 µs for a record of 1 KB instead of 5.
   */
  #derive(place: string): KeyObject {
    return createSecretKey(hash("sha256", this.#text + place, "binary"), "latin1");
  }
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
