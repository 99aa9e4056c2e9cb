// What the other parts of coatcheck need of an application's sessions, beside what is public.

import { OptionError } from "../errors.ts";
import type { Events } from "../events.ts";
import type { Cipher } from "../records/cipher.ts";
import type { ExpiryLimits } from "../records/expiry.ts";
import type { StoreClock } from "../resilience/store-clock.ts";
import type { SessionStore } from "../store.ts";

export interface Internals extends ExpiryLimits {
  readonly application: string;
  /** With time limits and a circuit breaker. */
  readonly store: SessionStore;
  readonly events: Events;
  readonly clock: StoreClock;
  readonly cipher: Cipher;
  /** Opens records without a ticket. */
  readonly ownerCipher: Cipher;
  /** The names under which the store files an owner, one for each secret. */
  readonly ownerHashes: readonly ((owner: string) => string)[];
  /** What is called, and waited for, before the store is closed. */
  readonly closers: Set<() => Promise<void>>;
}

const known = new WeakMap<object, Internals>();

export function keepInternals(sessions: object, internals: Internals): void {
  known.set(sessions, internals);
}

/** @throws OptionError if the sessions were not made by this copy of the package. */
export function internalsOf(sessions: object): Internals {
  const internals = known.get(sessions);
  if (internals !== undefined) return internals;
  throw new OptionError(
    "sessions",
    sessions,
    "give what createSessions() has returned. If it is that, two copies of coatcheck are installed: npm ls coatcheck shows them.",
  );
}
