import { setTimeout as sleep } from "node:timers/promises";
import { Breaker } from "./breaker.ts";
import { handedOver } from "./claims.ts";
import { Deadlines } from "./deadlines.ts";
import { CoatcheckError, StoreError } from "./errors.ts";
import type { Events } from "./events.ts";
import { judgeCreate, judgeDelete, judgeUpdate, NOT_DONE, UNKNOWN, type Verdict } from "./lost-answers.ts";
import { readPastCopies } from "./past-copies.ts";
import type { ClaimedSession, SessionStore, StoredSession } from "./store.ts";

export interface GuardOptions {
  /** Milliseconds that an operation may take, with all that is tried again. */
  timeout: number;
  /** True if no two writes ever have the same bytes. */
  uniqueValues: boolean;
}

/** What to do about a failed call, until a time by `performance.now()`. */
type Recover<T> = (error: StoreError, until: number) => Promise<T>;

const ATTEMPTS = 4;
const FIRST_PAUSE = 30;
// How late a time limit is noticed, in milliseconds, where the process was stopped or busy: answers may lie there unread.
const STOOD_STILL = 100;

/**
 * A store that fails as a StoreError, in bounded time, and without being asked at all while it is known to be down.
 *
 * Reads, touches and deletes are tried again, since doing them twice does no harm. A write that must not be done twice is
 * settled by reading when its answer is lost.
 */
export function guarded(store: SessionStore, options: GuardOptions, events: Events): SessionStore {
  const guards = new Map<SessionStore, SessionStore>();
  function guard(part: SessionStore): SessionStore {
    // Each part of a composed store by itself: one that is down must not stop the others.
    if (part.withParts) return part.withParts(guard);
    const made = guards.get(part) ?? guardOne(part, options, events);
    guards.set(part, made);
    return made;
  }
  return guard(store);
}

function guardOne(store: SessionStore, { timeout, uniqueValues }: GuardOptions, events: Events): SessionStore {
  const deadlines = new Deadlines(timeout);
  const breaker = new Breaker(events);
  let closed = false;

  /** @throws StoreError if the store is not to be asked. */
  function admit(operation: string): void {
    if (closed) throw new StoreError(`coatcheck: the store is closed; not asked to ${operation}`);
    breaker.admit(operation);
  }

  /**
   * Asks the store, within the time limit or until a time; `recover` has what is left of it. One promise with callbacks:
   * 0.2 µs less than async functions in each other, and every request comes this way.
   */
  function ask<T>(operation: string, run: () => Promise<T>, recover?: Recover<T>, until?: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const fail = (cause: unknown, since = silentSince(wait.dueAt)) => {
        const error = reported(operation, cause, since);
        if (recover !== undefined && error instanceof StoreError) resolve(recover(error, wait.dueAt));
        else reject(error);
      };
      const wait = deadlines.begin(operation, fail, until);
      const failInTime = (cause: unknown) => {
        if (deadlines.end(wait)) fail(cause, performance.now());
      };
      try {
        run().then((answer) => {
          if (!deadlines.end(wait)) return;
          breaker.succeeded(wait.dueAt - timeout);
          resolve(answer);
        }, failInTime);
      } catch (cause) {
        failInTime(cause);
      }
    });
  }

  /** A call that ran out of time has been failing since it began, unless this process itself stood still. */
  function silentSince(dueAt: number): number {
    const now = performance.now();
    return now - dueAt > STOOD_STILL ? now : dueAt - timeout;
  }

  function once<T>(operation: string, run: () => Promise<T>, recover?: Recover<T>, until?: number): Promise<T> {
    try {
      admit(operation);
    } catch (error) {
      return Promise.reject(error);
    }
    return ask(operation, run, recover, until);
  }

  function reported(operation: string, cause: unknown, since: number): CoatcheckError {
    // The store is well and refuses what it was given, such as a session above its limit.
    if (cause instanceof CoatcheckError && !(cause instanceof StoreError)) {
      breaker.succeeded(since);
      return cause;
    }
    const error = asStoreError(operation, cause);
    breaker.failed(error, since);
    events.emit("storeError", { operation, error });
    return error;
  }

  /** Waits before another attempt. False: there is none. */
  async function mayTryAgain(attempt: number, until: number): Promise<boolean> {
    const isPointless = () => closed || breaker.isOpen || performance.now() >= until;
    if (attempt === ATTEMPTS || isPointless()) return false;
    await sleep(FIRST_PAUSE * 2 ** (attempt - 1) * (0.5 + Math.random() / 2));
    return !isPointless();
  }

  function repeatable<T>(operation: string, run: () => Promise<T>): Promise<T> {
    return once(operation, run, async (error, until) => {
      for (let attempt = 1; await mayTryAgain(attempt, until); attempt++) {
        try {
          return await once(operation, run, undefined, until);
        } catch (next) {
          if (!(next instanceof StoreError)) throw next;
          error = next;
        }
      }
      throw error;
    });
  }

  /**
   * A write that must not be done twice. When its answer is lost, it is read what is there, and `judge` says what that
   * means. `refusals` are the store's answers to a second try that may come from the first: they call for another look.
   */
  function settled<T>(
    operation: string,
    run: () => Promise<T>,
    look: () => Promise<StoredSession | undefined>,
    judge: (found: StoredSession | undefined) => Verdict<T>,
    refusals: readonly T[] = [],
  ): Promise<T> {
    return once(operation, run, async (error, until) => {
      for (let attempt = 1; await mayTryAgain(attempt, until); attempt++) {
        try {
          const verdict = judge(await once("read", look, undefined, until));
          if (verdict === UNKNOWN) break;
          if (verdict !== NOT_DONE) return verdict;
          const answer = await once(operation, run, undefined, until);
          if (!refusals.includes(answer)) return answer;
        } catch (next) {
          if (!(next instanceof StoreError)) throw next;
        }
      }
      throw new StoreError(`${error.message}; it may have been done all the same`, error.cause ?? error);
    });
  }

  // A copy that somebody keeps tells nothing of what became of a write.
  const look = (key: string) => readPastCopies(store, key);

  const guard: SessionStore = {
    ...(store.atomic === false && { atomic: false }),
    read: (key, touchUntil) => repeatable("read", () => store.read(key, touchUntil)),
    ...(store.refresh && { refresh: (key, touchUntil) => repeatable("read", () => store.refresh!(key, touchUntil)) }),
    create: (key, session) =>
      settled(
        "create",
        () => store.create(key, session),
        () => look(key),
        (found) => judgeCreate(found, session),
      ),
    update: (key, session, ifVersion) =>
      settled(
        "update",
        () => store.update(key, session, ifVersion),
        () => look(key),
        (found) => judgeUpdate(found, session, ifVersion, uniqueValues),
        ["conflict", "gone"],
      ),
    // If the first try did it and its answer was lost, the next one says false: nobody is told that he removed it.
    delete: (key, ifVersion) =>
      ifVersion === undefined
        ? repeatable("delete", () => store.delete(key))
        : settled(
            "delete",
            () => store.delete(key, ifVersion),
            () => look(key),
            (found) => judgeDelete(found, ifVersion),
            [false],
          ),
    touch: (key, expiresAt) => repeatable("touch", () => store.touch(key, expiresAt)),
    // Also while it is down: what it holds has to be freed.
    close: () => {
      closed = true;
      return ask("close", () => store.close());
    },
  };
  if (store.list) {
    guard.list = async function* (query) {
      const entries = store.list!(query)[Symbol.asyncIterator]();
      let isDone = false;
      try {
        for (;;) {
          const next = await once("list", () => entries.next());
          isDone = next.done === true;
          if (next.done) return;
          yield next.value;
        }
      } finally {
        // Who is still waited for may never come: it is told, and not waited for again.
        if (!isDone) entries.return?.().catch(() => {});
      }
    };
  }
  if (store.claimExpired) {
    // What was removed for a sweep that no longer waited for it: the next one gets it, as nobody else will.
    const late: ClaimedSession[] = [];
    guard.claimExpired = (now, limit) =>
      handedOver(async (claimed) => {
        claimed.push(...late.splice(0, limit));
        if (claimed.length === limit) return;
        let claiming: Promise<ClaimedSession[]> | undefined;
        const claim = () => {
          claiming = store.claimExpired!(now, limit - claimed.length);
          return claiming;
        };
        const found = await once("claimExpired", claim, async (error) => {
          claiming?.then((found) => late.push(...found), () => {}); // biome-ignore format: one line
          throw error;
        });
        claimed.push(...found);
      });
  }
  if (store.watch) guard.watch = (listener, onListening) => once("watch", () => store.watch!(listener, onListening));
  // What is answered at once needs no time limit, and asks nobody who may be down.
  if (store.atOnce) Object.defineProperty(guard, "atOnce", { value: store.atOnce });
  return guard;
}

function asStoreError(operation: string, cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause;
  const reason = cause instanceof Error ? cause.message || cause.name : String(cause);
  return new StoreError(`coatcheck: the store failed to ${operation}: ${reason}`, cause);
}
