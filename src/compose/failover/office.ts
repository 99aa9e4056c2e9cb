import { CoatcheckError, StoreError } from "../../errors.ts";
import type { SessionStore } from "../../store.ts";

/** Who holds the sessions: the primary, until the standby has taken over. Then the standby does, and stays. */
export interface Office {
  /** Runs the call on the store that holds the sessions; again on the standby, if that takes over because of it. */
  run<T>(call: (store: SessionStore) => Promise<T>): Promise<T>;
  /** True once this server knows that the standby has taken over. */
  readonly standbyRules: boolean;
  /** Asks the standby whether it has taken over. */
  ask(): Promise<boolean>;
  /** Looks after both stores. To be called every second. */
  beat(): Promise<void>;
  /** Declares that both stores hold the same: the standby may take over again. */
  reset(): Promise<void>;
}

/** The key of the note that each store may have. As long as a session's, so that every store takes it. */
export const NOTE = "coatcheck-failover-note-";

/** The note's text: this store has taken over; this store must not be used any more, since another one has taken over. */
type Text = "active" | "deposed";

const TEN_YEARS = 10 * 365 * 24 * 3_600_000;

export function office(
  { primary, standby }: { primary: SessionStore; standby: SessionStore },
  after: number,
  onTakeover: () => void,
): Office {
  let settled: Promise<void> | undefined;
  let standbyRules = false;
  let primaryKnows = false;
  let failingSince: number | undefined;
  let takingOver: Promise<boolean> | undefined;

  function switchOver(): void {
    if (standbyRules) return;
    standbyRules = true;
    onTakeover();
  }

  /** Whoever starts after a takeover must learn of it, from either store, before it uses the primary. */
  async function settle(): Promise<void> {
    const [mine, other] = await Promise.allSettled([noteOf(primary), noteOf(standby)]);
    if (mine.status === "rejected" && other.status === "rejected") throw mine.reason;
    primaryKnows = mine.status === "fulfilled" && mine.value === "deposed";
    if (primaryKnows || (other.status === "fulfilled" && other.value === "active")) switchOver();
  }

  function settleOnce(): Promise<void> {
    settled ??= settle().catch((error) => {
      settled = undefined;
      throw error;
    });
    return settled;
  }

  async function ask(): Promise<boolean> {
    if (!standbyRules && (await noteOf(standby)) === "active") switchOver();
    return standbyRules;
  }

  async function tryTakeover(): Promise<boolean> {
    if (await noteOf(primary).then(succeeded, () => false)) return false;
    // Refused by the note of a standby that was the primary once, and has not been told what it missed.
    if ((await writeNote(standby, "active")) !== "active") return false;
    switchOver();
    return true;
  }

  function succeeded(): boolean {
    failingSince = undefined;
    return true;
  }

  /** After a failure of the primary. True if the standby rules now. */
  async function failed(): Promise<boolean> {
    const now = performance.now();
    failingSince ??= now;
    // Another server may have found it down before.
    if (now - failingSince < after) return ask().catch(() => false);
    takingOver ??= tryTakeover()
      .catch(() => false)
      .finally(() => {
        takingOver = undefined;
      });
    return takingOver;
  }

  return {
    ask,

    get standbyRules() {
      return standbyRules;
    },

    async run(call) {
      await settleOnce();
      if (standbyRules) return call(standby);
      try {
        const answer = await call(primary);
        succeeded();
        return answer;
      } catch (error) {
        // A store that refuses what it was given is well.
        if (error instanceof CoatcheckError && !(error instanceof StoreError)) throw error;
        if (!(await failed())) throw error;
        return call(standby);
      }
    },

    async beat() {
      await settleOnce();
      if (standbyRules) {
        if (!primaryKnows) primaryKnows = (await writeNote(primary, "deposed")) === "deposed";
      } else if (!(await ask().catch(() => false)) && failingSince !== undefined) {
        await noteOf(primary).then(succeeded, failed);
      }
    },

    async reset() {
      await standby.delete(NOTE);
      await primary.delete(NOTE);
    },
  };
}

async function noteOf(store: SessionStore): Promise<Text | undefined> {
  const note = await store.read(NOTE);
  return note && (Buffer.from(note.value).toString() as Text);
}

/** Writes the note if there is none. Gives what stands there then. */
async function writeNote(store: SessionStore, text: Text): Promise<Text | undefined> {
  const answer = await store.create(NOTE, { value: Buffer.from(text), expiresAt: Date.now() + TEN_YEARS });
  return answer === "exists" ? noteOf(store) : text;
}
