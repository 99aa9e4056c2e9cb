// What coatcheck reports: the events, their data, and their listeners.

import { type Channel, channel } from "node:diagnostics_channel";
import { EventEmitter } from "node:events";
import type { StoreError } from "./errors.ts";

/** Why a session ended. `replaced`: `regenerate` gave it a new ticket and a new id. */
export type EndReason = "destroyed" | "expired" | "revoked" | "replaced";

/** What `sessions.on` reports. `id` is the public id, safe to log. */
export interface SessionEvents {
  /** A session is in the store for the first time. */
  start: { id: string };
  /** A session ended. `data`: its keys, if this process could open it. */
  end: { id: string; reason: EndReason; data?: Readonly<Record<string, unknown>> };
  /** Another request wrote first. This one's changes are replayed over the newer state. `attempt` counts from 1. */
  conflict: { id: string; attempt: number };
  /**
   * A change went to a store without compare-and-swap (`atomic: false`). If another server wrote at the same moment, the
   * last writer has won.
   */
  lastWriterWins: { id: string };
  /** A request changed a session that had ended meanwhile. Its changes are dropped. */
  gone: { id: string };
  /**
   * Values were changed in place too late to be saved: after the response had started, or in mode `"readonly"`. `keys`
   * names them. It is noticed when the response has finished, by an adapter. Outside of production it is a warning, too.
   */
  lateChange: { id: string; keys: string[] };
  /** A request had to wait `waited` milliseconds for the session (mode `"exclusive"`). */
  wait: { id: string; waited: number };
  /**
   * A request took over the lease of another one that had not renewed it (mode `"exclusive"`, or `session.once`): its process
   * crashed, or stood still.
   */
  takeover: { id: string };
  /**
   * A request lost its lease. In mode `"exclusive"` its write was refused; a value that `session.once` has made was stored if
   * nothing newer was there.
   */
  leaseLost: { id: string };
  /** A cookie was turned away: mistyped, forged, or made under another secret. */
  forged: Record<never, never>;
  /**
   * A request carried `count` cookies of the session's name; `id` is the session that was opened, if one was. Cookies of
   * several paths do that, and so does another host of the domain that plants its own: with many, a user's session may not
   * be found. The prefix `__Host-` prevents it.
   */
  duplicateCookies: { count: number; id?: string };
  /** A record, or one value of it (`key`), can't be opened or decoded: an attack or a fault. It counts as absent. */
  unreadable: { id: string; key?: string; error: unknown };
  /**
   * This server's clock is more than a minute ahead of the store's (`offset` in milliseconds; behind, if it is negative).
   * Sessions go by the store's clock, so none ends early; set the clock right, as other programs may need it.
   */
  clockSkew: { offset: number };
  /** The store failed, or did not answer in time. */
  storeError: { operation: string; error: StoreError };
  /** The store keeps failing. From now on calls fail immediately, and only a few ask whether it is back. */
  storeDown: { error: StoreError };
  /** The store answers again, `downFor` milliseconds after `storeDown`. */
  storeUp: { downFor: number };
}

/** What only diagnostics channels report, as it happens with each request. Nothing of it is made while nobody subscribes. */
export interface ChannelEvents extends SessionEvents {
  /** A request asks for its session: `sessions.open` was called, by an adapter or by the application. */
  open: Record<never, never>;
  /** A call to the store ended: each attempt of its own. Not for a store in this process. `duration` in milliseconds. */
  storeCall: { operation: string; duration: number; error?: unknown };
  /**
   * `cached()` was asked for a session. `hit`: it had one in this process's memory; else it asks the store. A browser that
   * has seen a newer revision than the one in memory makes two of them, a hit and a miss.
   */
  cacheRead: { hit: boolean };
}

const channels = new Map<string, Channel>();

/**
 * The diagnostics channel of an event, `coatcheck:` and its name, for all sessions of this process:
 * `diagnostics_channel.subscribe("coatcheck:storeCall", ({ operation, duration }) => …)`.
 */
export function channelOf(name: keyof ChannelEvents): Channel {
  let found = channels.get(name);
  if (found === undefined) {
    found = channel(`coatcheck:${name}`);
    channels.set(name, found);
  }
  return found;
}

/** Listeners of each event. If one throws or rejects, the request goes on, and the error becomes a warning. */
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
    const subscribed = channelOf(name);
    if (subscribed.hasSubscribers) subscribed.publish(event);
  }

  /** True if the event has listeners. What only they need is not computed without. */
  hasListeners(name: keyof SessionEvents): boolean {
    return this.#emitter.listenerCount(name) > 0 || channelOf(name).hasSubscribers;
  }

  /** Reports an end. The record is decoded only if the event has listeners. A text instead says why there is none. */
  ended(id: string, reason: EndReason, record: { data(): Record<string, unknown> } | string | undefined): void {
    if (!this.hasListeners("end")) return;
    this.emit("end", typeof record === "object" ? { id, reason, data: record.data() } : { id, reason });
  }
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}
