// The entry beside a key that `once` makes: when its value was made, and which call makes it now.

import { RESERVED, type SessionRecord } from "./record.ts";
import { decode, encode } from "./value-codec.ts";

const ONCE = `${RESERVED}once.`;

/** The call that makes a value now. Each renewal gives it another text. */
export interface OnceClaim {
  /** Random. It fences: only the call that has it may end the claim. */
  readonly id: string;
  readonly renewals: number;
  /** Milliseconds for which the claim stands unless it is renewed. */
  readonly lease: number;
}

export interface OnceEntry {
  /** By the store's clock, in milliseconds since 1970. Kept only for values with a `ttl`. */
  readonly madeAt?: number | undefined;
  readonly claim?: OnceClaim | undefined;
}

/** The name of the entry of an application's key. */
export function onceName(key: string): string {
  return ONCE + key;
}

/** The entry of a key. Empty: there is none that can be read. */
export function onceEntry(record: SessionRecord, key: string): OnceEntry {
  const text = record.text(onceName(key));
  try {
    return text === undefined ? {} : (decode(text) as OnceEntry);
  } catch {
    return {};
  }
}

/** Undefined: there is nothing to note. */
export function onceText({ madeAt, claim }: OnceEntry): string | undefined {
  if (madeAt === undefined && claim === undefined) return undefined;
  return encode("once", { ...(madeAt !== undefined && { madeAt }), ...(claim && { claim }) });
}

/**
 * The calls of `once` under way, for a request that wants the session to itself. `text`: as long as it stays the same, none
 * of them has renewed its claim. `lease`: the longest of theirs. Undefined: there is none.
 */
export function claimsIn(record: SessionRecord): { text: string; lease: number } | undefined {
  const claims = record.names
    .filter((name) => name.startsWith(ONCE))
    .map((name) => onceEntry(record, name.slice(ONCE.length)).claim)
    .filter((claim) => claim !== undefined);
  if (claims.length === 0) return undefined;
  return { text: JSON.stringify(claims), lease: Math.max(...claims.map(({ lease }) => lease)) };
}

/** The names of a record without those entries, which are no data. */
export function namesWithoutOnce({ names }: SessionRecord): readonly string[] {
  return names.some((name) => name.startsWith(ONCE)) ? names.filter((name) => !name.startsWith(ONCE)) : names;
}
