// XChaCha20-Poly1305 by libsodium, in the package sodium-native.

import { createRequire } from "node:module";
import { CoatcheckError, UnknownCipherError } from "../errors.ts";
import { randomNonces } from "./random-nonces.ts";

/** What is used of sodium-native. */
interface Sodium {
  crypto_aead_xchacha20poly1305_ietf_encrypt(
    sealed: Buffer,
    record: Buffer,
    about: Buffer,
    unused: null,
    nonce: Buffer,
    key: Buffer,
  ): number;
  crypto_aead_xchacha20poly1305_ietf_decrypt(
    record: Buffer,
    unused: null,
    sealed: Buffer,
    about: Buffer,
    nonce: Buffer,
    key: Buffer,
  ): number;
}

const NONCE_BYTES = 24;
const TAG_BYTES = 16;
/** Beside the text: a nonce before it, a tag after it. */
export const XCHACHA_BYTES = NONCE_BYTES + TAG_BYTES;

const nextNonce = randomNonces(NONCE_BYTES);
let sodium: Sodium | undefined;

/** @throws CoatcheckError (`COATCHECK_PEER`) if sodium-native can't be loaded. */
export function loadSodium(): Sodium {
  try {
    sodium ??= createRequire(import.meta.url)("sodium-native") as Sodium;
  } catch (cause) {
    throw new CoatcheckError(
      "COATCHECK_PEER",
      'coatcheck: the cipher "xchacha20-poly1305" needs the package "sodium-native": npm install sodium-native',
      { cause },
    );
  }
  return sodium;
}

/** Writes nonce, encrypted record and tag into `sealed`, from `at` on. */
export function sealXchacha(sealed: Buffer, at: number, record: Buffer, key: Buffer, about: Buffer): void {
  const nonce = nextNonce();
  sealed.set(nonce, at);
  loadSodium().crypto_aead_xchacha20poly1305_ietf_encrypt(
    sealed.subarray(at + NONCE_BYTES),
    record,
    about,
    null,
    nonce,
    key,
  );
}

/**
 * @throws UnknownCipherError if this server has no sodium-native: the session is good, and another server opens it.
 * @throws Error unless every byte is as it was sealed.
 */
export function openXchacha(sealed: Buffer, at: number, key: Buffer, about: Buffer, id: string): Buffer {
  if (sealed.length < at + XCHACHA_BYTES) throw new Error("too short");
  const record = Buffer.allocUnsafe(sealed.length - at - XCHACHA_BYTES);
  const nonce = sealed.subarray(at, at + NONCE_BYTES);
  loadToOpen(id).crypto_aead_xchacha20poly1305_ietf_decrypt(
    record,
    null,
    sealed.subarray(at + NONCE_BYTES),
    about,
    nonce,
    key,
  );
  return record;
}

function loadToOpen(id: string): Sodium {
  try {
    return loadSodium();
  } catch (cause) {
    throw new UnknownCipherError(id, cause);
  }
}
