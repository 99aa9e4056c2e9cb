// Encryption: seals and opens records, and derives their keys from secret, application and ticket.

import { DEFAULT_APPLICATION } from "../cookies/ticket.ts";
import { UnknownSecretError } from "../errors.ts";
import { AES_BYTES, openAes, sealAes } from "./aes-gcm.ts";
import { type Encryption, type SealTarget, SecretKeys } from "./secret-keys.ts";
import { loadSodium, openXchacha, sealXchacha, XCHACHA_BYTES } from "./xchacha.ts";

export type { Encryption, SealTarget } from "./secret-keys.ts";

/**
 * By which cipher records are sealed: that of the platform, or that of libsodium (the package `sodium-native`), which takes
 * a quarter of the time. All servers open records of both, if they have the package.
 */
export type CipherName = "aes-256-gcm" | "xchacha20-poly1305";

export const CIPHERS: readonly CipherName[] = ["aes-256-gcm", "xchacha20-poly1305"];
export const DEFAULT_CIPHER: CipherName = "aes-256-gcm";

export interface Cipher {
  /** `owner` is the name under which the store files the record. */
  seal(record: Buffer, target: SealTarget, owner?: string): Uint8Array;
  /** True if `open` has what it needs. */
  canOpen(target: SealTarget): boolean;
  /**
   * @throws UnknownSecretError if the bytes were sealed under a secret that is not among these.
   * @throws UnknownCipherError if this server does not have their cipher.
   * @throws Error if they were not sealed for this target and owner.
   */
  open(sealed: Uint8Array, target: SealTarget, owner?: string): Uint8Array;
}

/** `application` keeps two applications with one secret apart: neither opens the other's records. */
export function cipher(
  encryption: Encryption,
  secrets: readonly string[],
  application: string = DEFAULT_APPLICATION,
  algorithm: CipherName = DEFAULT_CIPHER,
): Cipher {
  return encryption === "off" ? plain : sealing(encryption, secrets, application, algorithm);
}

const plain: Cipher = { seal: (record) => record, canOpen: () => true, open: (bytes) => bytes };

// Sealed: format (1), key id (4), and what the cipher makes of the record.
const FORMATS = {
  server: { "aes-256-gcm": 0xc1, "xchacha20-poly1305": 0xc3 },
  ticket: { "aes-256-gcm": 0xc2, "xchacha20-poly1305": 0xc4 },
};
const TEXT_AT = 5;
const ADDED = { "aes-256-gcm": AES_BYTES, "xchacha20-poly1305": XCHACHA_BYTES };

const ALL_FORMATS = Object.values(FORMATS).flatMap((formats) => Object.values(formats));

/** Whether these bytes are a record that is sealed, by whichever encryption. One that is not has its values in the clear. */
export function isSealed(bytes: Uint8Array): boolean {
  return bytes.length >= TEXT_AT && ALL_FORMATS.includes(bytes[0]!);
}

/** How much longer a sealed record is. */
export function sealBytes(algorithm: CipherName = DEFAULT_CIPHER): number {
  return TEXT_AT + ADDED[algorithm];
}

/**
 * With the record's store key and owner name as associated data: a record opens nowhere but in its own place, and the store
 * can't file it under another user. Records of both ciphers can be opened, whichever seals.
 */
function sealing(
  encryption: "server" | "ticket",
  secrets: readonly string[],
  application: string,
  algorithm: CipherName,
): Cipher {
  const formats = FORMATS[encryption];
  const keys = secrets.map((secret) => new SecretKeys(encryption, secret, application));
  const isXchacha = algorithm === "xchacha20-poly1305";
  if (isXchacha) loadSodium(); // so that a missing package shows now, and not at the first login

  return {
    seal(record, target, owner) {
      const secret = keys[0]!;
      const sealed = Buffer.allocUnsafe(sealBytes(algorithm) + record.length);
      sealed[0] = formats[algorithm];
      sealed.writeUInt32LE(secret.id, 1);
      const about = associatedData(target, owner);
      if (isXchacha) sealXchacha(sealed, TEXT_AT, record, secret.xchachaKey(target), about);
      else sealAes(sealed, TEXT_AT, record, secret.aesKey(target), about);
      return sealed;
    },

    canOpen: (target) => encryption === "server" || target.text !== undefined,

    open(bytes, target, owner) {
      const sealed = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const format = sealed[0];
      const isAes = format === formats["aes-256-gcm"];
      if (sealed.length < TEXT_AT + AES_BYTES || !(isAes || format === formats["xchacha20-poly1305"])) {
        throw new Error("not sealed by this application");
      }
      const id = sealed.readUInt32LE(1);
      const secret = keys.find((candidate) => candidate.id === id);
      if (secret === undefined) throw new UnknownSecretError(target.key);
      const about = associatedData(target, owner);
      if (isAes) return openAes(sealed, TEXT_AT, secret.aesKey(target), about);
      return openXchacha(sealed, TEXT_AT, secret.xchachaKey(target), about, target.key);
    },
  };
}

function associatedData({ key }: SealTarget, owner: string | undefined): Buffer {
  return Buffer.from(owner === undefined ? key : key + owner, "latin1");
}
