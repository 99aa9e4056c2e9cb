// The failover store: a standby takes over when the primary is down.

import { CapabilityError, OptionError, StoreError } from "../../errors.ts";
import type { SessionStore } from "../../store.ts";
import { type Duration, milliseconds } from "../../util/duration.ts";
import { checkNames, type OptionNames } from "../../util/option-names.ts";
import { unref } from "../../util/timers.ts";
import { haveClock, PartClocks, timeOf } from "../part-clocks.ts";
import { allHave, closeAll, traits } from "../parts.ts";
import { scopedVersions } from "../scoped-versions.ts";
import { failoverCoordinator } from "./coordinator.ts";
import { isMarker } from "./markers.ts";
import { Replicator } from "./replicator.ts";

export interface FailoverOptions {
  /** The store that holds the sessions. */
  primary: SessionStore;
  /** The store that gets a copy of every change, and takes over when the primary is down. */
  standby: SessionStore;
  /** The standby takes over after every call to the primary has failed for this long. Default: `"5s"`. */
  after?: Duration;
  /** Called when this server starts to use the standby. Default: a process warning (`COATCHECK_FAILOVER`). */
  onTakeover?: () => void;
}

const NAMES: OptionNames<FailoverOptions> = { primary: true, standby: true, after: true, onTakeover: true };

export interface FailoverStore extends SessionStore {
  /**
   * Copies all sessions to the standby, and deletes there the sessions that have ended. Needed when the standby is new, was
   * down for long, or is the former primary. A former primary may take over only after this.
   *
   * @throws CapabilityError if a store has no `list`.
   * @throws StoreError if a store is down, or the standby has taken over.
   */
  resync(): Promise<void>;
}

/**
 * A store made of two: the standby takes over when the primary is down.
 *
 * Until then, the primary answers every call. The standby gets each change a moment later. A logout is on both before it is
 * answered, or noted in the primary while the standby is away: any server applies it to the standby when that is back, and
 * before it takes over. When the primary has failed for `after`, one server writes a marker into the standby: it has taken
 * over. Every other server follows within a second or two. Changes that had not reached the standby are lost then. Logouts
 * are not.
 *
 * A primary that comes back is not used again, since it lacks every change since the takeover. To go back, swap the two
 * stores on every server, and run `resync()`.
 *
 * @throws OptionError if a store is missing, both are the same, or `after` is not a duration.
 */
export function failover(options: FailoverOptions): FailoverStore {
  checkNames("failover()", options, NAMES);
  const { primary: one, standby: two, onTakeover = warn } = options;
  for (const [name, store] of Object.entries({ primary: one, standby: two })) {
    if (typeof store?.read !== "function") throw new OptionError(name, store, "give a store.");
  }
  if (one === two) throw new OptionError("standby", two, "it is the same store as the primary: give another one.");
  const after = milliseconds("after", options.after ?? "5s");

  const both = { primary: scopedVersions(one, "primary"), standby: scopedVersions(two, "standby") };
  const { primary, standby } = both;
  const coordinator = failoverCoordinator(both, after, { before: () => replicator.deleteEnded(), after: onTakeover });
  const replicator = new Replicator(primary, standby, coordinator);
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  function run<T>(call: (store: SessionStore) => Promise<T>): Promise<T> {
    if (timer === undefined && !isClosed) timer = unref(setTimeout(check, CHECK_INTERVAL_MS));
    return coordinator.run(call);
  }

  async function check(): Promise<void> {
    // A store is down: its resilient store has reported it.
    await coordinator.checkStores().catch(() => {});
    await replicator.findEnds().catch(() => {});
    await replicator.flush();
    if (!isClosed) timer = unref(setTimeout(check, CHECK_INTERVAL_MS));
  }

  const result: FailoverStore = {
    ...traits([one, two]),
    withParts: (wrap) => failover({ ...options, primary: wrap(one), standby: wrap(two) }),

    // Without touchUntil: only touch() moves the expiry, since that is replicated.
    read: (key) => run((store) => store.read(key)),

    async create(key, session) {
      const answer = await run((store) => store.create(key, session));
      if (answer !== "exists") replicator.changed(key);
      return answer;
    },

    async update(key, session, ifVersion) {
      const answer = await run((store) => store.update(key, session, ifVersion));
      if (answer !== "conflict" && answer !== "gone") replicator.changed(key);
      return answer;
    },

    async delete(key, ifVersion) {
      const removed = await run((store) => store.delete(key, ifVersion));
      // Also if the session was not there: an earlier attempt may have deleted it, and not have reached the standby.
      if ((removed || ifVersion === undefined) && !coordinator.hasFailedOver) await replicator.ended(key);
      return removed;
    },

    async touch(key, expiresAt) {
      const isThere = await run((store) => store.touch(key, expiresAt));
      if (isThere) replicator.changed(key);
      return isThere;
    },

    async close() {
      isClosed = true;
      clearTimeout(timer);
      await replicator.flush();
      await closeAll([one, two]);
    },

    async resync() {
      if (!allHave([one, two], "list")) throw new CapabilityError("resync()", "list");
      const refuse = () => {
        throw new StoreError(
          "coatcheck: resync() stopped: the standby has taken over. Swap it with the primary on every server, and run resync() then.",
        );
      };
      if (await coordinator.askStandby()) refuse();
      for (const store of [primary, standby]) {
        let batch: string[] = [];
        for await (const { key } of store.list!({})) {
          if (isMarker(key) || batch.push(key) < BATCH_SIZE) continue;
          await Promise.all(batch.map((each) => replicator.replicate(each)));
          batch = [];
        }
        await Promise.all(batch.map((each) => replicator.replicate(each)));
      }
      if (await coordinator.askStandby()) refuse();
      await coordinator.reset();
    },
  };
  if (haveClock([one, two])) {
    const clocks = new PartClocks("failover", [one, two]);
    result.time = () => {
      void clocks.compare();
      return run(timeOf);
    };
  }
  if (allHave([one, two], "list")) {
    result.list = async function* (query) {
      const entries = await run(async (store) => store.list!(query));
      for await (const entry of entries) if (!isMarker(entry.key)) yield entry;
    };
  }
  if (allHave([one, two], "claimExpired")) {
    result.claimExpired = async (now, limit) => {
      const claimed = await run((store) => store.claimExpired!(now, limit));
      // The copies of expired sessions are removed, too.
      if (!coordinator.hasFailedOver) await standby.claimExpired!(now, limit).catch(() => {});
      return claimed.filter(({ key }) => !isMarker(key));
    };
  }
  return result;
}

/** Milliseconds between two checks of both stores. */
const CHECK_INTERVAL_MS = 1_000;
/** The most sessions that `resync` copies concurrently. */
const BATCH_SIZE = 16;

function warn(): void {
  process.emitWarning(
    "coatcheck: the primary store is down, and the standby has taken over. To go back, swap the two and run resync().",
    { code: "COATCHECK_FAILOVER" },
  );
}
