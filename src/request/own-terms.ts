// What a request changes of its session's own terms: its lifetime, and when its owner was authenticated.

import type { TermChanges } from "../commit/merge.ts";
import { CoatcheckError, OptionError, ReauthenticationError } from "../errors.ts";
import type { Clock } from "../records/expiry.ts";
import { longestLife, type PolicyName } from "../records/policy.ts";
import { LEGACY, type SessionRecord } from "../records/record.ts";
import type { Lifetime } from "../records/terms.ts";
import type { PersistOptions } from "../session.ts";
import { type Duration, milliseconds } from "../util/duration.ts";
import { checkNames } from "../util/option-names.ts";

// A record has room for no more: 8,900 years.
const LONGEST = 2 ** 48 - 1;

/** What a lifetime needs of the application. */
export interface LifetimeContext extends Lifetime {
  readonly policy: PolicyName | undefined;
}

/** The changes with another lifetime. @throws OptionError */
export function withLifetime(
  changes: TermChanges | undefined,
  lifetime: Duration | PersistOptions | false,
  context: LifetimeContext,
): TermChanges {
  return { ...changes, lifetime: { now: lifetime === false ? undefined : checked(lifetime, context) } };
}

/** True if the session has the end of another package's session, which counts until the next login. */
export function endsWithAnother(record: SessionRecord | undefined, changes: TermChanges | undefined): boolean {
  return record?.terms?.lifetime !== undefined && record.has(LEGACY) && changes?.lifetime === undefined;
}

/** The changes with an authentication. @throws CoatcheckError if nobody can have been authenticated. */
export function withAuthentication(changes: TermChanges | undefined, owner: string | undefined): TermChanges {
  if (owner === undefined) {
    throw new CoatcheckError(
      "COATCHECK_NO_OWNER",
      "coatcheck: reauthenticated() needs a session with an owner. At a login, set session.owner.",
    );
  }
  return { ...changes, isAuthenticated: true };
}

/** The changes with an owner's security stamp, or without one. */
export function withStamp(changes: TermChanges | undefined, stamp: string | undefined): TermChanges | undefined {
  if (stamp !== undefined) return { ...changes, stamp };
  if (changes?.stamp === undefined) return changes;
  const { stamp: _, ...others } = changes;
  return Object.keys(others).length === 0 ? undefined : others;
}

/** True if the owner was authenticated within `maxAge`. @throws OptionError */
export function isFresh(authenticatedAt: number | undefined, maxAge: Duration, clock: Clock): boolean {
  const span = milliseconds("maxAge", maxAge);
  return authenticatedAt !== undefined && clock.now() - authenticatedAt <= span;
}

export function staleError(maxAge: Duration): ReauthenticationError {
  return new ReauthenticationError(typeof maxAge === "number" ? `${maxAge} ms` : maxAge);
}

function checked(given: Duration | PersistOptions, context: LifetimeContext): Lifetime {
  const options = typeof given === "object" && given !== null ? given : { idleTimeout: given };
  checkNames("persist()", options, { idleTimeout: true, absoluteTimeout: true });
  const idleTimeout = milliseconds("idleTimeout", options.idleTimeout);
  const absoluteTimeout = milliseconds("absoluteTimeout", options.absoluteTimeout ?? options.idleTimeout);
  if (absoluteTimeout > LONGEST) throw new OptionError("absoluteTimeout", options.absoluteTimeout, "it is too long.");
  if (idleTimeout > absoluteTimeout) {
    throw new OptionError(
      "idleTimeout",
      options.idleTimeout,
      "it is longer than absoluteTimeout: raise that, or lower this.",
    );
  }
  const longest = longestLife(context.policy, context);
  if (absoluteTimeout > longest) {
    throw new OptionError(
      "absoluteTimeout",
      options.absoluteTimeout ?? options.idleTimeout,
      `the policy "${context.policy}" allows ${longest} ms at most.`,
    );
  }
  if (idleTimeout < context.idleTimeout) {
    throw new OptionError(
      "idleTimeout",
      options.idleTimeout,
      `persist() gives a session a longer life: at least the application's idleTimeout, ${context.idleTimeout} ms.`,
    );
  }
  return { idleTimeout, absoluteTimeout };
}
