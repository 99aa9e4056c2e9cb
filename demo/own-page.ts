// Which requests a browser of this machine sends for itself, and not for a page of another site.
import type { IncomingMessage } from "node:http";

/** Any host name can point to this address. */
export function isOwnHost(host = ""): boolean {
  return /^(localhost|127\.0\.0\.1)(:\d+)?$/.test(host);
}

/** Any site can post a form to this address, too. */
export function isOwnPage({ headers: { origin, host } }: IncomingMessage): boolean {
  return isOwnHost(host) && (origin === undefined || origin === `http://${host}`);
}
