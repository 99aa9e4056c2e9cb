// Timers: the longest delay, and what differs between runtimes.

/** The longest delay of a timer, in milliseconds (about 24.8 days). Node fires a longer one immediately. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** True on Cloudflare's workerd, where a timer ends with the request that began it. Requests can't share one there. */
export const TIMERS_END_WITH_REQUEST = globalThis.navigator?.userAgent === "Cloudflare-Workers";

/** Lets the process end before the timer fires. Some runtimes have numbers for timers, and no process that waits for them. */
export function unref(timer: NodeJS.Timeout): NodeJS.Timeout {
  timer.unref?.();
  return timer;
}
