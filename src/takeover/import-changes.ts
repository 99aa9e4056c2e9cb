// Takes into a session what servers with the old package have changed in its copy.

import { type Change, type Changes, NO_CHANGES } from "../commit/merge.ts";
import { recordBuilder } from "../commit/record-builder.ts";
import { updateRecord } from "../commit/update.ts";
import type { LegacySource, OldSession } from "../legacy/source.ts";
import { SessionExpiry } from "../records/expiry.ts";
import { checkedOwner } from "../records/owner-hash.ts";
import { LEGACY, RESERVED, type SessionRecord } from "../records/record.ts";
import type { LoadedRecord, RecordBuilder, RecordVersion } from "../records/record-store.ts";
import { encode } from "../records/value-codec.ts";
import type { TakeoverContext } from "./adoption.ts";
import { changedKeys, hashesOf, type Link, linkOf, noteOf, stateOf, withoutNote } from "./link.ts";

/**
 * Three-way: what differs from the state that the copy is based on was changed there. Each state of a copy is taken in once,
 * by compare-and-swap, however many requests meet it. `id`: where the copy is now. Undefined: the session is gone.
 */
export async function importChanges(
  context: TakeoverContext,
  source: LegacySource,
  loaded: LoadedRecord,
  old: OldSession,
  id: string | undefined,
): Promise<RecordVersion | undefined> {
  const keys = changedThere(loaded.record, old);
  const seen = stateOf(old);
  const isDone = (record: SessionRecord) => linkOf(record)?.seen === seen && linkOf(record)?.id === id;
  if (isDone(loaded.record) || (keys.length === 0 && linkOf(loaded.record)?.id === id)) return loaded;
  const expiry = new SessionExpiry(context, loaded);
  const builder: RecordBuilder = {
    record(base, lease) {
      const isNothingLeft = base === undefined || isDone(base);
      const changes = isNothingLeft ? NO_CHANGES : changesOf(context, source, base, old, keys, { seen, id });
      return recordBuilder(context, changes, expiry, false, loaded.ticket).record(base, lease);
    },
    expiry: () => expiry.extendTo(expiry.latest()),
  };
  return context.inFlight.track(updateRecord(context, loaded.ticket, loaded, builder));
}

/** Notes in a session that its copy is no longer kept. */
export async function markOver(context: TakeoverContext, loaded: LoadedRecord): Promise<void> {
  const expiry = new SessionExpiry(context, loaded);
  const builder: RecordBuilder = {
    record(base, lease) {
      const after = encode(LEGACY, { ...linkOf(base), isOver: true });
      const keys = [{ key: LEGACY, before: base?.text(LEGACY), after, updates: undefined }];
      return recordBuilder(context, { cleared: false, keys }, expiry, false, loaded.ticket).record(base, lease);
    },
    expiry: () => expiry.extendTo(expiry.latest()),
  };
  await context.inFlight.track(updateRecord(context, loaded.ticket, loaded, builder));
}

/** The keys that a server with the old package has changed since the copy was written. */
export function changedThere(record: SessionRecord, old: OldSession): string[] {
  const base = noteOf(old)?.base ?? linkOf(record)?.base ?? {};
  return changedKeys(hashesOf(withoutNote(old.data)), base);
}

function changesOf(
  { clock, maxSize }: TakeoverContext,
  source: LegacySource,
  base: SessionRecord,
  old: OldSession,
  oldKeys: readonly string[],
  linked: Pick<Link, "seen" | "id">,
): Changes {
  const former = source.restore({ data: base.data(clock.now()), owner: base.owner });
  const latest = { ...former };
  for (const key of oldKeys) {
    if (Object.hasOwn(old.data, key)) latest[key] = old.data[key];
    else delete latest[key];
  }
  const before = source.adopt(former);
  const after = source.adopt(latest);
  const text = (data: Record<string, unknown>, key: string) =>
    Object.hasOwn(data, key) && data[key] !== undefined ? encode(key, data[key], maxSize) : undefined;
  const keys: Change[] = [];
  for (const key of new Set([...Object.keys(before.data), ...Object.keys(after.data)])) {
    const now = text(after.data, key);
    if (key.startsWith(RESERVED) || now === text(before.data, key)) continue;
    keys.push({ key, before: base.text(key), after: now, updates: undefined });
  }
  const link = encode(LEGACY, { ...linkOf(base), ...linked });
  keys.push({ key: LEGACY, before: base.text(LEGACY), after: link, updates: undefined });
  if (before.owner === after.owner) return { cleared: false, keys };
  // A login there: the end of the session that was taken over no longer counts.
  const lifetime = base.terms?.lifetime === undefined ? undefined : { now: undefined };
  const [owner] = checkedOwner(after.owner);
  return { cleared: false, keys, owner: { now: owner }, terms: lifetime ? { lifetime } : {} };
}
