// The failover coordinator: decides which of the two stores holds the sessions.

import { CoatcheckError, StoreError } from "../../errors.ts";
import type { SessionStore } from "../../store.ts";
import { readMarker, TAKEOVER_KEY, writeMarker } from "./markers.ts";

/** The primary holds the sessions until the standby takes over. From then on the standby does. */
export interface FailoverCoordinator {
  /** Makes the call on the store that holds the sessions. If the standby takes over because the call fails, repeats it there. */
  run<T>(call: (store: SessionStore) => Promise<T>): Promise<T>;
  /** True once this server knows that the standby has taken over. */
  readonly hasFailedOver: boolean;
  /** Asks the standby whether it has taken over. */
  askStandby(): Promise<boolean>;
  /** Checks both stores. To be called every second. */
  checkStores(): Promise<void>;
  /** Deletes both takeover markers, so that the standby may take over. Both stores must hold the same sessions. */
  reset(): Promise<void>;
}

/** What happens with a takeover. */
export interface TakeoverSteps {
  /** Applies to the standby what it must not lack. If that fails, it does not take over. */
  before(): Promise<void>;
  /** Called once this server knows that the standby has taken over. */
  after(): void;
}

export function failoverCoordinator(
  { primary, standby }: { primary: SessionStore; standby: SessionStore },
  after: number,
  takeoverSteps: TakeoverSteps,
): FailoverCoordinator {
  let startup: Promise<void> | undefined;
  let hasFailedOver = false;
  let isPrimaryMarked = false;
  let failingSince: number | undefined;
  let takeover: Promise<boolean> | undefined;

  function failOver(): void {
    if (hasFailedOver) return;
    hasFailedOver = true;
    takeoverSteps.after();
  }

  /** A server that starts after a takeover must learn of it, from either store, before it uses the primary. */
  async function readMarkers(): Promise<void> {
    const [ofPrimary, ofStandby] = await Promise.allSettled([readMarker(primary), readMarker(standby)]);
    if (ofPrimary.status === "rejected" && ofStandby.status === "rejected") throw ofPrimary.reason;
    isPrimaryMarked = ofPrimary.status === "fulfilled" && ofPrimary.value === "deposed";
    if (isPrimaryMarked || (ofStandby.status === "fulfilled" && ofStandby.value === "active")) failOver();
  }

  function start(): Promise<void> {
    startup ??= readMarkers().catch((error) => {
      startup = undefined;
      throw error;
    });
    return startup;
  }

  async function askStandby(): Promise<boolean> {
    if (!hasFailedOver && (await readMarker(standby)) === "active") failOver();
    return hasFailedOver;
  }

  async function tryTakeover(): Promise<boolean> {
    if (await readMarker(primary).then(primarySucceeded, () => false)) return false;
    await takeoverSteps.before();
    // A standby that was the primary before has the marker "deposed" until resync(): it lacks changes, and must not take over.
    if ((await writeMarker(standby, "active")) !== "active") return false;
    failOver();
    return true;
  }

  function primarySucceeded(): boolean {
    failingSince = undefined;
    return true;
  }

  /** True if the standby holds the sessions now. */
  async function primaryFailed(): Promise<boolean> {
    const now = performance.now();
    failingSince ??= now;
    // Another server may have seen it fail for longer, and have made the standby take over.
    if (now - failingSince < after) return askStandby().catch(() => false);
    takeover ??= tryTakeover()
      .catch(() => false)
      .finally(() => {
        takeover = undefined;
      });
    return takeover;
  }

  return {
    askStandby,

    get hasFailedOver() {
      return hasFailedOver;
    },

    async run(call) {
      await start();
      if (hasFailedOver) return call(standby);
      try {
        const answer = await call(primary);
        primarySucceeded();
        return answer;
      } catch (error) {
        // The store works: it has only refused what it was given.
        if (error instanceof CoatcheckError && !(error instanceof StoreError)) throw error;
        if (!(await primaryFailed())) throw error;
        return call(standby);
      }
    },

    async checkStores() {
      await start();
      if (hasFailedOver) {
        if (!isPrimaryMarked) isPrimaryMarked = (await writeMarker(primary, "deposed")) === "deposed";
      } else if (!(await askStandby().catch(() => false)) && failingSince !== undefined) {
        await readMarker(primary).then(primarySucceeded, primaryFailed);
      }
    },

    async reset() {
      await standby.delete(TAKEOVER_KEY);
      await primary.delete(TAKEOVER_KEY);
    },
  };
}
