// Random ids as text, drawn for many at a time.

import { randomFillSync } from "node:crypto";

const DRAWN_TOGETHER = 256;

/**
 * A function that gives an id of this many random bytes, in base64url. One call to the generator costs more than an id, so 256
 * are drawn together. What was given is not kept in memory.
 */
export function randomIds(bytes: number): () => string {
  const pool = Buffer.allocUnsafeSlow(bytes * DRAWN_TOGETHER);
  let used = pool.length;
  return () => {
    if (used === pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    const id = pool.toString("base64url", used, used + bytes);
    for (const end = used + bytes; used < end; used++) pool[used] = 0;
    return id;
  };
}
