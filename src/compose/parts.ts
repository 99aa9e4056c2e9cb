import type { ClaimedSession, SessionChange, SessionStore } from "../store.ts";

/** What a composed store can say of itself by what its parts say. */
export function traits(parts: readonly SessionStore[]): Pick<SessionStore, "inProcess" | "atomic"> {
  return {
    ...(parts.every((part) => part.inProcess) && { inProcess: true }),
    ...(parts.some((part) => part.atomic === false) && { atomic: false }),
  };
}

/** Whether a composed store can have an ability: all of its parts must. */
export function allHave(parts: readonly SessionStore[], ability: "list" | "claimExpired" | "watch"): boolean {
  return parts.every((part) => part[ability] !== undefined);
}

const closed = new WeakMap<SessionStore, Promise<void>>();

/** Closes the parts; one that stands in several composed stores once. A part that can't be closed keeps none open. */
export async function closeAll(parts: readonly SessionStore[]): Promise<void> {
  for (const part of parts) if (!closed.has(part)) closed.set(part, part.close());
  const results = await Promise.allSettled(parts.map((part) => closed.get(part)));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

/** Claims from one part after the other. A part that fails is passed over, unless no other gave anything. */
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

/** Watches all parts as one: it listens while all of them do. */
export async function watchAll(
  parts: readonly SessionStore[],
  listener: (change: SessionChange, part: SessionStore) => void,
  onListening: (listening: boolean) => void = () => {},
): Promise<() => Promise<void>> {
  const deaf = new Set<SessionStore>();
  function heard(part: SessionStore, listening: boolean): void {
    const before = deaf.size === 0;
    if (listening) deaf.delete(part);
    else deaf.add(part);
    if ((deaf.size === 0) !== before) onListening(!before);
  }
  const begun = await Promise.allSettled(
    parts.map((part) =>
      part.watch!(
        (change) => listener(change, part),
        (listening) => heard(part, listening),
      ),
    ),
  );
  const stops = begun.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const stop = async () => void (await Promise.all(stops.map((stopOne) => stopOne())));
  for (const result of begun) {
    if (result.status === "fulfilled") continue;
    await stop();
    throw result.reason;
  }
  return stop;
}
