// One session that connections of this process follow. All of them share its state.

import { wasRegenerated } from "../commit/regeneration-marker.ts";
import { namesWithoutOnce } from "../records/once-entry.ts";
import type { SessionRecord } from "../records/record.ts";
import { RequestSession } from "../request/request-session.ts";
import type { SessionHandle } from "../request/session-state.ts";
import type { LiveEnd } from "../session.ts";
import type { Version } from "../store.ts";
import { look } from "./reopen.ts";

/** What a session has to do with one of its connections. */
export interface Follower {
  /** The session as the connection's request has opened it. */
  readonly session: RequestSession;
  /** Called when the session is watched, which it is once it is in the store. */
  onJoined(watched: WatchedSession): void;
  /** Asked before the session's life is extended for the connection's sake. */
  wantsMoreTime(): boolean;
  onChange(): void;
  onEnd(reason: LiveEnd): void;
}

// A store that loses sessions, as by FLUSHALL, announces nothing. So a session is read again after about this long.
const RECHECK_MS = 30_000;
// The share of the idle timeout after which a session is extended whose connections keep it alive.
const EXTEND_EVERY = 1 / 3;

export class WatchedSession {
  readonly id: string;
  readonly #followers = new Set<Follower>();
  #handle: SessionHandle;
  #present: RequestSession | undefined;
  #end: LiveEnd | undefined;
  #recheckAt = 0;
  #extendAt: number;
  /** The check under way, and the one that begins after it. */
  #check: Promise<void> | undefined;
  #nextCheck: Promise<void> | undefined;
  readonly #forget: () => void;

  /** Its first check is due: the session may have ended since its request has read it. */
  constructor(handle: SessionHandle, forget: () => void) {
    this.id = handle.ticket!.key;
    this.#handle = handle;
    this.#extendAt = performance.now() + EXTEND_EVERY * handle.context.idleTimeout;
    this.#forget = forget;
  }

  add(follower: Follower): void {
    this.#followers.add(follower);
    follower.onJoined(this);
  }

  remove(follower: Follower): void {
    if (this.#followers.delete(follower) && this.#followers.size === 0) this.#forget();
  }

  /** The session as it was last read. Undefined: not since it is watched. */
  get present(): RequestSession | undefined {
    return this.#present;
  }

  get handle(): SessionHandle {
    return this.#handle;
  }

  /** True if this state is known already. */
  isAt(version: Version | undefined): boolean {
    return version !== undefined && this.#handle.version === version;
  }

  makeDue(): void {
    this.#recheckAt = 0;
  }

  /** True if the session has to be read although no change was announced. */
  isDue(now: number): boolean {
    if (now >= this.#recheckAt || now >= this.#extendAt) return true;
    return this.#present !== undefined && this.#handle.context.clock.now() >= this.#present.expiresAt;
  }

  /** Reads the session, and reports a change or its end. Resolves after a read that began later than the call. */
  check(): Promise<void> {
    if (this.#check === undefined) return this.#begin();
    const next = () => {
      this.#nextCheck = undefined;
      return this.#check ?? this.#begin();
    };
    this.#nextCheck ??= this.#check.then(next, next);
    return this.#nextCheck;
  }

  #begin(): Promise<void> {
    const check = this.#read().finally(() => {
      this.#check = undefined;
    });
    this.#check = check;
    return check;
  }

  async #read(): Promise<void> {
    if (this.#end !== undefined || this.#followers.size === 0) return;
    const now = performance.now();
    const isExtended = now >= this.#extendAt;
    if (isExtended) this.#extendAt = now + EXTEND_EVERY * this.#handle.context.idleTimeout;
    // Each is asked: one that has to find out whether its client is still there begins now.
    const extend = isExtended && [...this.#followers].filter((follower) => follower.wantsMoreTime()).length > 0;
    const found = await look(this.#handle, extend);
    const handle = found && RequestSession.handleOf(found);
    if (handle === undefined) return this.#close();
    const hasChanged = !haveSameValues(this.#handle.record!, handle.record!);
    this.#recheckAt = performance.now() + RECHECK_MS * (0.75 + Math.random() / 2);
    this.#present = found;
    this.#handle = handle;
    if (hasChanged) for (const follower of [...this.#followers]) follower.onChange();
  }

  async #close(): Promise<void> {
    const { store, clock } = this.#handle.context;
    const hasExpired = this.#present !== undefined && clock.now() >= this.#present.expiresAt;
    const isReplaced = !hasExpired && (await wasRegenerated(store, [this.id]).catch(() => false));
    this.#end = hasExpired ? "expired" : isReplaced ? "replaced" : "ended";
    this.#forget();
    for (const follower of [...this.#followers]) follower.onEnd(this.#end);
    this.#followers.clear();
  }
}

function haveSameValues(one: SessionRecord, other: SessionRecord): boolean {
  const names = namesWithoutOnce(one);
  if (one.owner !== other.owner || names.length !== namesWithoutOnce(other).length) return false;
  return names.every((name) => one.text(name) === other.text(name));
}
