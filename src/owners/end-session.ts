// Ends a session by its public id, of any owner.

import type { EndReason } from "../events.ts";
import type { SessionRecord } from "../records/record.ts";
import { openWithoutTicket, type RecordContext } from "../records/record-store.ts";

/** What it needs of the application. */
export interface EndContext extends RecordContext {
  /** Ends what a session that is ended has in another package. Undefined: sessions have nothing there. */
  readonly endCopy?: ((record: SessionRecord) => Promise<void>) | undefined;
}

/** True if this call has ended it. */
export async function endSession(context: EndContext, id: string, reason: EndReason = "revoked"): Promise<boolean> {
  const { store, events, endCopy } = context;
  // What was in the session is for the listeners of its end, and leads to its copy.
  const stored = endCopy !== undefined || events.hasListeners("end") ? await store.read(id) : undefined;
  if (!(await store.delete(id))) return false;
  const record = stored && openWithoutTicket(context, id, stored);
  events.ended(id, reason, record);
  if (typeof record === "object") await endCopy?.(record);
  return true;
}
