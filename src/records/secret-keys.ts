// The keys that one secret gives for sealing records.

import { createSecretKey, hash, hkdfSync, type KeyObject } from "node:crypto";
import type { Ticket } from "../cookies/ticket.ts";

/**
 * How records are sealed for the store.
 * - `"server"`: under the secret. The database alone opens no session.
 * - `"ticket"`: under the secret and the ticket together. The database and the secret together open no session.
 *   `list` and `end` events then come without data.
 * - `"off"`: readable in the store.
 */
export type Encryption = "server" | "ticket" | "off";

/** The record to seal or open: its store key, and its whole ticket if the browser has just presented it. */
export type SealTarget = Pick<Ticket, "key"> & Partial<Ticket>;

/** Characters of the store key, six bits each, that choose a shared key. */
const SHARED_BY = 2;

/**
 * With "server" the secret gives 4,096 keys for AES-GCM, and the store key's first 12 bits say which. So the limit on random
 * nonces (2^32 messages a key, NIST SP 800-38D) counts for each of them: 2^44 records. XChaCha20 has nonces of 192 bits,
 * which need no such care: one key is enough. With "ticket" each session has its own key.
 */
export class SecretKeys {
  /** Says in a record which secret sealed it. */
  readonly id: number;
  readonly #encryption: Encryption;
  readonly #text: string;
  readonly #xchacha: Buffer;
  readonly #shared = new Map<string, KeyObject>();

  constructor(encryption: Encryption, secret: string, application: string) {
    const derive = (info: string, bytes: number) => Buffer.from(hkdfSync("sha256", secret, application, info, bytes));
    this.id = derive("coatcheck seal id v1", 4).readUInt32LE();
    this.#encryption = encryption;
    this.#text = derive(`coatcheck seal ${encryption} v2`, 32).toString("base64url");
    this.#xchacha = derive(`coatcheck seal ${encryption} xchacha v1`, 32);
  }

  /** The key of a record for AES-256-GCM. */
  aesKey({ key, text }: SealTarget): KeyObject {
    if (this.#encryption === "server") return this.#sharedKey(key.slice(0, SHARED_BY));
    return this.#derive(presented(text));
  }

  /** The key of a record for XChaCha20-Poly1305. */
  xchachaKey({ text }: SealTarget): Buffer {
    if (this.#encryption === "server") return this.#xchacha;
    return hash("sha256", this.#xchacha.toString("base64url") + presented(text), "buffer");
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

function presented(text: string | undefined): string {
  if (text === undefined) throw new Error("sealed under a ticket that is not at hand");
  return text;
}
