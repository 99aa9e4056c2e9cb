// Whether a request's write needs its owner's leave: a limit of sessions, or a security stamp.

import type { Changes } from "../commit/merge.ts";
import type { Admit } from "../commit/regenerate.ts";
import { storeAdmitted } from "../owners/admissions.ts";
import type { OwnerContext } from "../owners/owner-record.ts";
import type { SessionRecord } from "../records/record.ts";
import type { RecordVersion } from "../records/record-store.ts";

/** True if the write makes the session its owner's, and that may be refused. */
export function needsAdmission({ maxPerOwner }: OwnerContext, { owner, terms }: Changes): boolean {
  return terms?.stamp !== undefined || (maxPerOwner !== undefined && owner?.now !== undefined);
}

/** Stores a session under a ticket, with its owner's leave. */
export function storeWithLeave<Stored extends RecordVersion>(
  context: OwnerContext,
  { owner, terms }: Changes,
  present: SessionRecord | undefined,
  id: string,
  store: () => Promise<Stored | undefined>,
  idOf: (stored: Stored) => string = () => id,
): Promise<Stored | undefined> {
  const next = owner === undefined ? present?.owner : owner.now;
  if (next === undefined) return store();
  return storeAdmitted(context, { owner: next, id, stamp: terms?.stamp }, store, idOf);
}

/** For `regenerate`, by which a session gets another id. */
export function admitRegenerated(context: OwnerContext, { terms }: Changes): Admit {
  return (record, { key: was }, { key: id }, store) => {
    const { owner } = record;
    if (owner === undefined || (context.maxPerOwner === undefined && !record.terms?.isStamped)) return store();
    return storeAdmitted(context, { owner, id, was, stamp: terms?.stamp }, store, ({ ticket }) => ticket.key);
  };
}
