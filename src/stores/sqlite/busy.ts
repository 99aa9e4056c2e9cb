// Waits for a database that another connection has locked.

import { setTimeout as sleep } from "node:timers/promises";
import { isBusy } from "./errors.ts";

/**
 * Runs `work` again while another connection holds the lock that it needs, for up to `timeout` milliseconds. SQLite's own
 * busy timeout would block the event loop.
 */
export async function retryWhileBusy<Result>(timeout: number, work: () => Result): Promise<Result> {
  for (const end = performance.now() + timeout; ; await sleep(1 + Math.random() * 3)) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) || performance.now() > end) throw error;
    }
  }
}
