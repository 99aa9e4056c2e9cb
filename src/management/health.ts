// Whether the store can be used now, for readiness probes.

import { randomBytes } from "node:crypto";
import { StoreError } from "../errors.ts";
import type { SessionStore } from "../store.ts";

/** What `sessions.health` gives. */
export interface Health {
  /** `"down"`: the store can't be read, so requests with a session are answered 503. */
  status: "up" | "down";
  /** Milliseconds that the read took. */
  latency: number;
  /** Why it is down. */
  error?: StoreError;
}

/** Reads a session that does not exist, with the time limit of every read. */
export async function healthOf(store: SessionStore): Promise<Health> {
  const started = performance.now();
  const latency = () => performance.now() - started;
  try {
    if (!store.inCookie) await store.read(randomBytes(18).toString("base64url"));
    return { status: "up", latency: latency() };
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return { status: "down", latency: latency(), error };
  }
}
