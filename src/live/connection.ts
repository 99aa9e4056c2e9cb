// What a connection has of its session: as it is now, for one message, and its end.

import { CoatcheckError, SessionEndedError } from "../errors.ts";
import { RequestSession } from "../request/request-session.ts";
import type { SessionHandle } from "../request/session-state.ts";
import type { FollowOptions, LiveEnd, LiveSession, Mode, Session, UseOptions } from "../session.ts";
import { callListener } from "../util/listeners.ts";
import { reopen } from "./reopen.ts";
import type { Follower, WatchedSession } from "./watched-session.ts";
import type { Watcher } from "./watcher.ts";

export class Connection implements LiveSession {
  readonly #watcher: Watcher;
  readonly #follower: Follower;
  readonly #options: FollowOptions;
  /** The mode of the request that opened the connection. */
  readonly #mode: Mode | "off";
  /** Once the session is watched, its present state is there. */
  #watched: WatchedSession | undefined;
  #session: RequestSession;
  #end: LiveEnd | undefined;
  #isStopped = false;
  #controller: AbortController | undefined;
  readonly #onEnd = new Set<(reason: LiveEnd) => void>();
  readonly #onChange = new Set<(reason: LiveEnd) => void>();

  constructor(watcher: Watcher, session: RequestSession, options: FollowOptions) {
    this.#watcher = watcher;
    this.#session = session;
    this.#options = options;
    this.#mode = RequestSession.handleOf(session)?.mode ?? "readonly";
    this.#follower = {
      session,
      onJoined: (watched) => {
        this.#watched = watched;
      },
      wantsMoreTime: () => (typeof options.keepAlive === "function" ? options.keepAlive() : options.keepAlive === true),
      onChange: () => {
        for (const listener of [...this.#onChange]) callListener(listener as () => void);
      },
      onEnd: (reason) => this.#finish(reason),
    };
    watcher.join(this.#follower);
  }

  get id(): string | undefined {
    const handle = this.#handle;
    return this.#watched?.id ?? (handle?.version === undefined ? undefined : handle.ticket?.key);
  }

  get owner(): string | undefined {
    return this.#present.owner;
  }

  get data(): Readonly<Record<string, unknown>> {
    return this.#present.data;
  }

  get expiresAt(): number {
    return this.#present.expiresAt;
  }

  get ended(): LiveEnd | undefined {
    return this.#end;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#end !== undefined) this.#controller.abort(this.#endedError());
    }
    return this.#controller.signal;
  }

  use<Result>(handler: (session: Session) => Result | Promise<Result>, options: UseOptions = {}): Promise<Result> {
    const used = new Promise<Result>((resolve, reject) => {
      this.#use(handler, options).then(resolve, (error) => {
        reject(error);
        // A message that comes at the moment of a logout, or of an outage, must not end a process that does not catch it.
        if (error instanceof CoatcheckError && error.status !== 500) used.catch(() => {});
      });
    });
    return used;
  }

  async #use<Result>(handler: (session: Session) => Result | Promise<Result>, options: UseOptions): Promise<Result> {
    const { mode, extend = true, saveFailed = false } = { ...this.#options, ...options };
    const handle = this.#handle;
    if (this.#end !== undefined || handle === undefined) throw this.#endedError();
    const session = await reopen(handle, this.#mode === "off" ? "off" : (mode ?? this.#mode), extend);
    if (session === undefined) {
      await this.#check();
      throw this.#endedError();
    }
    const before = RequestSession.handleOf(session)?.version;
    let result: Result;
    try {
      result = await handler(session);
    } catch (error) {
      if (!saveFailed) session.discard();
      await Promise.resolve(session.commit()).catch(() => {}); // the handler's error matters more
      throw error;
    }
    await session.commit();
    // A caller that waits for the message finds its changes in `data`, and its end in `ended`.
    if (RequestSession.handleOf(session)?.version !== before) await this.#check();
    return result;
  }

  async reload(): Promise<boolean> {
    await this.#watched?.check();
    return this.#end === undefined;
  }

  on(name: "end" | "change", listener: (reason: LiveEnd) => void): () => void {
    if (name === "end" && this.#end !== undefined) callListener(listener, this.#end);
    const listeners = name === "end" ? this.#onEnd : this.#onChange;
    if (!this.#isStopped) listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  stop(): void {
    this.#isStopped = true;
    this.#watcher.leave(this.#follower, this.#watched);
    this.#session = this.#present;
    this.#watched = undefined;
    this.#onEnd.clear();
    this.#onChange.clear();
  }

  get #present(): RequestSession {
    return this.#watched?.present ?? this.#session;
  }

  get #handle(): SessionHandle | undefined {
    return this.#watched?.handle ?? RequestSession.handleOf(this.#session);
  }

  /** A failed read is reported by the resilient store. */
  async #check(): Promise<void> {
    await this.#watched?.check().catch(() => {});
  }

  #finish(reason: LiveEnd): void {
    this.#end = reason;
    this.#controller?.abort(this.#endedError());
    for (const listener of [...this.#onEnd]) callListener(listener, reason);
    this.stop();
  }

  #endedError(): SessionEndedError {
    return new SessionEndedError(this.id ?? "(none)", this.#end ?? "ended");
  }
}
