// Notices a connection that was dropped without a word, by comparing it with a new one.

import { setTimeout as sleep } from "node:timers/promises";

export interface Liveness {
  /** To be called with each command. */
  used(): void;
  stop(): void;
}

interface LivenessSteps<Fresh> {
  /** Sends a PING over the connection. Undefined: it knows itself that it is not connected. */
  ping(): Promise<unknown> | undefined;
  /** Opens another connection to the same server, and resolves once the server has answered on it. */
  open(): Promise<Fresh>;
  /** Uses the new connection in place of the silent one. */
  replace(fresh: Fresh): void;
  discard(fresh: Fresh): void;
  /** Drops the connection, so that pending commands fail and the next one connects again. */
  drop(): void;
}

/** How soon after a command the connection is checked. */
const CHECK_AFTER_MS = 300;
/** How long a PING may take before a new connection is tried. */
const SILENCE_MS = 300;
/** How often an idle connection is checked. It also keeps firewalls from forgetting the connection. */
const IDLE_CHECK_MS = 5_000;
const RETRY_MS = 300;
/** How long a connection may be silent before it is dropped in any case. */
const MAX_SILENCE_MS = 10_000;

/**
 * A firewall, a load balancer or a failover may drop a connection without closing it. Commands then have no answer, until
 * the time limit of the caller. So a connection that is used is checked soon after, and an idle one now and then. If the
 * server answers on a new connection and not on this one, this one is dead.
 *
 * A server that is only slow answers on neither, and the connection stays for a while.
 */
export function createLiveness<Fresh>({ ping, open, replace, discard, drop }: LivenessSteps<Fresh>): Liveness {
  let timer: NodeJS.Timeout | undefined;
  /** True while a check is due soon, or runs. */
  let isSoon = false;
  let isStopped = false;

  function schedule(delay: number): void {
    clearTimeout(timer);
    if (!isStopped) timer = setTimeout(check, delay).unref();
  }

  async function check(): Promise<void> {
    isSoon = true;
    let isSilent = true;
    const answer = ping() ?? Promise.resolve();
    const answered = answer
      .catch(() => {}) // a connection that fails is reported to its commands
      .then(() => {
        isSilent = false;
      });
    await Promise.race([answered, sleep(SILENCE_MS, undefined, { ref: false })]);
    const dropAt = performance.now() + MAX_SILENCE_MS;
    while (isSilent && !isStopped) {
      const fresh = await open().catch(() => undefined);
      if (fresh !== undefined && !(isSilent && !isStopped)) discard(fresh);
      else if (fresh !== undefined) {
        isSilent = false;
        replace(fresh);
      } else if (performance.now() < dropAt) await sleep(RETRY_MS, undefined, { ref: false });
      else if (isSilent && !isStopped) {
        isSilent = false;
        drop();
      }
    }
    isSoon = false;
    schedule(IDLE_CHECK_MS);
  }

  return {
    used() {
      if (isSoon) return;
      isSoon = true;
      schedule(CHECK_AFTER_MS);
    },
    stop() {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}
