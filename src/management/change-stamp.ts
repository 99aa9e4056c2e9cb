// sessions.stamp: gives an owner another security stamp.

import { CoatcheckError } from "../errors.ts";
import type { OwnerContext } from "../owners/owner-record.ts";
import { changeStamp } from "../owners/stamp.ts";
import { checkedOwner } from "../records/owner-hash.ts";

/** A session that may stay. */
interface SparedSession {
  readonly id: string;
  get owner(): string | undefined;
  set owner(owner: { readonly id: string; readonly stamp: string });
}

/** Ends all sessions of an owner, or all but the given one of theirs. Returns their number. */
export async function changeStampOf(
  context: OwnerContext,
  sessions: { owns(session: unknown): boolean },
  target: string | SparedSession,
  stamp: string,
): Promise<number> {
  if (!sessions.owns(target)) {
    const [owner] = checkedOwner({ id: target as string, stamp });
    return changeStamp(context, owner!, stamp, undefined);
  }
  const session = target as SparedSession;
  const { owner } = session;
  if (owner === undefined) {
    throw new CoatcheckError(
      "COATCHECK_NO_OWNER",
      "coatcheck: stamp() needs the id of an owner, or a session that has one.",
    );
  }
  session.owner = { id: owner, stamp };
  return changeStamp(context, owner, stamp, session.id);
}
