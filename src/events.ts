import { EventEmitter } from "node:events";
import type { StoreError } from "./errors.ts";
import type { SessionRecord } from "./record.ts";

/** Why a session ended. `replaced`: `regenerate` gave it a new ticket, and with it a new id. */
export type EndReason = "destroyed" | "expired" | "revoked" | "replaced";

/** What `sessions.on` reports. `id` is the public id, safe to log. */
export interface SessionEvents {
  /** A session is in the store for the first time. */
  start: { id: string };
  /** A session ended. `data`: what was in it, if this process could open it. */
  end: { id: string; reason: EndReason; data?: Readonly<Record<string, unknown>> };
  /** Another request wrote first; this one's changes are replayed over its state. `attempt` counts from 1. */
  conflict: { id: string; attempt: number };
  /**
   * A change went to a store without compare-and-swap (`atomic: false`). If another server wrote at the same moment, the
   * last writer has won.
   */
  lastWriterWins: { id: string };
  /** A request changed a session that had ended meanwhile. Its changes are dropped. */
  gone: { id: string };
  /** A request got the whole session (mode `"exclusive"`) after `waited` milliseconds behind others. */
  wait: { id: string; waited: number };
  /** A request has taken a session over whose holder had not renewed its lease: it crashed, or stood still. */
  takeover: { id: string };
  /** A request that had the whole session has lost it, and its write was refused. */
  leaseLost: { id: string };
  /** A cookie was turned away: mistyped, forged, or made under another secret. */
  forged: Record<never, never>;
  /** A record, or with `key` one value of it, can't be opened or decoded: an attack or a fault. It counts as absent. */
  unreadable: { id: string; key?: string; error: unknown };
  /** The store failed, or did not answer in time. */
  storeError: { operation: string; error: StoreError };
  /** The store keeps failing: from now on calls fail at once, and only a few ask whether it is back. */
  storeDown: { error: StoreError };
  /** The store answers again, `downFor` milliseconds after `storeDown`. */
  storeUp: { downFor: number };
}

/** A listener for each event. One that throws, or rejects, does not disturb the request: the error becomes a warning. */
export class Events {
  readonly #emitter = new EventEmitter();

  /** Returns a function that removes the listener. */
  on<Name extends keyof SessionEvents>(name: Name, listener: (event: SessionEvents[Name]) => void): () => void {
    const guarded = (event: SessionEvents[Name]) => {
      try {
        const result: unknown = listener(event);
        if (result instanceof Promise) result.catch(warn);
      } catch (error) {
        warn(error);
      }
    };
    this.#emitter.on(name, guarded);
    return () => void this.#emitter.off(name, guarded);
  }

  emit<Name extends keyof SessionEvents>(name: Name, event: SessionEvents[Name]): void {
    this.#emitter.emit(name, event);
  }

  /** True if somebody listens, so that what is only for the event is worth its cost. */
  hears(name: keyof SessionEvents): boolean {
    return this.#emitter.listenerCount(name) > 0;
  }

  /** Reports an end. The record is decoded only if somebody listens. */
  ended(id: string, reason: EndReason, record: SessionRecord | undefined): void {
    if (!this.hears("end")) return;
    this.emit("end", record === undefined ? { id, reason } : { id, reason, data: record.data() });
  }
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}
