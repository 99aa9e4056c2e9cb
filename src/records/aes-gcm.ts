// AES-256-GCM by the platform.

import { createCipheriv, createDecipheriv, type KeyObject } from "node:crypto";
import { randomNonces } from "./random-nonces.ts";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Before the text: nonce and tag. */
export const AES_BYTES = NONCE_BYTES + TAG_BYTES;

const nextNonce = randomNonces(NONCE_BYTES);

/** Writes nonce, tag and encrypted record into `sealed`, from `at` on. */
export function sealAes(sealed: Buffer, at: number, record: Buffer, key: KeyObject, about: Buffer): void {
  const nonce = nextNonce();
  sealed.set(nonce, at);
  const aes = createCipheriv("aes-256-gcm", key, nonce);
  aes.setAAD(about);
  sealed.set(aes.update(record), at + AES_BYTES);
  aes.final();
  sealed.set(aes.getAuthTag(), at + NONCE_BYTES);
}

/** @throws Error unless every byte is as it was sealed */
export function openAes(sealed: Buffer, at: number, key: KeyObject, about: Buffer): Buffer {
  const nonce = sealed.subarray(at, at + NONCE_BYTES);
  const aes = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  aes.setAAD(about);
  aes.setAuthTag(sealed.subarray(at + NONCE_BYTES, at + AES_BYTES));
  const record = aes.update(sealed.subarray(at + AES_BYTES));
  aes.final();
  return record;
}
