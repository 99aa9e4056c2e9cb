import { CapabilityError } from "../errors.ts";
import type { SessionStore } from "../store.ts";

/**
 * No store at all: the browser carries its session, sealed, in the ticket's cookie. Nothing has to run, and any server
 * with the secret takes any request. In return, and unlike with every store:
 *
 * - a logout clears the cookie, but who has copied it can use it until it expires;
 * - of parallel requests that write, the last answer wins;
 * - nothing can be listed or revoked, and mode `"exclusive"` is refused;
 * - a session has room for about 2,900 bytes, and each request carries it.
 */
export function sealedCookie(): SessionStore {
  const refuse = () => Promise.reject(new CapabilityError("This call", "a place of its own for sessions"));
  return {
    inCookie: true,
    read: refuse,
    create: refuse,
    update: refuse,
    delete: refuse,
    touch: refuse,
    async close() {},
  };
}
