// Tickets: random ids, signed under a key derived from the secret, and the store key that follows from one.

import { hash, hkdfSync } from "node:crypto";
import { randomIds } from "../util/random-ids.ts";

/** What the browser holds, and the store key that follows from it. */
export interface Ticket {
  /** 24 characters of id, 16 of MAC: the cookie's value, until it is renewed. It gives access to the session: never log it. */
  readonly text: string;
  /** The key in the store and the session's public id. The ticket can't be computed from it. */
  readonly key: string;
  /** After it was renewed. */
  readonly renewal?: Renewal;
}

/** A ticket is renewed without its session being moved: the id and with it the store key stay, and a number is added. */
interface Renewal {
  /** How often the ticket was renewed. */
  readonly serial: number;
  /** The cookie's value: 24 characters of id, 4 of the number, 16 of another MAC. Never log it. */
  readonly text: string;
}

/** How often the ticket was renewed. */
export function serialOf({ renewal }: Ticket): number {
  return renewal === undefined ? 0 : renewal.serial;
}

/** The value of the cookie that brings the ticket. */
export function cookieText({ text, renewal }: Ticket): string {
  return renewal === undefined ? text : renewal.text;
}

/** Issues and verifies tickets under one or more secrets. */
export interface TicketSigner {
  /** A new ticket under the first secret. */
  issue(): Ticket;
  /** The ticket, or undefined if it is mistyped or forged. The store is not asked. */
  verify(text: string): Ticket | undefined;
  /** The ticket as it is after this many renewals. Nobody can make it of an earlier one without the secret. */
  renewed(ticket: Ticket, serial: number): Ticket;
  /** The tickets that a text leads to, one for each secret: always the same ones. Nobody finds them without a secret. */
  derive(text: string): readonly Ticket[];
}

// 18 random bytes (144 bits), a MAC of 12, a key of 18: multiples of three, so that base64url has neither padding
// nor spare bits, and a ticket has exactly one spelling.
const ID_CHARS = 24;
const MAC_CHARS = 16;
const KEY_CHARS = 24;
/** The length of a ticket's text. */
export const TICKET_CHARS = ID_CHARS + MAC_CHARS;
const SYNTAX = /^[\w-]{40}$/;
const SERIAL_CHARS = 4;
const SERIAL_BYTES = 3;
const RENEWED_SYNTAX = /^[\w-]{44}$/;

/** The application's name where none is given. */
export const DEFAULT_APPLICATION = "sid";

/** `application` keeps two applications with one secret apart: neither knows the other's tickets. */
export function ticketSigner(secrets: readonly string[], application = DEFAULT_APPLICATION): TicketSigner {
  const macKeys = secrets.map((secret) =>
    Buffer.from(hkdfSync("sha256", secret, application, "coatcheck ticket v1", 32)).toString("base64url"),
  );
  // Made when they are needed: most applications renew no tickets.
  let renewalKeys: readonly string[] | undefined;

  function renewalMac(secret: number, idAndSerial: string): string {
    renewalKeys ??= secrets.map((one) =>
      Buffer.from(hkdfSync("sha256", one, application, "coatcheck renewed ticket v1", 32)).toString("base64url"),
    );
    return hash("sha256", renewalKeys[secret]! + idAndSerial, "base64url").slice(0, MAC_CHARS);
  }

  function verifyRenewed(text: string): Ticket | undefined {
    if (!RENEWED_SYNTAX.test(text)) return undefined;
    const idAndSerial = text.slice(0, ID_CHARS + SERIAL_CHARS);
    for (const [i, macKey] of macKeys.entries()) {
      if (!sameMac(renewalMac(i, idAndSerial), text, idAndSerial.length)) continue;
      const id = text.slice(0, ID_CHARS);
      const { mac, key } = derive(macKey, id);
      const serial = Buffer.from(idAndSerial.slice(ID_CHARS), "base64url").readUIntBE(0, SERIAL_BYTES);
      return { text: id + mac, key, renewal: { serial, text } };
    }
    return undefined;
  }

  return {
    issue() {
      const id = randomId();
      const { mac, key } = derive(macKeys[0]!, id);
      return { text: id + mac, key };
    },

    verify(text) {
      if (!SYNTAX.test(text)) return verifyRenewed(text);
      const id = text.slice(0, ID_CHARS);
      for (const macKey of macKeys) {
        const { mac, key } = derive(macKey, id);
        if (sameMac(mac, text, ID_CHARS)) return { text, key };
      }
      return undefined;
    },

    renewed({ text, key }, serial) {
      const id = text.slice(0, ID_CHARS);
      // Under the secret that the store key comes from.
      const secret = macKeys.findIndex((macKey) => derive(macKey, id).key === key);
      const number = Buffer.alloc(SERIAL_BYTES);
      number.writeUIntBE(serial, 0, SERIAL_BYTES);
      const idAndSerial = id + number.toString("base64url");
      return { text, key, renewal: { serial, text: idAndSerial + renewalMac(secret, idAndSerial) } };
    },

    derive(text) {
      return macKeys.map((macKey) => {
        const bytes = hkdfSync("sha256", macKey, text, "coatcheck derived ticket v1", ID_BYTES);
        const id = Buffer.from(bytes).toString("base64url");
        const { mac, key } = derive(macKey, id);
        return { text: id + mac, key };
      });
    },
  };
}

/** True for the spelling of a public id. */
export function isKey(text: string): boolean {
  return text.length === KEY_CHARS && /^[\w-]+$/.test(text);
}

/**
 * One keyed hash gives both halves: the MAC, which goes into the ticket, and the store key, which does not.
 * Key and id have fixed lengths and the output is truncated, so plain SHA-256 is a sound MAC here (no length to extend);
 * it takes a sixth of an HMAC's time.
 */
function derive(macKey: string, id: string): { mac: string; key: string } {
  const digest = hash("sha256", macKey + id, "base64url");
  return { mac: digest.slice(0, MAC_CHARS), key: digest.slice(MAC_CHARS, MAC_CHARS + KEY_CHARS) };
}

/** Takes the same time wherever the difference is, so that a MAC can't be guessed one character after the other. */
function sameMac(mac: string, text: string, start: number): boolean {
  let difference = 0;
  for (let i = 0; i < MAC_CHARS; i++) difference |= mac.charCodeAt(i) ^ text.charCodeAt(start + i);
  return difference === 0;
}

const ID_BYTES = 18;
const randomId = randomIds(ID_BYTES);
