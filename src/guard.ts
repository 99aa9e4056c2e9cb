import { setTimeout as sleep } from "node:timers/promises";
import { CoatcheckError, StoreError } from "./errors.ts";
import type { Events } from "./events.ts";
import type { SessionStore } from "./store.ts";

const ATTEMPTS = 3;
const FAILURES_TO_OPEN = 5;
const OPEN_FOR = 1_000;
// A longer one would fire at once.
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * A store that fails as a StoreError, in bounded time, and without being asked at all while it is known to be down.
 *
 * Every call gets `timeout` milliseconds. Reads, touches and deletes are tried again within that time, since doing them
 * twice does no harm; a create or update whose answer is lost may have happened, so it is not.
 */
export function guarded(store: SessionStore, timeout: number, events: Events): SessionStore {
  const deadlines = new Deadlines(timeout);
  const breaker = new Breaker();

  async function once<T>(operation: string, run: () => Promise<T>): Promise<T> {
    breaker.admit(operation);
    try {
      const result = await deadlines.limit(operation, run());
      breaker.succeeded();
      return result;
    } catch (cause) {
      // The store is well and refuses what it was given, such as a session above its limit.
      if (cause instanceof CoatcheckError && !(cause instanceof StoreError)) {
        breaker.succeeded();
        throw cause;
      }
      breaker.failed();
      const error = asStoreError(operation, cause);
      events.emit("storeError", { operation, error });
      throw error;
    }
  }

  async function repeatable<T>(operation: string, run: () => Promise<T>): Promise<T> {
    const giveUpAt = Date.now() + timeout / 2;
    for (let attempt = 1; ; attempt++) {
      try {
        return await once(operation, run);
      } catch (error) {
        const isFinal = !(error instanceof StoreError) || attempt === ATTEMPTS || breaker.isOpen;
        if (isFinal || Date.now() > giveUpAt) throw error;
        await sleep(2 ** attempt * 10 * Math.random());
      }
    }
  }

  const guard: SessionStore = {
    ...(store.atomic === false && { atomic: false }),
    read: (key, touchUntil) => repeatable("read", () => store.read(key, touchUntil)),
    ...(store.refresh && { refresh: (key, touchUntil) => repeatable("read", () => store.refresh!(key, touchUntil)) }),
    create: (key, session) => once("create", () => store.create(key, session)),
    update: (key, session, ifVersion) => once("update", () => store.update(key, session, ifVersion)),
    // A second delete finds nothing and answers false, which a conditional one must not be told.
    delete: (key, ifVersion) =>
      ifVersion === undefined
        ? repeatable("delete", () => store.delete(key))
        : once("delete", () => store.delete(key, ifVersion)),
    touch: (key, expiresAt) => repeatable("touch", () => store.touch(key, expiresAt)),
    close: () => store.close(),
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
    guard.claimExpired = (now, limit) => once("claimExpired", () => store.claimExpired!(now, limit));
  }
  if (store.watch) guard.watch = (listener, onListening) => once("watch", () => store.watch!(listener, onListening));
  return guard;
}

function asStoreError(operation: string, cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause;
  const reason = cause instanceof Error ? cause.message || cause.name : String(cause);
  return new StoreError(`coatcheck: the store failed to ${operation}: ${reason}`, cause);
}

/** All calls have the same time limit, so the first begun is the first due, and one timer serves them all. */
class Deadlines {
  readonly #timeout: number;
  readonly #waiting = new Set<{ dueAt: number; expire: () => void }>();
  #ticking = false;

  constructor(timeout: number) {
    this.#timeout = timeout;
  }

  limit<T>(operation: string, call: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const wait = {
        dueAt: performance.now() + this.#timeout,
        expire: () => reject(new StoreError(`coatcheck: the store did not ${operation} within ${this.#timeout} ms`)),
      };
      this.#waiting.add(wait);
      if (!this.#ticking) this.#tickIn(this.#timeout);
      call.then(
        (value) => {
          this.#waiting.delete(wait);
          resolve(value);
        },
        (error) => {
          this.#waiting.delete(wait);
          reject(error);
        },
      );
    });
  }

  #tickIn(delay: number): void {
    this.#ticking = true;
    setTimeout(() => this.#tick(), Math.min(delay, LONGEST_TIMER)).unref();
  }

  #tick(): void {
    this.#ticking = false;
    const now = performance.now();
    for (const wait of this.#waiting) {
      if (wait.dueAt > now) {
        this.#tickIn(wait.dueAt - now);
        return;
      }
      this.#waiting.delete(wait);
      wait.expire();
    }
  }
}

/** After several failures in a row, calls fail at once; then one call at a time tries whether the store is back. */
class Breaker {
  #failures = 0;
  #probeAt = 0;

  get isOpen(): boolean {
    return this.#failures >= FAILURES_TO_OPEN;
  }

  admit(operation: string): void {
    if (!this.isOpen) return;
    const now = performance.now();
    if (now < this.#probeAt) {
      throw new StoreError(`coatcheck: the store is down; not asked to ${operation}`);
    }
    this.#probeAt = now + OPEN_FOR;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  failed(): void {
    this.#failures++;
    if (this.#failures === FAILURES_TO_OPEN) this.#probeAt = performance.now() + OPEN_FOR;
  }
}
