// Random nonces, drawn for many at a time.

import { randomFillSync } from "node:crypto";

const DRAWN_TOGETHER = 256;

/** A function that gives random bytes. One call to the generator costs more than a nonce, so 256 are drawn together. */
export function randomNonces(bytes: number): () => Buffer {
  let pool: Buffer | undefined;
  let used = 0;
  return () => {
    pool ??= Buffer.allocUnsafeSlow(bytes * DRAWN_TOGETHER);
    if (used === 0) randomFillSync(pool);
    const nonce = pool.subarray(used, used + bytes);
    used = (used + bytes) % pool.length;
    return nonce;
  };
}
