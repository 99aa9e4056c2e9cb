import type { Committed } from "./commits.ts";
import type { SessionContext } from "./context.ts";
import { readPastCopies } from "./past-copies.ts";
import { SessionRecord } from "./record.ts";
import type { SessionWrite, StoredSession, Version } from "./store.ts";
import type { Ticket } from "./ticket.ts";

/** A session as a request finds it in the store. */
export interface Found extends Committed {
  readonly ticket: Ticket;
  readonly expiresAt: number;
}

/** The session as it is in the store now, and not in a copy. Undefined: it is gone. */
export async function readRecord(context: SessionContext, ticket: Ticket): Promise<Found | undefined> {
  const stored = await readPastCopies(context.store, ticket.key);
  const record = stored && openRecord(context, stored, ticket);
  return record && { ticket, record, version: stored!.version, expiresAt: stored!.expiresAt };
}

/** The record that the store gave, or undefined if it can't be opened, which is reported. */
export function openRecord(context: SessionContext, stored: StoredSession, ticket: Ticket): SessionRecord | undefined {
  try {
    return opened(context, stored, ticket);
  } catch (error) {
    context.events.emit("unreadable", { id: ticket.key, error });
    return undefined;
  }
}

/** The record that the store gave. A copy is opened once. @throws if it can't be opened */
export function opened({ cipher }: SessionContext, { value, copy }: StoredSession, ticket: Ticket): SessionRecord {
  if (copy?.opened !== undefined) return copy.opened as SessionRecord;
  const record = SessionRecord.read(cipher.open(value, ticket));
  copy?.keep(record);
  return record;
}

/** Compare-and-swap of what is `sealed`. */
export function swap(
  { store, events }: Pick<SessionContext, "store" | "events">,
  { key }: Ticket,
  write: SessionWrite,
  ifVersion: Version,
): Promise<Version | "conflict" | "gone"> {
  const swapped = store.update(key, write, ifVersion);
  if (store.atomic !== false) return swapped;
  return swapped.then((version) => {
    if (version !== "conflict" && version !== "gone") events.emit("lastWriterWins", { id: key });
    return version;
  });
}

/** What goes into the store. */
export function sealed(
  { cipher, ownerName }: Pick<SessionContext, "cipher" | "ownerName">,
  record: SessionRecord,
  ticket: Ticket,
  expiresAt: number,
): SessionWrite {
  const value = cipher.seal(record.bytes, ticket);
  const write = { value, expiresAt, opened: record };
  return record.owner === undefined ? write : { ...write, owner: ownerName(record.owner) };
}
