import { LONGEST_TIMER } from "./deadlines.ts";
import { LockTimeoutError, QueueFullError } from "./errors.ts";

/** What one in the line hands the next: the claim itself, or word that the next should let other servers go first. */
export type HandedOn<Claim> = { claim: Claim } | "yield" | undefined;

interface Waiter<Claim> {
  call(handed: HandedOn<Claim>): void;
}

/**
 * Lets the requests of this process that want a whole session for themselves stand in line: first come, first served.
 * Only the head asks the store.
 */
export class Lines<Claim> {
  readonly #lines = new Map<string, Waiter<Claim>[]>();
  readonly #maxQueue: number;

  constructor(maxQueue: number) {
    this.#maxQueue = maxQueue;
  }

  /**
   * Resolves when this one is at the head.
   * @throws QueueFullError at once, LockTimeoutError after `maxWait` milliseconds, or what `client` says when it has left.
   */
  async join(key: string, maxWait: number, client: Leaving | undefined): Promise<Place<Claim>> {
    const lines = this.#lines;
    const line = lines.get(key);
    if (line === undefined) {
      lines.set(key, []);
      return new Place(lines, key, false, undefined);
    }
    if (line.length >= this.#maxQueue) throw new QueueFullError(key, this.#maxQueue);
    return new Promise((resolve, reject) => {
      let stopListening: (() => void) | undefined;
      const stopWaiting = () => {
        clearTimeout(timer);
        stopListening?.();
      };
      const waiter: Waiter<Claim> = {
        call(handed) {
          stopWaiting();
          resolve(new Place(lines, key, true, handed));
        },
      };
      const giveUp = (error: unknown) => {
        stopWaiting();
        line.splice(line.indexOf(waiter), 1);
        reject(error);
      };
      const timer = setTimeout(() => giveUp(new LockTimeoutError(key, maxWait)), Math.min(maxWait, LONGEST_TIMER));
      line.push(waiter);
      stopListening = client?.(giveUp);
    });
  }
}

/** Tells, once, that the client has left, at once if it has; gives a function that stops listening. */
export type Leaving = (left: (error: unknown) => void) => () => void;

/** The head of a line. Whoever has it must leave. */
export class Place<Claim> {
  readonly waited: boolean;
  readonly handed: HandedOn<Claim>;
  readonly #lines: Map<string, Waiter<Claim>[]>;
  readonly #key: string;
  #isLeft = false;

  constructor(lines: Map<string, Waiter<Claim>[]>, key: string, waited: boolean, handed: HandedOn<Claim>) {
    this.#lines = lines;
    this.#key = key;
    this.waited = waited;
    this.handed = handed;
  }

  get isLeft(): boolean {
    return this.#isLeft;
  }

  /** True if somebody waits behind this one. */
  get isWaitedFor(): boolean {
    return !this.#isLeft && this.#lines.get(this.#key)!.length > 0;
  }

  leave(handed?: HandedOn<Claim>): void {
    if (this.#isLeft) return;
    this.#isLeft = true;
    const next = this.#lines.get(this.#key)!.shift();
    if (next === undefined) this.#lines.delete(this.#key);
    else next.call(handed);
  }
}
