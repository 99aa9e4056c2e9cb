// Ends sessions that were regenerated a moment ago, under the tickets that their browser is about to get.

import { regeneratedKeys } from "../commit/regeneration-marker.ts";
import { endSession } from "../owners/end-session.ts";
import type { SessionContext } from "./context.ts";

/** `keys`: those that a logout knows, and that are not in the store. True if a session was ended. */
export async function endRegenerated(context: SessionContext, keys: readonly string[]): Promise<boolean> {
  if (context.store.inCookie) return false;
  const next = await regeneratedKeys(context.store, keys);
  const ended = await Promise.all(next.map((id) => context.inFlight.track(endSession(context, id, "destroyed"))));
  return ended.includes(true);
}
