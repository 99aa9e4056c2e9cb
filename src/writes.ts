import { setTimeout as sleep } from "node:timers/promises";
import type { Committed } from "./commits.ts";
import type { SessionContext } from "./context.ts";
import { ConflictError, LeaseLostError, StoreError } from "./errors.ts";
import type { Lease } from "./lease.ts";
import type { SessionRecord } from "./record.ts";
import { noteReplaced } from "./replaced.ts";
import type { Version } from "./store.ts";
import { readRecord, sealed, swap } from "./stored-record.ts";
import type { Ticket } from "./ticket.ts";
import { unsettled } from "./unsettled.ts";

/** Makes what is written: a request's changes over whatever is in the store by then. */
export interface RecordWriter {
  /** With a `lease` the session stays claimed. */
  record(base: SessionRecord | undefined, lease?: number): SessionRecord;
  /** Until when the session then lives. */
  expiry(): number;
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
  const issued = await putNew(context, writer.record(undefined), writer, given);
  context.events.emit("start", { id: issued.ticket.key });
  return issued;
}

/** The same at a store that answers at once. Undefined: nothing is stored. */
export function createAtOnce(
  context: SessionContext,
  given: Ticket | undefined,
  writer: RecordWriter,
): Issued | undefined {
  const { store, office, events } = context;
  const ticket = given ?? office.issue();
  const record = writer.record(undefined);
  const version = store.atOnce!.create!(ticket.key, sealed(context, record, ticket, writer.expiry()));
  if (version === "exists") return undefined;
  events.emit("start", { id: ticket.key });
  return { record, version, ticket };
}

/**
 * Stores a record under a ticket that nobody has. If that fails it may have happened, or happen late: it is tried again
 * under another ticket, so that what comes late is never anybody's session.
 */
async function putNew(
  context: SessionContext,
  record: SessionRecord,
  writer: RecordWriter,
  given?: Ticket,
): Promise<Issued> {
  const { store, office, storeTimeout } = context;
  const giveUpAt = performance.now() + storeTimeout / 2;
  let failures = 0;
  for (let ticket = given ?? office.issue(); ; ticket = office.issue()) {
    try {
      const version = await store.create(ticket.key, sealed(context, record, ticket, writer.expiry()));
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
 * Compare-and-swap until it succeeds: each time somebody else was first, the changes are replayed over theirs. Where a
 * request has the whole session, they wait for it. Undefined: the session is gone. @throws UnsettledError, ConflictError
 */
export async function updateRecord(
  context: SessionContext,
  ticket: Ticket,
  base: Committed,
  writer: RecordWriter,
): Promise<Committed | undefined> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    if (base.record.lease !== undefined) return (await takeLease(context, ticket))?.finish(writer);
    const record = writer.record(base.record);
    const write = sealed(context, record, ticket, writer.expiry());
    let version: Version | "conflict" | "gone";
    try {
      version = await swap(context, ticket, write, base.version);
    } catch (error) {
      throw unsettled(error, { record, write, ifVersion: base.version });
    }
    if (version === "gone") return undefined;
    if (version !== "conflict") return { record, version };
    context.events.emit("conflict", { id: ticket.key, attempt });
    if (attempt > 1) await sleep(Math.random() * Math.min(2 ** attempt, MAX_BACKOFF));
    const newer = await readRecord(context, ticket);
    if (newer === undefined) return undefined;
    base = newer;
  }
  throw new ConflictError(ticket.key, MAX_ATTEMPTS);
}

/** The first attempt of the same, at a store that answers at once. Undefined: nothing is stored. */
export function updateAtOnce(
  context: SessionContext,
  ticket: Ticket,
  base: Committed,
  writer: RecordWriter,
): Issued | undefined {
  const { store, commits } = context;
  if (base.record.lease !== undefined || commits.isBusy(ticket.key)) return undefined;
  const record = writer.record(base.record);
  const write = sealed(context, record, ticket, writer.expiry());
  const version = store.atOnce!.update!(ticket.key, write, base.version);
  return version === "gone" || version === "conflict" ? undefined : { record, version, ticket };
}

/** Stores the session under its next ticket, and kills the old one. Undefined: the session is gone. */
export async function moveRecord(
  context: SessionContext,
  old: Ticket,
  base: Committed,
  writer: RecordWriter,
): Promise<Issued | undefined> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    if (base.record.lease !== undefined) {
      const lease = await takeLease(context, old);
      try {
        return lease && (await moveLeased(context, lease, writer));
      } finally {
        await lease?.release();
      }
    }
    const moved = await moveOnce(context, old, base, writer);
    if (moved !== undefined) return moved;
    context.events.emit("conflict", { id: old.key, attempt });
    const newer = await readRecord(context, old);
    if (newer === undefined) return undefined;
    base = newer;
  }
  throw new ConflictError(old.key, MAX_ATTEMPTS);
}

/** The same for a request that has the whole session; it no longer has it then. @throws LeaseLostError */
export async function moveLeased(
  context: SessionContext,
  lease: Lease,
  writer: RecordWriter,
): Promise<Issued | undefined> {
  const { ticket } = lease.found;
  await lease.settle(); // the old one is removed by its version
  const move = lease.end(async (latest) => {
    const moved = await moveOnce(context, ticket, latest, writer);
    if (moved !== undefined) return moved;
    if ((await readRecord(context, ticket)) === undefined) return undefined;
    throw new LeaseLostError(ticket.key);
  });
  return context.commits.track(move);
}

/**
 * The old one's removal decides: who does not get to remove the very version that was copied takes the copy away again.
 * Its ticket was given to nobody, and is not used again. Undefined: the old one has changed, or is gone.
 */
async function moveOnce(
  context: SessionContext,
  old: Ticket,
  base: Committed,
  writer: RecordWriter,
): Promise<Issued | undefined> {
  const { store, events } = context;
  const [moved] = await Promise.all([
    putNew(context, writer.record(base.record), writer),
    noteReplaced(context, old.key),
  ]);
  const { ticket } = moved;
  try {
    if (await store.delete(old.key, base.version)) {
      events.ended(old.key, "replaced", base.record);
      events.emit("start", { id: ticket.key });
      return moved;
    }
    // Somebody revoked it with its owner's other sessions, so that an end was reported of what nobody saw begin.
    if (!(await store.delete(ticket.key))) events.emit("start", { id: ticket.key });
    return undefined;
  } catch (error) {
    store.delete(ticket.key).catch(() => {}); // reported by the guard; it then ends by itself
    throw error;
  }
}

function takeLease(context: SessionContext, ticket: Ticket): Promise<Lease | undefined> {
  return context.leases.take(ticket.key, () => readRecord(context, ticket));
}
