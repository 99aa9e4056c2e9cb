import type { Cipher } from "./cipher.ts";
import type { SessionStore, SessionWrite, StoreAtOnce, StoredSession, Version } from "./store.ts";
import type { Ticket } from "./ticket.ts";

const EXPIRY_BYTES = 6;

/** The most bytes of a session that fit into a cookie, of which browsers take 4096 with the name (RFC 6265bis, 5.6). */
export const MAX_CARRIED = 2_900;

/**
 * One request's session, in the cookie that brought it: the ticket, and then the record and its expiry, sealed under it.
 * To the core it is a store with one place.
 */
export class CarriedStore implements SessionStore {
  readonly #cipher: Cipher;
  #key: string | undefined;
  #session: StoredSession | undefined;
  #hasChanged = false;

  constructor(cipher: Cipher) {
    this.#cipher = cipher;
  }

  /** @throws if the text was not sealed for this ticket under one of the secrets. */
  unpack(ticket: Ticket, text: string): void {
    const opened = this.#cipher.open(Buffer.from(text, "base64url"), ticket);
    const bytes = Buffer.from(opened.buffer, opened.byteOffset, opened.byteLength);
    this.#key = ticket.key;
    const expiryAt = bytes.length - EXPIRY_BYTES;
    this.#session = {
      value: bytes.subarray(0, expiryAt),
      expiresAt: bytes.readUIntLE(expiryAt, EXPIRY_BYTES),
      version: 0,
    };
  }

  /** What the browser has to carry from now on. */
  pack(ticket: Ticket): string {
    const { value, expiresAt } = this.#session!;
    // The record comes first: its first byte tells whether it is packed.
    const bytes = Buffer.allocUnsafe(value.length + EXPIRY_BYTES);
    bytes.set(value);
    bytes.writeUIntLE(expiresAt, value.length, EXPIRY_BYTES);
    const sealed = this.#cipher.seal(bytes, ticket);
    return Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength).toString("base64url");
  }

  /** True if the browser has to get what is here now. */
  get hasChanged(): boolean {
    return this.#hasChanged && this.#session !== undefined;
  }

  /** Nothing has to be waited for. */
  readonly atOnce: Required<StoreAtOnce> = {
    read: (key) => this.#at(key),
    create: (key, session) => this.#put(key, session, 0),
    update: (key, session, ifVersion) => {
      const there = this.#at(key);
      if (there === undefined) return "gone";
      return there.version === ifVersion ? this.#put(key, session, (there.version as number) + 1) : "conflict";
    },
  };

  async read(key: string): Promise<StoredSession | undefined> {
    return this.atOnce.read(key);
  }

  async create(key: string, session: SessionWrite): Promise<Version> {
    return this.atOnce.create(key, session);
  }

  async update(key: string, session: SessionWrite, ifVersion: Version): Promise<Version | "conflict" | "gone"> {
    return this.atOnce.update(key, session, ifVersion);
  }

  async delete(key: string): Promise<boolean> {
    if (this.#at(key) === undefined) return key !== this.#key; // under another ticket: `regenerate` has moved it
    this.#session = undefined;
    return true;
  }

  async touch(key: string, expiresAt: number): Promise<boolean> {
    const there = this.#at(key);
    if (there !== undefined) this.#put(key, { ...there, expiresAt }, there.version as number);
    return there !== undefined;
  }

  async close(): Promise<void> {}

  #at(key: string): StoredSession | undefined {
    return key === this.#key && this.#session !== undefined && this.#session.expiresAt > Date.now()
      ? this.#session
      : undefined;
  }

  #put(key: string, session: SessionWrite, version: number): number {
    this.#key = key;
    this.#session = { value: session.value, expiresAt: session.expiresAt, version };
    this.#hasChanged = true;
    return version;
  }
}
