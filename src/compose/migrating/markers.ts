// What a session leaves in a store while it moves to another one: copies and markers.

import { randomBytes } from "node:crypto";
import type { SessionWrite, StoredSession, Version } from "../../store.ts";
import { contentOf } from "../parts.ts";

/**
 * What a store has under the key of a session that may be moving to another store:
 * - `session`: the session itself.
 * - `copy`: a copy of the version `of` that the other store has. Each copy has its own name.
 * - `marker`: the session has left this store. It is now the copy of this name in the other store.
 */
export type StoredState =
  | { kind: "nothing"; version?: undefined }
  | { kind: "session"; session: StoredSession; version: Version }
  | Copy
  | { kind: "marker"; name: string; version: Version };

export interface Copy {
  kind: "copy";
  name: string;
  of: string;
  session: StoredSession;
  version: Version;
}

// The first bytes of every copy and marker. No sealed record, and nothing that a user can write, begins with them.
const MAGIC = Buffer.from("5e7f1c09a83b4d62b0d1f6c72e9548aa", "hex");
const COPY = 1;
const MARKER = 2;
const NAME_BYTES = 12;
const NAME_AT = MAGIC.length + 1;
const OF_AT = NAME_AT + NAME_BYTES + 2;

export function stateOf(found: StoredSession | undefined): StoredState {
  if (found === undefined) return { kind: "nothing" };
  const { value, version } = found;
  if (!isCopyOrMarker(value)) return { kind: "session", session: found, version };
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
  const name = bytes.toString("hex", NAME_AT, NAME_AT + NAME_BYTES);
  if (bytes[MAGIC.length] === MARKER) return { kind: "marker", name, version };
  const start = OF_AT + bytes.readUInt16BE(OF_AT - 2);
  const of = bytes.toString("utf8", OF_AT, start);
  return { kind: "copy", name, of, session: { ...found, value: value.subarray(start) }, version };
}

export function isCopyOrMarker(value: Uint8Array): boolean {
  return value.length >= OF_AT && MAGIC.compare(value, 0, MAGIC.length) === 0;
}

/** A copy under a new name. It has the session's owner, so that `list` finds it while it moves. */
export function copyOf(session: StoredSession, expiresAt: number): SessionWrite & { name: string } {
  const name = randomBytes(NAME_BYTES).toString("hex");
  const value = encode(COPY, name, String(session.version), session.value);
  return { ...contentOf(session), value, expiresAt, name };
}

export function markerOf(name: string, expiresAt: number): SessionWrite {
  return { value: encode(MARKER, name), expiresAt };
}

function encode(kind: number, name: string, of = "", value: Uint8Array = new Uint8Array()): Uint8Array {
  const version = Buffer.from(of);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(version.length);
  return Buffer.concat([MAGIC, Buffer.of(kind), Buffer.from(name, "hex"), length, version, value]);
}
