// Keys as numbers, and texts as bytes.

import { randomInt } from "node:crypto";

/**
 * A key in five words of 32 bits, of which the last uses 16. The core's keys, 24 characters of base64url, fit in them
 * exactly. For any other key, the words have its hash and its `textInfo`, and the text is stored elsewhere.
 */
export class PackedKey {
  a = 0;
  b = 0;
  c = 0;
  d = 0;
  e = 0;
  /** True if the words hold the key itself, and not its hash. */
  isExact = false;

  pack(key: string): void {
    if (seed === 0) seed = randomInt(1, 2 ** 32) | 0;
    this.isExact = key.length === 24 && this.#packExactly(key);
    if (this.isExact) return;
    this.a = hashText(key);
    this.b = textInfo(key);
    this.c = this.d = this.e = 0;
  }

  /** The key, if `isExact`. */
  unpack(): string {
    const { a, b, c, d, e } = this;
    writeFour(0, a >>> 8);
    writeFour(4, ((a & 0xff) << 16) | (b >>> 16));
    writeFour(8, ((b & 0xffff) << 8) | (c >>> 24));
    writeFour(12, c & 0xffffff);
    writeFour(16, d >>> 8);
    writeFour(20, ((d & 0xff) << 16) | e);
    return text.toString("latin1");
  }

  get hash(): number {
    let hash = seed;
    hash = Math.imul(hash ^ this.a, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15) ^ this.b, 0xc2b2ae35);
    hash = Math.imul(hash ^ (hash >>> 13) ^ this.c, 0x27d4eb2f);
    hash = Math.imul(hash ^ (hash >>> 15) ^ this.d, 0x165667b1);
    hash = Math.imul(hash ^ (hash >>> 13) ^ this.e, 0x85ebca6b);
    return hash ^ (hash >>> 16);
  }

  #packExactly(key: string): boolean {
    const first = readFour(key, 0);
    const second = readFour(key, 4);
    const third = readFour(key, 8);
    const fourth = readFour(key, 12);
    const fifth = readFour(key, 16);
    const sixth = readFour(key, 20);
    if ((first | second | third | fourth | fifth | sixth) < 0) return false;
    this.a = (first << 8) | (second >>> 16);
    this.b = (second << 16) | (third >>> 8);
    this.c = (third << 24) | fourth;
    this.d = (fifth << 8) | (sixth >>> 16);
    this.e = sixth & 0xffff;
    return true;
  }
}

/**
 * Protects against hash flooding: an attacker who chooses keys can't choose their hashes. It is made when the first key is
 * packed, since some runtimes have no random numbers while a module loads.
 */
let seed = 0;

/** Only once a key has been packed. */
export function hashText(text: string): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash ^ (hash >>> 15);
}

/** How a text is stored: twice its length in bytes, plus 1 if each character takes two bytes. */
export function textInfo(text: string): number {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return 4 * text.length + 1;
  return 2 * text.length;
}

export function writeText(bytes: Buffer, at: number, text: string, info: number): void {
  bytes.write(text, at, info & 1 ? "utf16le" : "latin1");
}

export function readText(bytes: Buffer, at: number, info: number): string {
  return bytes.toString(info & 1 ? "utf16le" : "latin1", at, at + (info >>> 1));
}

const ALPHABET = Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
const SIX_BITS = new Int8Array(128).fill(-1);
ALPHABET.forEach((character, bits) => {
  SIX_BITS[character] = bits;
});
const text = Buffer.alloc(24);

/** Four characters as 24 bits, or a negative number if they are not base64url. */
function readFour(key: string, at: number): number {
  const a = key.charCodeAt(at);
  const b = key.charCodeAt(at + 1);
  const c = key.charCodeAt(at + 2);
  const d = key.charCodeAt(at + 3);
  if ((a | b | c | d) > 127) return -1;
  return (SIX_BITS[a]! << 18) | (SIX_BITS[b]! << 12) | (SIX_BITS[c]! << 6) | SIX_BITS[d]!;
}

function writeFour(at: number, bits: number): void {
  text[at] = ALPHABET[bits >>> 18]!;
  text[at + 1] = ALPHABET[(bits >>> 12) & 63]!;
  text[at + 2] = ALPHABET[(bits >>> 6) & 63]!;
  text[at + 3] = ALPHABET[bits & 63]!;
}
