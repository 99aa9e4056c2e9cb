// Helpers of the composed stores: what a store can say and do through its parts.

import { type ClaimedSession, type SessionChange, type SessionStore, type SessionWrite, withOwner } from "../store.ts";

/** A composed store has the names of its parts. It is in-process if all of them are, and not atomic if one is not. */
export function traits(parts: readonly SessionStore[]): Pick<SessionStore, "name" | "inProcess" | "atomic"> {
  const names = new Set(parts.flatMap(({ name }) => name ?? []));
  return {
    ...(names.size > 0 && { name: [...names].join(" + ") }),
    ...(parts.every((part) => part.inProcess) && { inProcess: true }),
    ...(parts.some((part) => part.atomic === false) && { atomic: false }),
  };
}

/** True if every part has the method. A composed store has it only then. */
export function allHave(parts: readonly SessionStore[], ability: "list" | "claimExpired" | "watch"): boolean {
  return parts.every((part) => part[ability] !== undefined);
}

/** What a part stores of a session: no version, and nothing that belongs to a cached entry. */
export function contentOf({ value, expiresAt, owner }: SessionWrite): SessionWrite {
  return withOwner({ value, expiresAt }, owner);
}

const closings = new WeakMap<SessionStore, Promise<void>>();

/**
 * Closes every part, even if another one fails to close, and then throws the first failure. A part that belongs to several
 * composed stores is closed once.
 */
export async function closeAll(parts: readonly SessionStore[]): Promise<void> {
  for (const part of parts) if (!closings.has(part)) closings.set(part, part.close());
  const results = await Promise.allSettled(parts.map((part) => closings.get(part)));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

/** Claims from one part after the other. Throws a part's failure only if no part gave a session. */
export async function claimFromAll(
  parts: readonly SessionStore[],
  now: number,
  limit: number,
): Promise<ClaimedSession[]> {
  const claimed: ClaimedSession[] = [];
  const failures: unknown[] = [];
  for (const part of parts) {
    if (claimed.length >= limit) break;
    try {
      claimed.push(...(await part.claimExpired!(now, limit - claimed.length)));
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0 && claimed.length === 0) throw failures[0];
  return claimed;
}

/** Watches all parts as one. `onListening` gives true only while every part listens. */
export async function watchAll(
  parts: readonly SessionStore[],
  listener: (change: SessionChange, part: SessionStore) => void,
  onListening: (listening: boolean) => void = () => {},
): Promise<() => Promise<void>> {
  const silent = new Set<SessionStore>();
  function setListening(part: SessionStore, listening: boolean): void {
    const before = silent.size === 0;
    if (listening) silent.delete(part);
    else silent.add(part);
    if ((silent.size === 0) !== before) onListening(!before);
  }
  const started = await Promise.allSettled(
    parts.map((part) =>
      part.watch!(
        (change) => listener(change, part),
        (listening) => setListening(part, listening),
      ),
    ),
  );
  const stops = started.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const stop = async () => void (await Promise.all(stops.map((stopOne) => stopOne())));
  for (const result of started) {
    if (result.status === "fulfilled") continue;
    await stop();
    throw result.reason;
  }
  return stop;
}
