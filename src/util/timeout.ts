// A time limit for any promise.

import { MAX_TIMER_MS, unref } from "./timers.ts";

/**
 * Settles as `work` does, unless that takes longer than `timeout` milliseconds: then it rejects with the error that `late`
 * makes. The work itself goes on.
 */
export async function withTimeout<Result>(work: Promise<Result>, timeout: number, late: () => Error): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), Math.min(timeout, MAX_TIMER_MS));
  });
  try {
    return await Promise.race([work, expired]);
  } finally {
    clearTimeout(timer);
  }
}

/** Calls `onSilence` if `answer` has not settled after `timeout` milliseconds. Does not keep the process alive. */
export function watchdog(answer: Promise<unknown>, timeout: number, onSilence: () => void): void {
  const timer = unref(setTimeout(onSilence, Math.min(timeout, MAX_TIMER_MS)));
  const stop = () => clearTimeout(timer);
  answer.then(stop, stop);
}
