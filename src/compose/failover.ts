import { type Duration, milliseconds } from "../duration.ts";
import { CapabilityError, OptionError, StoreError } from "../errors.ts";
import type { SessionStore } from "../store.ts";
import { Mirror } from "./failover/mirror.ts";
import { NOTE, office } from "./failover/office.ts";
import { allHave, closeAll, traits } from "./parts.ts";
import { tagged } from "./tagged.ts";

export interface FailoverOptions {
  /** Holds the sessions. */
  primary: SessionStore;
  /** Gets every change, and takes over when the primary is down. */
  standby: SessionStore;
  /** How long the primary must have failed every call before the standby takes over. Default: `"5s"`. */
  after?: Duration;
  /** Called when this server goes over to the standby. Default: a process warning says so. */
  onTakeover?: () => void;
}

export interface FailoverStore extends SessionStore {
  /**
   * Brings all sessions to the standby, and takes away there what has ended. Needed when the standby is new, was away for
   * long, or was the primary that failed: it may take over only after this.
   *
   * @throws CapabilityError if a store has no `list`.
   * @throws StoreError if a store is down, or the standby has taken over.
   */
  sync(): Promise<void>;
}

/**
 * Two stores, of which the standby takes over when the primary is down.
 *
 * While the primary rules, it is asked for everything. The standby gets each change a moment later; a logout is on both
 * before it is answered. When the primary has failed for `after`, one server writes into the standby that it has taken
 * over, and every server follows within a second or two. Changes of the last moment, which the standby had not got yet,
 * are lost then; logouts are not.
 *
 * The primary is not used again when it comes back, for it knows nothing of what happened since. To go back, swap the two
 * on every server, and run `sync()`.
 *
 * @throws OptionError if a store is missing, both are the same, or `after` is no duration.
 */
export function failover(options: FailoverOptions): FailoverStore {
  const { primary: one, standby: two, onTakeover = warn } = options ?? {};
  for (const [name, store] of Object.entries({ primary: one, standby: two })) {
    if (typeof store?.read !== "function") throw new OptionError(name, store, "give a store.");
  }
  if (one === two) throw new OptionError("standby", two, "it is the same as the primary: give another store.");
  const after = milliseconds("after", options.after ?? "5s");

  const both = { primary: tagged(one, "primary"), standby: tagged(two, "standby") };
  const { primary, standby } = both;
  const duty = office(both, after, onTakeover);
  const mirror = new Mirror(primary, standby, duty);
  let beating: NodeJS.Timeout | undefined;
  let closed = false;

  function run<T>(call: (store: SessionStore) => Promise<T>): Promise<T> {
    if (beating === undefined && !closed) beating = setTimeout(beat, BEAT).unref();
    return duty.run(call);
  }

  async function beat(): Promise<void> {
    await duty.beat().catch(() => {}); // a store is down; its guard has said so
    await mirror.work();
    if (!closed) beating = setTimeout(beat, BEAT).unref();
  }

  const result: FailoverStore = {
    ...traits([one, two]),
    withParts: (wrap) => failover({ ...options, primary: wrap(one), standby: wrap(two) }),

    // The expiry moves by touch only, so that the standby hears of it.
    read: (key) => run((store) => store.read(key)),

    async create(key, session) {
      const answer = await run((store) => store.create(key, session));
      if (answer !== "exists") mirror.changed(key);
      return answer;
    },

    async update(key, session, ifVersion) {
      const answer = await run((store) => store.update(key, session, ifVersion));
      if (answer !== "conflict" && answer !== "gone") mirror.changed(key);
      return answer;
    },

    async delete(key, ifVersion) {
      const removed = await run((store) => store.delete(key, ifVersion));
      if (removed && !duty.standbyRules) await mirror.ended(key);
      return removed;
    },

    async touch(key, expiresAt) {
      const isThere = await run((store) => store.touch(key, expiresAt));
      if (isThere) mirror.changed(key);
      return isThere;
    },

    async close() {
      closed = true;
      clearTimeout(beating);
      await mirror.work();
      await closeAll([one, two]);
    },

    async sync() {
      if (!allHave([one, two], "list")) throw new CapabilityError("sync()", "list");
      const refuse = () => {
        throw new StoreError("coatcheck: the standby has taken over: swap it with the primary, and sync then.");
      };
      if (await duty.ask()) refuse();
      for (const store of [primary, standby]) {
        let batch: string[] = [];
        for await (const { key } of store.list!({})) {
          if (key === NOTE || batch.push(key) < BATCH) continue;
          await Promise.all(batch.map((each) => mirror.bring(each)));
          batch = [];
        }
        await Promise.all(batch.map((each) => mirror.bring(each)));
      }
      if (await duty.ask()) refuse();
      await duty.reset();
    },
  };
  if (allHave([one, two], "list")) {
    result.list = async function* (query) {
      const entries = await run(async (store) => store.list!(query));
      for await (const entry of entries) if (entry.key !== NOTE) yield entry;
    };
  }
  if (allHave([one, two], "claimExpired")) {
    result.claimExpired = async (now, limit) => {
      const claimed = await run((store) => store.claimExpired!(now, limit));
      // The copies of what has expired go, too.
      if (!duty.standbyRules) await standby.claimExpired!(now, limit).catch(() => {});
      return claimed.filter(({ key }) => key !== NOTE);
    };
  }
  return result;
}

/** Milliseconds between two looks at both stores. */
const BEAT = 1_000;
const BATCH = 16;

function warn(): void {
  process.emitWarning("coatcheck: the primary store is down, and the standby has taken over.", {
    code: "COATCHECK_FAILOVER",
  });
}
