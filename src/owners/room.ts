// Makes room for one more session of an owner, and ends sessions that were admitted.

import { TooManySessionsError } from "../errors.ts";
import { endOwned, isOwned } from "./end-owned.ts";
import { endSession } from "./end-session.ts";
import type { MaxPerOwner } from "./limit.ts";
import { type Admission, type OwnerContext, SETTLED } from "./owner-record.ts";

// A session is stored after it was admitted. After this long its request has failed.
const PENDING_MS = 60_000;
// Without a limit, a login looks for this many of its owner's sessions on average, so that the list does not grow for ever.
const LOOKS_FOR = 20;

const STORED = "stored";
const PENDING = "pending";
const OVER = "over";

/**
 * Ends those that have to make room for one more. Returns those that stay. `own`: former ids of the session itself.
 * @throws TooManySessionsError, StoreError, and what the application's function throws
 */
export async function makeRoom(
  context: OwnerContext,
  owner: string,
  others: readonly Admission[],
  own: readonly (string | undefined)[],
): Promise<readonly Admission[]> {
  const { maxPerOwner } = context;
  if (others.length < (maxPerOwner?.limit ?? LOOKS_FOR)) return others;
  if (maxPerOwner === undefined && Math.random() * others.length > LOOKS_FOR) return others;
  const states = await Promise.all(others.map((admission) => stateOf(context, owner, admission)));
  const staying = others.filter((_, i) => states[i] !== OVER);
  if (maxPerOwner === undefined) return staying;
  const stored = others.filter((_, i) => states[i] === STORED);
  const pending = others.filter((_, i) => states[i] === PENDING);
  const sessions = oneOfEach([...stored, ...pending]).filter(({ was }) => was === undefined || !own.includes(was));
  const excess = sessions.length - maxPerOwner.limit + 1;
  if (excess <= 0) return staying;
  const oldestFirst = sessions.sort((one, other) => one.since - other.since);
  const chosen = await choose(maxPerOwner, owner, oldestFirst, excess);
  const leaving = staying.filter((one) => chosen.some((other) => isSameSession(one, other)));
  await endAdmitted(context, owner, leaving);
  return staying.filter((admission) => !leaving.includes(admission));
}

/** Ends sessions of the owner. Returns how many of them there were. */
export async function endAdmitted(
  context: OwnerContext,
  owner: string,
  leaving: readonly Admission[],
): Promise<number> {
  const ended = leaving.map(async (admission) => {
    const { id, was } = admission;
    // One that is about to become the owner's is not theirs in the store yet.
    const hasEnded = isRecent(context, admission) ? endSession(context, id) : endOwned(context, id, owner);
    const formerHasEnded = !isSettled(admission) && was !== undefined && endOwned(context, was, owner);
    return (await Promise.all([hasEnded, formerHasEnded])).some(Boolean);
  });
  return (await Promise.all(ended)).filter(Boolean).length;
}

async function choose(
  { when, limit }: Required<MaxPerOwner>,
  owner: string,
  sessions: readonly Admission[],
  excess: number,
): Promise<readonly Admission[]> {
  if (when === "evict-oldest") return sessions.slice(0, excess);
  const ids =
    when === "deny"
      ? false
      : await when(
          owner,
          sessions.map(({ id, since }) => ({ id, since })),
        );
  const chosen = sessions.filter(({ id }) => ids !== false && ids.includes(id));
  if (chosen.length < excess) throw new TooManySessionsError(limit);
  return chosen;
}

/** Parallel requests may give a session several new tickets, of which one wins: each session counts once. */
function oneOfEach(admissions: readonly Admission[]): Admission[] {
  return admissions.filter((one, i) => admissions.findIndex((other) => isSameSession(one, other)) === i);
}

function isSameSession(one: Admission, other: Admission): boolean {
  return one.id === other.id || (one.was !== undefined && one.was === other.was);
}

/** A session that gets a new ticket is pending, and so is one that was admitted a moment ago. */
async function stateOf(context: OwnerContext, owner: string, admission: Admission): Promise<string> {
  const { id, was } = admission;
  const [isNew, isOld] = await Promise.all([
    isOwned(context, id, owner),
    !isSettled(admission) && was !== undefined && isOwned(context, was, owner),
  ]);
  if (isNew) return STORED;
  return isOld || isRecent(context, admission) ? PENDING : OVER;
}

function isSettled({ at }: Admission): boolean {
  return at === SETTLED;
}

function isRecent({ clock }: OwnerContext, { at }: Admission): boolean {
  return clock.now() - at < PENDING_MS;
}
