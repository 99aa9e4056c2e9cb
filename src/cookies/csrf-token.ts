// Tokens against cross-site request forgery: bound to a ticket, and with another mask each time.

import { hash, hkdfSync, timingSafeEqual } from "node:crypto";
import type { Ticket } from "./ticket.ts";

/** Issues and verifies tokens under one or more secrets. */
export interface CsrfTokens {
  /** A token for pages of the session with this ticket. Each call gives another text. */
  issue(ticket: Ticket): string;
  /** True if the token was made for this ticket. */
  verify(ticket: Ticket, token: unknown): boolean;
}

// As the ticket's MAC and id: multiples of three, so that base64url has neither padding nor spare bits.
const MAC_BYTES = 18;
const TOKEN = /^[\w-]{48}$/;

/**
 * A token is a random mask, and the MAC of the ticket under that mask. A page that is compressed shows by its size whether
 * two texts in it are alike (BREACH); with another mask each time there is nothing to compare. Nothing is stored: a new
 * ticket has other tokens, so a login ends those from before it.
 */
export function csrfTokens(secrets: readonly string[], application: string): CsrfTokens {
  const keys = secrets.map((secret) =>
    Buffer.from(hkdfSync("sha256", secret, application, "coatcheck csrf v1", 32)).toString("base64url"),
  );

  return {
    issue(ticket) {
      const mask = Buffer.from(crypto.getRandomValues(new Uint8Array(MAC_BYTES)));
      return Buffer.concat([mask, masked(macOf(keys[0]!, ticket), mask)]).toString("base64url");
    },

    verify(ticket, token) {
      if (typeof token !== "string" || !TOKEN.test(token)) return false;
      const bytes = Buffer.from(token, "base64url");
      const mac = masked(bytes.subarray(MAC_BYTES), bytes.subarray(0, MAC_BYTES));
      return keys.some((key) => timingSafeEqual(mac, macOf(key, ticket)));
    },
  };
}

/** As in ticket.ts: fixed lengths, truncated output. */
function macOf(key: string, { text }: Ticket): Buffer {
  return hash("sha256", key + text, "buffer").subarray(0, MAC_BYTES);
}

function masked(bytes: Buffer, mask: Buffer): Buffer {
  return Buffer.from(bytes.map((byte, i) => byte ^ mask[i]!));
}
