// The store of one request whose browser carries the session in its cookie.

import { EXPIRY_BYTES } from "../cookies/session-cookie.ts";
import type { Ticket } from "../cookies/ticket.ts";
import type { Cipher } from "../records/cipher.ts";
import type { SessionStore, SessionWrite, StoredSession, SyncReadWriteStore, Version } from "../store.ts";

/**
 * One request's session in the cookie that brought it: the ticket, then the record and its expiry, sealed under the ticket.
 * To the core it is a store that holds one session.
 */
export class SealedCookieStore implements SessionStore {
  readonly inCookie = true;
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

  /** The text for the cookie, to follow the ticket's. */
  pack(ticket: Ticket): string {
    const { value, expiresAt } = this.#session!;
    // The record comes first: its first byte tells whether it is compressed.
    const bytes = Buffer.allocUnsafe(value.length + EXPIRY_BYTES);
    bytes.set(value);
    bytes.writeUIntLE(expiresAt, value.length, EXPIRY_BYTES);
    const sealed = this.#cipher.seal(bytes, ticket);
    return Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength).toString("base64url");
  }

  /** True if the browser has to get a new cookie. */
  get hasChanged(): boolean {
    return this.#hasChanged && this.#session !== undefined;
  }

  readonly sync: SyncReadWriteStore = {
    read: (key) => this.#at(key),
    create: (key, session) => this.#put(key, session, 0),
    update: (key, session, ifVersion) => {
      const there = this.#at(key);
      if (there === undefined) return "gone";
      return there.version === ifVersion ? this.#put(key, session, (there.version as number) + 1) : "conflict";
    },
  };

  async read(key: string): Promise<StoredSession | undefined> {
    return this.sync.read(key);
  }

  async create(key: string, session: SessionWrite): Promise<Version> {
    return this.sync.create(key, session);
  }

  async update(key: string, session: SessionWrite, ifVersion: Version): Promise<Version | "conflict" | "gone"> {
    return this.sync.update(key, session, ifVersion);
  }

  async delete(key: string): Promise<boolean> {
    if (this.#at(key) === undefined) return key !== this.#key; // `regenerate` has moved it to another ticket
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
