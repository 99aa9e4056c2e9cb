// Opens a session again, for a connection that outlives its request.

import { findRecord, type LoadedRecord } from "../records/record-store.ts";
import { isRenewalUrgent, renewOnOpen } from "../records/renew-on-open.ts";
import { checkMode } from "../request/check-mode.ts";
import type { RequestInfo } from "../request/request-info.ts";
import { RequestSession } from "../request/request-session.ts";
import type { SessionHandle } from "../request/session-state.ts";
import { takeLease } from "../request/take-lease.ts";
import type { Mode } from "../session.ts";

/** The session for one message. Undefined: it has ended. One that is not in the store gives an empty session. */
export async function reopen(
  { context, ticket, record }: SessionHandle,
  mode: Mode | "off",
  extend: boolean,
): Promise<RequestSession | undefined> {
  if (mode !== "off") checkMode(context, mode);
  const minRevision = record?.revision ?? 1;
  const info: RequestInfo = { ...DETACHED, mode, extend, minRevision };
  if (ticket === undefined || record === undefined) return new RequestSession(context, info, undefined);
  await context.clock.ready();
  if (mode === "exclusive") {
    const lease = await takeLease(context, info, ticket);
    return lease && new RequestSession(context, info, lease.loaded, lease);
  }
  const loaded = await renewed(context, await findRecord(context, ticket, minRevision, extend), extend);
  return loaded && new RequestSession(context, info, loaded);
}

/** The session as it is now, past any cache, to be read. Undefined: it has ended. */
export async function look({ context, ticket }: SessionHandle, extend: boolean): Promise<RequestSession | undefined> {
  await context.clock.ready();
  const loaded = await renewed(context, await findRecord(context, ticket!, 1, extend, true), extend);
  // Nobody commits it, so it must not renew itself.
  return loaded && new RequestSession(context, { ...DETACHED, mode: "readonly", extend: false }, loaded);
}

const DETACHED = { source: undefined, secure: false, usesHeader: false, revisions: [], isDetached: true } as const;

async function renewed(
  context: SessionHandle["context"],
  loaded: LoadedRecord | undefined,
  extend: boolean,
): Promise<LoadedRecord | undefined> {
  const isDue = loaded !== undefined && extend && isRenewalUrgent(context, loaded, context.clock.now());
  return isDue ? renewOnOpen(context, loaded) : loaded;
}
