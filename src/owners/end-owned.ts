// Ends a session by its public id, if it belongs to the given owner.

import { openWithoutTicket } from "../records/record-store.ts";
import { readFresh, type StoredSession } from "../store.ts";
import type { EndContext } from "./end-session.ts";

/** What it needs of the application. */
export interface OwnedContext extends EndContext {
  /** The names under which the store files an owner, one for each secret. */
  readonly ownerHashes: readonly ((owner: string) => string)[];
}

// Requests of the session may write it meanwhile. Each time the owner is looked at again.
const MAX_ATTEMPTS = 100;

/** True if this call has ended it. False: there is no such session, or it is another owner's. */
export async function endOwned(context: OwnedContext, id: string, owner: string): Promise<boolean> {
  const { store, events, endCopy } = context;
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const stored = await readFresh(store, id);
    if (stored === undefined) return false;
    const record = openWithoutTicket(context, id, stored);
    if (!isTheirs(context, stored, record, owner)) return false;
    if (await store.delete(id, stored.version)) {
      events.ended(id, "revoked", record);
      if (typeof record === "object") await endCopy?.(record);
      return true;
    }
  }
  return false;
}

/** True if the store has the session, and it belongs to the owner. */
export async function isOwned(context: OwnedContext, id: string, owner: string): Promise<boolean> {
  const stored = await readFresh(context.store, id);
  return stored !== undefined && isTheirs(context, stored, openWithoutTicket(context, id, stored), owner);
}

/** The sealed owner decides. A record that needs its ticket is bound to the name under which the store files it. */
function isTheirs(
  { ownerHashes }: OwnedContext,
  { owner: filed }: StoredSession,
  record: ReturnType<typeof openWithoutTicket>,
  owner: string,
): boolean {
  if (typeof record === "object") return record.owner === owner;
  return record === "sealed" && ownerHashes.some((hash) => hash(owner) === filed);
}
