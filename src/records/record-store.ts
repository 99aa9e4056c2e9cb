// Records in the store: found, opened, sealed, and replaced by compare-and-swap.

import type { Ticket } from "../cookies/ticket.ts";
import { UnknownSecretError } from "../errors.ts";
import type { Events } from "../events.ts";
import {
  readFresh,
  type SessionStore,
  type SessionWrite,
  type StoredSession,
  type Version,
  withOwner,
} from "../store.ts";
import type { Cipher } from "./cipher.ts";
import { type ExpiryLimits, isOver } from "./expiry.ts";
import { SessionRecord } from "./record.ts";

/** What these functions need of the application. */
export interface RecordContext extends ExpiryLimits {
  readonly store: SessionStore;
  readonly cipher: Cipher;
  readonly events: Events;
  /** The name under which the store files an owner. */
  hashOwner(owner: string): string;
}

/** A record, and the version that the store gave it. */
export interface RecordVersion {
  readonly record: SessionRecord;
  readonly version: Version;
}

/** A session as a request finds it in the store. */
export interface LoadedRecord extends RecordVersion {
  readonly ticket: Ticket;
  readonly expiresAt: number;
}

/** A session under a ticket that the browser does not have yet. */
export interface CreatedRecord extends RecordVersion {
  readonly ticket: Ticket;
}

/** Makes the record to write: a request's changes over the state that the store then has. */
export interface RecordBuilder {
  /** With `lease`, in milliseconds, the session stays locked. */
  record(base: SessionRecord | undefined, lease?: number): SessionRecord;
  /** When the session then ends. */
  expiry(): number;
}

/** The session as the store has it now, past any cache. Undefined: it is gone. */
export async function readRecord(
  context: Pick<RecordContext, "store" | "cipher" | "events">,
  ticket: Ticket,
): Promise<LoadedRecord | undefined> {
  const stored = await readFresh(context.store, ticket.key);
  const record = stored && openRecord(context, stored, ticket);
  return record && { ticket, record, version: stored!.version, expiresAt: stored!.expiresAt };
}

/**
 * The session of a ticket, whose life this extends if `extend` is true. A cached entry is good enough if its revision is at
 * least `minRevision`; with `isFresh`, no cached entry is. A session that is over is deleted.
 */
export async function findRecord(
  context: RecordContext,
  ticket: Ticket,
  minRevision: number,
  extend: boolean,
  isFresh = false,
): Promise<LoadedRecord | undefined> {
  const { store, clock, events, idleTimeout } = context;
  const now = clock.now();
  const touchUntil = extend ? now + idleTimeout : undefined;
  let stored = await (isFresh ? readFresh(store, ticket.key, touchUntil) : store.read(ticket.key, touchUntil));
  let record = stored && openRecord(context, stored, ticket);
  if (record !== undefined && (isOlder(record, minRevision) || (!isFresh && isDoubtful(context, record)))) {
    stored = await readFresh(store, ticket.key, touchUntil);
    record = stored && openRecord(context, stored, ticket);
  }
  if (stored === undefined || record === undefined) return undefined;
  const { version, expiresAt } = stored;
  if (isOver(context, record, now)) {
    if (await store.delete(ticket.key, version)) events.ended(ticket.key, "expired", record);
    return undefined;
  }
  return { ticket, record, version, expiresAt };
}

/** The same without a promise, for a store that can. Undefined if there is anything unusual: `findRecord` handles it. */
export function findRecordSync(
  context: RecordContext,
  ticket: Ticket,
  minRevision: number,
  extend: boolean,
): LoadedRecord | undefined {
  const { store, clock, idleTimeout } = context;
  const now = clock.now();
  const stored = store.sync?.read(ticket.key, extend ? now + idleTimeout : undefined);
  if (stored === undefined) return undefined;
  let record: SessionRecord;
  try {
    record = openStored(context, stored, ticket);
  } catch {
    return undefined;
  }
  if (isOver(context, record, now) || isOlder(record, minRevision) || isDoubtful(context, record)) return undefined;
  return { ticket, record, version: stored.version, expiresAt: stored.expiresAt };
}

/**
 * A record without its ticket, as when sessions are listed. `"sealed"`: this server can't open it, since that needs the
 * ticket or another secret. `"unreadable"`: an attack or a fault, which is reported.
 */
export function openWithoutTicket(
  { cipher, events }: Pick<RecordContext, "cipher" | "events">,
  key: string,
  { value, owner }: SessionWrite,
): SessionRecord | "sealed" | "unreadable" {
  if (!cipher.canOpen({ key })) return "sealed";
  try {
    return SessionRecord.read(cipher.open(value, { key }, owner));
  } catch (error) {
    if (error instanceof UnknownSecretError) return "sealed";
    events.emit("unreadable", { id: key, error });
    return "unreadable";
  }
}

/** Compare-and-swap. Reports a write to a store that has none. */
export function swap(
  { store, events }: Pick<RecordContext, "store" | "events">,
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

/** What goes into the store for a record. */
export function sealRecord(
  { cipher, hashOwner }: Pick<RecordContext, "cipher" | "hashOwner">,
  record: SessionRecord,
  ticket: Ticket,
  expiresAt: number,
): SessionWrite {
  const owner = record.owner === undefined ? undefined : hashOwner(record.owner);
  return withOwner({ value: cipher.seal(record.bytes, ticket, owner), expiresAt, opened: record }, owner);
}

/**
 * The record in what the store gave, or undefined and an event if it can't be opened.
 * @throws UnknownSecretError if it was sealed under a secret that this server does not have: the session is good.
 */
function openRecord(
  context: Pick<RecordContext, "cipher" | "events">,
  stored: StoredSession,
  ticket: Ticket,
): SessionRecord | undefined {
  try {
    return openStored(context, stored, ticket);
  } catch (error) {
    if (error instanceof UnknownSecretError) throw error;
    context.events.emit("unreadable", { id: ticket.key, error });
    return undefined;
  }
}

/** A cached entry is opened once. @throws if it can't be opened */
function openStored(
  { cipher }: Pick<RecordContext, "cipher">,
  { value, owner, copy }: StoredSession,
  ticket: Ticket,
): SessionRecord {
  if (copy?.opened !== undefined) return copy.opened as SessionRecord;
  const record = SessionRecord.read(cipher.open(value, ticket, owner));
  copy?.keep(record);
  return record;
}

/** True for a cached entry whose session may have ended on another server by its owner's new security stamp. */
function isDoubtful({ store }: RecordContext, { terms }: SessionRecord): boolean {
  return terms?.isStamped === true && store.refresh !== undefined;
}

/** True if the browser has seen a newer state than this one. */
function isOlder({ revision = 1 }: SessionRecord, minRevision: number): boolean {
  return revision < minRevision;
}
