// The clocks of a composed store's parts.

import { setTimeout as sleep } from "node:timers/promises";
import type { SessionStore } from "../store.ts";

/** Milliseconds after which another part's time is taken instead of that of a part that does not answer. */
const PATIENCE_MS = 250;
/** Clocks that differ by more than this are reported. */
const REPORT_ABOVE_MS = 60_000;

/**
 * A composed store has one clock, and each part handles expiry by its own. The parts' clocks must agree: a session's record
 * holds its start and its latest end, sealed, and a store can't convert those for another part.
 */
export class PartClocks {
  readonly #name: string;
  readonly #parts: readonly SessionStore[];
  #hasReported = false;

  /** `name` is the composed store's, for the warning. `parts` come in the order in which their time is preferred. */
  constructor(name: string, parts: readonly SessionStore[]) {
    this.#name = name;
    this.#parts = parts;
  }

  /** The time of the first part that has one, or of another one if that is down. */
  async time(): Promise<number> {
    void this.compare();
    const answers = this.#parts.filter((part) => part.time !== undefined).map((part) => timeOf(part));
    const [first, ...others] = answers as [Promise<number>, ...Promise<number>[]];
    const another = Promise.any(others);
    another.catch(() => {}); // used only if the first part fails
    const isAnswered = new AbortController();
    const patience = sleep(PATIENCE_MS, undefined, { signal: isAnswered.signal });
    try {
      return await Promise.any([first, patience.then(() => another)]);
    } catch {
      return await first; // throws why the first part can't be asked
    } finally {
      isAnswered.abort();
    }
  }

  /** Compares the parts' clocks, and warns once if they differ. */
  async compare(): Promise<void> {
    if (this.#hasReported) return;
    const began = performance.now();
    // The parts answer at different moments, so the time since the call is taken off.
    const offset = async (part: SessionStore) => (await timeOf(part)) - (performance.now() - began);
    const answers = await Promise.allSettled(this.#parts.map(offset));
    const offsets = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
    const difference = Math.max(...offsets) - Math.min(...offsets);
    if (!(difference > REPORT_ABOVE_MS) || this.#hasReported) return;
    this.#hasReported = true;
    process.emitWarning(
      `coatcheck: the clocks of the stores in ${this.#name}() differ by ${Math.round(difference / 1_000)} s, so sessions may end early or late. Set the clocks of the database servers right.`,
      { code: "COATCHECK_CLOCKS" },
    );
  }
}

/** The time by a store's clock. A store without one goes by this process's. */
export async function timeOf(store: SessionStore): Promise<number> {
  return store.time === undefined ? Date.now() : store.time();
}

/** True if a part has a clock of its own. A composed store then has one, too. */
export function haveClock(parts: readonly SessionStore[]): boolean {
  return parts.some((part) => part.time !== undefined);
}
