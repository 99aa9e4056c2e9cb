// The security stamp of an owner: another one ends the sessions that were begun with the former.

import { CapabilityError } from "../errors.ts";
import type { SessionStore } from "../store.ts";
import { endOwned } from "./end-owned.ts";
import { listedIds } from "./listed-sessions.ts";
import { admittedIds, type OwnerContext, type OwnerState, SETTLED, stampHash, updateOwner } from "./owner-record.ts";
import { endAdmitted } from "./room.ts";

// A login that was under way with a stamp this far back is not known to be too late.
const MAX_FORMER = 8;
// A request that has read the former stamp of its user does not take longer to commit.
const LOGIN_MS = 600_000;
// A session that gets a new ticket during one look at the store's list may be missed, but not twice in a row.
const EMPTY_LOOKS = 2;
const MAX_LOOKS = 10;

/** @throws CapabilityError if the store's sessions can't be ended for certain. */
export function checkCanStamp({ inCookie, atomic }: SessionStore, call: string): void {
  if (inCookie) {
    const reason =
      "sealedCookie() keeps sessions only in the browser, where nobody can end them: use a server-side store";
    throw new CapabilityError(call, "delete", reason);
  }
  if (atomic === false) {
    throw new CapabilityError(call, "update", "this one's does not compare versions, so that a login could be missed");
  }
}

/**
 * Sets the owner's stamp, and ends all sessions that were not admitted with it but `spared`. Returns their number.
 * @throws CapabilityError, ConflictError, StoreError
 */
export async function changeStamp(
  context: OwnerContext,
  owner: string,
  stamp: string,
  spared: string | undefined,
): Promise<number> {
  checkCanStamp(context.store, "sessions.stamp()");
  let ended = 0;
  await updateOwner(context, owner, async (state) => {
    const hashed = stampHash(state, stamp);
    const isTheirs = ({ id, isStamped }: OwnerState["admissions"][number]) =>
      id === spared || (isStamped === true && hashed === state.stamp);
    const staying = state.admissions.filter((admission) => isTheirs(admission));
    ended += await endAdmitted(
      context,
      owner,
      state.admissions.filter((admission) => !staying.includes(admission)),
    );
    const now = context.clock.now();
    if (spared !== undefined && !staying.some(({ id }) => id === spared)) {
      staying.push({ id: spared, since: now, at: SETTLED });
    }
    const next = hashed === state.stamp ? state : withStamp(state, hashed);
    return {
      ...next,
      ...(state.stamp === undefined && { knownOnlyUntil: now + LOGIN_MS }),
      admissions: staying.map((admission) => ({ ...admission, isStamped: true })),
    };
  });
  return ended + (await endUnknown(context, owner));
}

/** The state with another stamp, which may be one that was in use before. */
export function withStamp(state: OwnerState, stamp: string): OwnerState {
  const former = [...(state.stamp === undefined ? [] : [state.stamp]), ...state.former];
  return { ...state, stamp, former: former.filter((one) => one !== stamp).slice(0, MAX_FORMER) };
}

/**
 * Ends what the store lists beside those that are admitted: sessions from before there were stamps, and those of logins
 * without one. The list comes first, since a session is admitted before it is stored.
 */
export async function endUnknown(context: OwnerContext, owner: string): Promise<number> {
  let total = 0;
  for (let look = 1, empty = 0; look <= MAX_LOOKS && empty < EMPTY_LOOKS; look++) {
    const listed = await listedIds(context, owner);
    const known = listed.length === 0 ? undefined : await admittedIds(context, owner);
    const unknown = listed.filter((id) => !known!.has(id));
    const ended = await Promise.all(unknown.map((id) => endOwned(context, id, owner)));
    total += ended.filter(Boolean).length;
    empty = unknown.length === 0 ? empty + 1 : 0;
  }
  return total;
}
