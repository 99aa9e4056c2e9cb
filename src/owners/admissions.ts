// Admits sessions to their owner, within the limit and with the present security stamp, and stores them.

import { StaleStampError, StoreError } from "../errors.ts";
import { readFresh } from "../store.ts";
import { endSession } from "./end-session.ts";
import { type Admission, type OwnerContext, type OwnerState, SETTLED, stampHash, updateOwner } from "./owner-record.ts";
import { endAdmitted, makeRoom } from "./room.ts";
import { endUnknown, withStamp } from "./stamp.ts";

/** A session that wants to be its owner's. */
export interface Applicant {
  readonly owner: string;
  readonly id: string;
  /** Its former id, if it gets a new ticket. */
  readonly was?: string;
  readonly stamp?: string | undefined;
}

/*
 * A session is first noted as its owner's, then stored, and then noted as stored. What ends an owner's sessions takes their
 * notes away before it is done. So a session whose note is gone when it has been stored must end, and nobody has its ticket
 * yet. One that was in the store before, and is to become the owner's, is deleted with its note.
 */

/**
 * Admits the session and stores it. Undefined: it could not be stored, or it had to end before it was.
 * @throws TooManySessionsError, StaleStampError, ConflictError, StoreError, and what `store` throws
 */
export async function storeAdmitted<Stored>(
  context: OwnerContext,
  applicant: Applicant,
  store: () => Promise<Stored | undefined>,
  idOf: (stored: Stored) => string,
): Promise<Stored | undefined> {
  if (!(await admit(context, applicant))) return undefined;
  let stored: Stored | undefined;
  try {
    stored = await store();
  } catch (error) {
    // After a StoreError it may be stored all the same: it counts for a while, and longer if it is.
    if (!(error instanceof StoreError)) await withdraw(context, applicant);
    throw error;
  }
  if (stored === undefined) {
    await withdraw(context, applicant);
    return undefined;
  }
  const id = idOf(stored);
  let isAdmitted = false;
  try {
    isAdmitted = await settle(context, applicant, id);
  } finally {
    if (!isAdmitted) await endSession(context, id);
  }
  return isAdmitted ? stored : undefined;
}

/** False: the session has ended meanwhile. */
async function admit(context: OwnerContext, applicant: Applicant): Promise<boolean> {
  const { owner, id, was, stamp } = applicant;
  let isThere = true;
  let isNewStamp = false;
  await updateOwner(context, owner, async (state) => {
    const own = state.admissions.find((admission) => admission.id === id || admission.id === was);
    const others = state.admissions.filter((admission) => admission !== own);
    // A parallel request may have given the session another ticket. Which of them wins is decided when it is stored.
    const former = own ?? others.find((admission) => was !== undefined && admission.was === was);
    isThere = former !== undefined || was === undefined || (await readFresh(context.store, was)) !== undefined;
    if (!isThere) return undefined;
    const hashed = stamp === undefined ? undefined : acceptedStamp(context, state, stamp, id);
    isNewStamp = hashed !== undefined && hashed !== state.stamp;
    if (isNewStamp) await endAdmitted(context, owner, others);
    const staying = isNewStamp ? [] : await makeRoom(context, owner, others, [was, former?.was]);
    const now = context.clock.now();
    const isStamped = stamp !== undefined || former?.isStamped;
    const admitted: Admission = {
      id,
      ...(was !== undefined && { was }),
      since: former?.since ?? now,
      at: now,
      ...(isStamped && { isStamped }),
    };
    return { ...(isNewStamp ? withStamp(state, hashed!) : state), admissions: [...staying, admitted] };
  });
  if (isNewStamp) await endUnknown(context, owner);
  return isThere;
}

/** The stamp, hashed. @throws StaleStampError */
function acceptedStamp(context: OwnerContext, state: OwnerState, stamp: string, id: string): string {
  const hashed = stampHash(state, stamp);
  const isUnknown = hashed !== state.stamp && !state.former.includes(hashed);
  const isTooEarly = context.clock.now() < (state.knownOnlyUntil ?? 0);
  if (state.former.includes(hashed) || (isUnknown && isTooEarly)) throw new StaleStampError(id);
  return hashed;
}

/** Notes under which id the session is stored. False: it was ended before it was. */
async function settle(context: OwnerContext, applicant: Applicant, id: string): Promise<boolean> {
  let isAdmitted = false;
  await updateOwner(context, applicant.owner, (state) => {
    isAdmitted = state.admissions.some((admission) => admission.id === applicant.id);
    if (!isAdmitted) return undefined;
    const settled = (one: Admission) => (one.id === applicant.id ? { ...one, id, at: SETTLED } : one);
    return { ...state, admissions: state.admissions.map(settled) };
  });
  return isAdmitted;
}

/** If it fails, the session counts as one that is about to be stored, for a while. */
async function withdraw(context: OwnerContext, { owner, id }: Applicant): Promise<void> {
  const withdrawn = updateOwner(context, owner, (state) => {
    const admissions = state.admissions.filter((admission) => admission.id !== id);
    return admissions.length === state.admissions.length ? undefined : { ...state, admissions };
  });
  await withdrawn.catch(() => {});
}
