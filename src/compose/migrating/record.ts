import { randomBytes } from "node:crypto";
import type { SessionWrite, StoredSession, Version } from "../../store.ts";

/**
 * What a store holds of a session that may be on its way to another store:
 * - `session`: the session lives here.
 * - `copy`: a copy of it, in the state that has the version `of` in the other store. Each copy has a name of its own.
 * - `note`: the session has left this store. It lives in the copy of that name, which the other store has.
 */
export type Held =
  | { kind: "nothing"; version?: undefined }
  | { kind: "session"; session: StoredSession; version: Version }
  | Copy
  | { kind: "note"; name: string; version: Version };

export interface Copy {
  kind: "copy";
  name: string;
  of: string;
  session: StoredSession;
  version: Version;
}

// No sealed record, and nothing that a user can write, begins with these.
const MARK = Buffer.from("5e7f1c09a83b4d62b0d1f6c72e9548aa", "hex");
const COPY = 1;
const NOTE = 2;
const NAME_BYTES = 12;
const NAME_AT = MARK.length + 1;
const OF_AT = NAME_AT + NAME_BYTES + 2;

export function held(found: StoredSession | undefined): Held {
  if (found === undefined) return { kind: "nothing" };
  const { value, version } = found;
  if (!isMarked(value)) return { kind: "session", session: found, version };
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
  const name = bytes.toString("hex", NAME_AT, NAME_AT + NAME_BYTES);
  if (bytes[MARK.length] === NOTE) return { kind: "note", name, version };
  const start = OF_AT + bytes.readUInt16BE(OF_AT - 2);
  const of = bytes.toString("utf8", OF_AT, start);
  return { kind: "copy", name, of, session: { ...found, value: value.subarray(start) }, version };
}

/** True for a copy and for a note. */
export function isMarked(value: Uint8Array): boolean {
  return value.length >= OF_AT && MARK.compare(value, 0, MARK.length) === 0;
}

/** A copy under a new name. It has the session's owner, who can then find it while it is on its way. */
export function copyOf(session: StoredSession, expiresAt: number): SessionWrite & { name: string } {
  const name = randomBytes(NAME_BYTES).toString("hex");
  const value = marked(COPY, name, String(session.version), session.value);
  return { ...content(session), value, expiresAt, name };
}

export function noteOf(name: string, expiresAt: number): SessionWrite {
  return { value: marked(NOTE, name), expiresAt };
}

export function content({ value, expiresAt, owner }: SessionWrite): SessionWrite {
  return owner === undefined ? { value, expiresAt } : { value, expiresAt, owner };
}

function marked(kind: number, name: string, of = "", value: Uint8Array = new Uint8Array()): Uint8Array {
  const version = Buffer.from(of);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(version.length);
  return Buffer.concat([MARK, Buffer.of(kind), Buffer.from(name, "hex"), length, version, value]);
}
