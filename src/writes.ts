import { setTimeout as sleep } from "node:timers/promises";
import type { Committed } from "./commits.ts";
import type { SessionContext } from "./context.ts";
import { ConflictError, StoreError } from "./errors.ts";
import { SessionRecord } from "./record.ts";
import type { SessionWrite, StoredSession } from "./store.ts";
import type { Ticket } from "./ticket.ts";

/** Makes what is written: a request's changes over whatever is in the store by then. */
export interface RecordWriter {
  record(base: SessionRecord | undefined): SessionRecord;
  sealed(record: SessionRecord, ticket: Ticket): SessionWrite;
}

/** A session under a ticket that the browser does not have yet. */
export interface Issued extends Committed {
  readonly ticket: Ticket;
}

// Commits queue inside a process, so this counts the wins of other processes.
const MAX_ATTEMPTS = 30;
const MAX_BACKOFF = 50;
const CREATE_ATTEMPTS = 3;

/** Stores a new session, under the given ticket if there is one. */
export async function createRecord(
  context: SessionContext,
  given: Ticket | undefined,
  writer: RecordWriter,
): Promise<Issued> {
  const record = writer.record(undefined);
  const issued = await context.commits.track(putNew(context, record, writer, given));
  context.events.emit("start", { id: issued.ticket.key });
  return issued;
}

/**
 * Stores a record under a ticket that nobody has. If that fails it may have happened, or happen late: it is tried again
 * under another ticket, so that what comes late is never anybody's session.
 */
async function putNew(
  { store, office, storeTimeout }: SessionContext,
  record: SessionRecord,
  writer: RecordWriter,
  given?: Ticket,
): Promise<Issued> {
  const giveUpAt = performance.now() + storeTimeout / 2;
  let failures = 0;
  for (let ticket = given ?? office.issue(); ; ticket = office.issue()) {
    try {
      const version = await store.create(ticket.key, writer.sealed(record, ticket));
      if (version !== "exists") return { record, version, ticket };
    } catch (error) {
      // Reported by the guard; it then ends by itself. The given one may be used again, and must not be removed late.
      if (ticket !== given) store.delete(ticket.key).catch(() => {});
      const isFinal = !(error instanceof StoreError) || ++failures === CREATE_ATTEMPTS;
      if (isFinal || performance.now() > giveUpAt) throw error;
    }
  }
}

/**
 * Compare-and-swap until it succeeds: each time somebody else was first, the changes are replayed over theirs.
 * Undefined: the session is gone.
 */
export async function updateRecord(
  context: SessionContext,
  ticket: Ticket,
  base: Committed,
  writer: RecordWriter,
): Promise<Committed | undefined> {
  const { store, events } = context;
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const record = writer.record(base.record);
    const version = await store.update(ticket.key, writer.sealed(record, ticket), base.version);
    if (version === "gone") return undefined;
    if (version !== "conflict") {
      if (store.atomic === false) events.emit("lastWriterWins", { id: ticket.key });
      return { record, version };
    }
    events.emit("conflict", { id: ticket.key, attempt });
    if (attempt > 1) await sleep(Math.random() * Math.min(2 ** attempt, MAX_BACKOFF));
    const newer = await readRecord(context, ticket);
    if (newer === undefined) return undefined;
    base = newer;
  }
  throw new ConflictError(ticket.key, MAX_ATTEMPTS);
}

/**
 * Stores the session under its next ticket, and kills the old one. The old one's removal decides: who does not get to
 * remove the very version that was copied takes the copy away again. Its ticket was given to nobody, and is not used
 * again. Undefined: the session is gone.
 */
export async function moveRecord(
  context: SessionContext,
  old: Ticket,
  base: Committed,
  writer: RecordWriter,
): Promise<Issued | undefined> {
  const { store, events } = context;
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const moved = await putNew(context, writer.record(base.record), writer);
    const { ticket } = moved;
    try {
      if (await store.delete(old.key, base.version)) {
        events.ended(old.key, "replaced", base.record);
        events.emit("start", { id: ticket.key });
        return moved;
      }
      // Somebody revoked it with its owner's other sessions, so that an end was reported of what nobody saw begin.
      if (!(await store.delete(ticket.key))) events.emit("start", { id: ticket.key });
    } catch (error) {
      store.delete(ticket.key).catch(() => {}); // reported by the guard; it then ends by itself
      throw error;
    }
    events.emit("conflict", { id: old.key, attempt });
    const newer = await readRecord(context, old);
    if (newer === undefined) return undefined;
    base = newer;
  }
  throw new ConflictError(old.key, MAX_ATTEMPTS);
}

/** The session as it is in the store now, and not in a copy. Undefined: it is gone. */
export async function readRecord(context: SessionContext, ticket: Ticket): Promise<Committed | undefined> {
  const { store } = context;
  const stored = await (store.refresh ? store.refresh(ticket.key) : store.read(ticket.key));
  const record = stored && openRecord(context, stored, ticket);
  return record && { record, version: stored!.version };
}

/** The record that the store gave, or undefined if it can't be opened. A copy is opened once. */
export function openRecord(
  { cipher, events }: SessionContext,
  { value, copy }: StoredSession,
  ticket: Ticket,
): SessionRecord | undefined {
  if (copy?.opened !== undefined) return copy.opened as SessionRecord;
  try {
    const bytes = cipher.open(value, ticket);
    if (copy === undefined) return SessionRecord.read(bytes);
    // What was unpacked may be a small part of a large buffer, which must not be kept.
    const record = SessionRecord.read(bytes.length < bytes.buffer.byteLength ? new Uint8Array(bytes) : bytes);
    copy.keep(record, record.bytes.length);
    return record;
  } catch (error) {
    events.emit("unreadable", { id: ticket.key, error });
    return undefined;
  }
}
