// The option maxPerOwner: how many sessions an owner may have at the same time, and what becomes of one too many.

import { OptionError } from "../errors.ts";
import type { SessionStore } from "../store.ts";
import { checkNames } from "../util/option-names.ts";

/** A session that would have to end so that its owner can have another one. */
export interface SessionToEnd {
  id: string;
  /** When the owner logged in, in milliseconds since 1970. */
  since: number;
}

/**
 * Called with an owner's sessions, the oldest first, when another one would be too many. Returns the ids of those to end, or
 * false: the login is refused.
 */
export type ChooseSessions = (
  owner: string,
  sessions: readonly SessionToEnd[],
) => readonly string[] | false | Promise<readonly string[] | false>;

export interface MaxPerOwner {
  /** The most sessions that an owner has at the same time. */
  limit: number;
  /**
   * What becomes of one too many: `"evict-oldest"` ends the owner's oldest session, `"deny"` refuses the login with a
   * TooManySessionsError, and a function chooses. Default: `"evict-oldest"`.
   */
  when?: "deny" | "evict-oldest" | ChooseSessions;
}

/** Undefined: there is no limit. @throws OptionError */
export function limitOf(
  option: number | MaxPerOwner | undefined,
  { inCookie, atomic }: SessionStore,
): Required<MaxPerOwner> | undefined {
  if (option === undefined) return undefined;
  if (inCookie) {
    throw new OptionError("maxPerOwner", option, "a session in a cookie can't be ended: use a server-side store.");
  }
  if (atomic === false) {
    throw new OptionError(
      "maxPerOwner",
      option,
      "this store does not compare versions, so that logins could be missed.",
    );
  }
  const given = typeof option === "object" && option !== null ? option : { limit: option };
  checkNames("maxPerOwner", given, { limit: true, when: true });
  const { limit, when = "evict-oldest" } = given;
  if (!Number.isInteger(limit) || limit < 1) {
    throw new OptionError("maxPerOwner", limit, "give a number of sessions, at least 1.");
  }
  if (typeof when !== "function" && when !== "deny" && when !== "evict-oldest") {
    throw new OptionError("maxPerOwner.when", when, 'use "deny", "evict-oldest", or a function.');
  }
  return { limit, when };
}
