// What a session and its copy in another package know of each other.

import { hash } from "node:crypto";
import type { OldSession } from "../legacy/source.ts";
import { LEGACY, type SessionRecord } from "../records/record.ts";
import { decode } from "../records/value-codec.ts";

/** A short hash of each key's JSON: enough to see which keys have changed since. */
export type Hashes = Readonly<Record<string, string>>;

/** What the session knows of its copy. */
export interface Link {
  readonly package: string;
  /** The id in the package's store. Undefined: the copy is in the browser's cookie. */
  readonly id: string | undefined;
  /** When the copy began, in milliseconds since 1970. */
  readonly since: number;
  /** What the old session in a store had when it was taken over: an old server may save it without a note once more. */
  readonly base?: Hashes;
  /** The state of the copy that was last taken into the session. */
  readonly seen?: string;
  /** True if the copy is no longer kept. */
  readonly isOver?: true;
}

/**
 * What the copy knows of the session. It is a key of the copy, so that a server with the old package writes it back as it is:
 * it then says on which state that server's changes are based.
 */
export interface Note {
  /** The session's public id. */
  readonly session: string;
  /** A hash of the application's name: another one's note says nothing here. */
  readonly of: string;
  readonly base: Hashes;
}

const NOTE = "coatcheck";
const HASH_CHARS = 8;

export function linkOf(record: SessionRecord | undefined): Link | undefined {
  const text = record?.text(LEGACY);
  try {
    return text === undefined ? undefined : (decode(text) as Link);
  } catch {
    return undefined;
  }
}

export function withNote(data: Record<string, unknown>, note: Note): Record<string, unknown> {
  return { ...data, [NOTE]: note };
}

/** Without a note that is not this application's. */
export function withOwnNote(old: OldSession, of: string): OldSession {
  return (old.data[NOTE] as Partial<Note> | undefined)?.of === of ? old : { ...old, data: withoutNote(old.data) };
}

export function shortHash(text: string): string {
  return hash("sha256", text, "base64url").slice(0, HASH_CHARS);
}

export function noteOf({ data }: OldSession): Note | undefined {
  const note = data[NOTE] as Partial<Note> | undefined;
  return typeof note?.session === "string" && typeof note.base === "object" ? (note as Note) : undefined;
}

export function withoutNote({ [NOTE]: _, ...data }: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return data;
}

export function hashesOf(data: Readonly<Record<string, unknown>>): Hashes {
  const hashes: [string, string][] = [];
  for (const [key, value] of Object.entries(data)) {
    const text = JSON.stringify(value) as string | undefined;
    if (text !== undefined) hashes.push([key, shortHash(text)]);
  }
  return Object.fromEntries(hashes);
}

/** The keys that differ. */
export function changedKeys(one: Hashes, other: Hashes): string[] {
  return [...new Set([...Object.keys(one), ...Object.keys(other)])].filter((key) => one[key] !== other[key]);
}

/** Names a state of a copy. */
export function stateOf({ data }: OldSession): string {
  return hash("sha256", JSON.stringify(data), "base64url").slice(0, 2 * HASH_CHARS);
}
