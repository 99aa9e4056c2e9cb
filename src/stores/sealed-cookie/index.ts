// The sealed cookie: keeps each session, encrypted, in its browser.

import { CapabilityError } from "../../errors.ts";
import type { SessionStore } from "../../store.ts";

/**
 * Keeps sessions in the browser: the ticket's cookie carries the session, sealed. Nothing has to run, and any server with
 * the secret serves any request. The costs, compared with a server-side store:
 *
 * - `destroy` clears the cookie and `regenerate` replaces it, but a copy of the former one stays valid until it expires, and
 *   can bring an older state back.
 * - Of parallel requests that write, the last response wins. One that ends after a logout brings its session back.
 * - Sessions can't be listed or revoked, and mode `"exclusive"` is refused.
 * - The servers' clocks have to agree, since each judges the expiry by its own.
 * - A session has room for 2,900 bytes, less with a long cookie name, path or domain, and every request sends them.
 */
export function sealedCookie(): SessionStore {
  // The core itself reads and writes the cookie. Only `revoke` calls the store.
  const refuse = () => {
    const reason = "sealedCookie() keeps sessions only in the browser: use a server-side store";
    return Promise.reject(new CapabilityError("sessions.revoke()", "read", reason));
  };
  return {
    name: "sealed-cookie",
    inCookie: true,
    read: refuse,
    create: refuse,
    update: refuse,
    delete: refuse,
    touch: refuse,
    async close() {},
  };
}
