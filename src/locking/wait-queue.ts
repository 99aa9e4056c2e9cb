// The requests of one process that wait for the same session in exclusive mode, first come, first served.

import type { OnClientGone } from "../cookies/request-source.ts";
import { LockTimeoutError, QueueFullError } from "../errors.ts";
import { MAX_TIMER_MS } from "../util/timers.ts";

/** What a turn passes to the next one: the held lease itself, or that other servers should go first. */
export type Handover<Held> = { held: Held } | "yield" | undefined;

interface Waiter<Held> {
  call(handover: Handover<Held>): void;
}

/** A queue for each session. Only the request at the head of a queue asks the store. */
export class WaitQueue<Held> {
  readonly #queues = new Map<string, Waiter<Held>[]>();
  readonly #maxQueue: number;

  constructor(maxQueue: number) {
    this.#maxQueue = maxQueue;
  }

  /**
   * Resolves when it is this request's turn.
   * @throws QueueFullError immediately, LockTimeoutError after `maxWait` milliseconds, or the error of `onClientGone`.
   */
  async join(key: string, maxWait: number, onClientGone: OnClientGone | undefined): Promise<Turn<Held>> {
    const queues = this.#queues;
    const queue = queues.get(key);
    if (queue === undefined) {
      queues.set(key, []);
      return new Turn(queues, key, false, undefined);
    }
    if (queue.length >= this.#maxQueue) throw new QueueFullError(key, this.#maxQueue);
    return new Promise((resolve, reject) => {
      let stopListening: (() => void) | undefined;
      const stopWaiting = () => {
        clearTimeout(timer);
        stopListening?.();
      };
      const waiter: Waiter<Held> = {
        call(handover) {
          stopWaiting();
          resolve(new Turn(queues, key, true, handover));
        },
      };
      const leave = (error: unknown) => {
        stopWaiting();
        queue.splice(queue.indexOf(waiter), 1);
        reject(error);
      };
      const timer = setTimeout(() => leave(new LockTimeoutError(key, maxWait)), Math.min(maxWait, MAX_TIMER_MS));
      queue.push(waiter);
      stopListening = onClientGone?.(leave);
    });
  }
}

/** The head of a queue. It must be ended, or the others wait in vain. */
export class Turn<Held> {
  /** True if the request had to wait for its turn. */
  readonly waited: boolean;
  readonly handover: Handover<Held>;
  readonly #queues: Map<string, Waiter<Held>[]>;
  readonly #key: string;
  #hasEnded = false;

  constructor(queues: Map<string, Waiter<Held>[]>, key: string, waited: boolean, handover: Handover<Held>) {
    this.#queues = queues;
    this.#key = key;
    this.waited = waited;
    this.handover = handover;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** True if another request of this process waits for the same session. */
  get isAwaited(): boolean {
    return !this.#hasEnded && this.#queues.get(this.#key)!.length > 0;
  }

  /** Begins the next request's turn. */
  end(handover?: Handover<Held>): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const next = this.#queues.get(this.#key)!.shift();
    if (next === undefined) this.#queues.delete(this.#key);
    else next.call(handover);
  }
}
