// The replicator: copies each change of the primary to the standby.

import { StoreError } from "../../errors.ts";
import type { SessionStore, SessionWrite, Version } from "../../store.ts";
import { contentOf } from "../parts.ts";
import type { FailoverCoordinator } from "./coordinator.ts";
import { deleteEndMarker, listEnds, writeEndMarker } from "./markers.ts";

/** The most keys that are kept for a standby that can't be reached. */
const MAX_PENDING_KEYS = 100_000;
/** The most sessions that are replicated concurrently. */
const BATCH_SIZE = 16;
/** The most sessions that are deleted concurrently. */
const DELETE_BATCH_SIZE = 64;
/** After end markers were looked for, a pause of this many times as long as that took: a long list is no load. */
const PAUSE_SHARE = 10;

export class Replicator {
  readonly #primary: SessionStore;
  readonly #standby: SessionStore;
  readonly #coordinator: FailoverCoordinator;
  /** Keys of sessions that have changed since they were last replicated. */
  readonly #changed = new Set<string>();
  /** Keys of sessions that have ended, and that the standby may still have. */
  readonly #ended = new Set<string>();
  #findEndsAt = 0;
  #hasWarned = false;
  #flushing: Promise<void> | undefined;

  constructor(primary: SessionStore, standby: SessionStore, coordinator: FailoverCoordinator) {
    this.#primary = primary;
    this.#standby = standby;
    this.#coordinator = coordinator;
  }

  /** Replicates the session soon, in the background. */
  changed(key: string): void {
    if (this.#coordinator.hasFailedOver) return;
    this.#changed.add(key);
    if (this.#changed.size > MAX_PENDING_KEYS) this.#dropOldest(this.#changed);
    void this.flush();
  }

  /**
   * Resolves when the end of a session is certain to last. If the standby can't be reached, a marker in the primary says that
   * it lacks the end, and any server works that off. Without `list` nobody would find the marker: then only this server
   * knows.
   *
   * @throws StoreError if neither store takes it.
   */
  async ended(key: string): Promise<void> {
    this.#changed.delete(key);
    try {
      await this.#standby.delete(key);
    } catch {
      this.#addEnded(key);
      if (this.#primary.list === undefined) return;
      try {
        await writeEndMarker(this.#primary, key);
      } catch (error) {
        throw new StoreError(
          "coatcheck: the session was deleted from the primary, but its end could not be noted for the standby, which can't be reached. Try again.",
          error,
        );
      }
    }
  }

  /** Looks for sessions that other servers have ended, and that the standby may still have. */
  async findEnds(): Promise<void> {
    const { list } = this.#primary;
    const began = performance.now();
    if (list === undefined || this.#coordinator.hasFailedOver || began < this.#findEndsAt) return;
    try {
      for await (const key of listEnds({ list })) this.#addEnded(key);
    } finally {
      const now = performance.now();
      this.#findEndsAt = now + PAUSE_SHARE * (now - began);
    }
  }

  /** Deletes from the standby every session that is known to have ended. */
  async deleteEnded(): Promise<void> {
    await inBatches(this.#ended, DELETE_BATCH_SIZE, async (key) => {
      await this.#standby.delete(key);
      this.#ended.delete(key);
    });
  }

  /** Replicates everything that is pending. Stops at the first failure; the next call tries again. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush()
      .catch(() => {}) // a store is down, and its resilient store has reported it
      .finally(() => {
        this.#flushing = undefined;
      });
    return this.#flushing;
  }

  async #flush(): Promise<void> {
    if (this.#coordinator.hasFailedOver) await this.deleteEnded();
    else await inBatches(this.#ended, BATCH_SIZE, (key) => this.#replicateEnd(key));
    while (this.#changed.size > 0) {
      if (this.#coordinator.hasFailedOver) return this.#changed.clear();
      await inBatches(this.#changed, BATCH_SIZE, async (key) => {
        this.#changed.delete(key); // it may change again meanwhile
        try {
          await this.replicate(key);
        } catch (error) {
          this.#changed.add(key);
          throw error;
        }
      });
    }
    this.#hasWarned = false;
  }

  async #replicateEnd(key: string): Promise<void> {
    await this.replicate(key);
    if (this.#coordinator.hasFailedOver) return; // the next flush deletes it
    if (this.#primary.list !== undefined) await deleteEndMarker(this.#primary, key);
    this.#ended.delete(key);
  }

  /**
   * Makes the standby's session the same as the primary's.
   *
   * The order of the calls keeps an older state from replacing a newer one. The standby is read first: a write there
   * meanwhile makes the compare-and-swap fail. Then the standby is asked whether it has taken over. The primary is read last.
   */
  async replicate(key: string): Promise<void> {
    let created: Version | undefined;
    for (;;) {
      const copy = await this.#standby.read(key);
      if (await this.#coordinator.askStandby()) {
        // It took over while the copy was made. The session may have ended there before, and must not come back.
        if (created !== undefined) await this.#standby.delete(key, created);
        return;
      }
      const session = await this.#primary.read(key);
      if (session === undefined) {
        if (copy === undefined || (await this.#standby.delete(key, copy.version))) return;
      } else if (copy === undefined) {
        const answer = await this.#standby.create(key, contentOf(session));
        // Starts over: if the session has ended meanwhile, only this call deletes the copy.
        created = answer === "exists" ? undefined : answer;
      } else if (!isSame(copy, session)) {
        const answer = await this.#standby.update(key, contentOf(session), copy.version);
        if (answer !== "conflict" && answer !== "gone") return;
      } else if (copy.expiresAt === session.expiresAt || (await this.#standby.touch(key, session.expiresAt))) return;
    }
  }

  #addEnded(key: string): void {
    this.#ended.add(key);
    if (this.#ended.size > MAX_PENDING_KEYS) this.#dropOldest(this.#ended);
  }

  #dropOldest(keys: Set<string>): void {
    keys.delete(keys.values().next().value!);
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    process.emitWarning(
      `coatcheck: the standby has missed more than ${MAX_PENDING_KEYS} changes, and the oldest of them are no longer kept for it. Run resync() when it is back.`,
      { code: "COATCHECK_STANDBY_BEHIND" },
    );
  }
}

/** Runs the work for each of the keys that are there now. Stops after a batch in which one fails. */
async function inBatches(keys: Iterable<string>, size: number, work: (key: string) => Promise<void>): Promise<void> {
  const left = [...keys];
  while (left.length > 0) {
    const results = await Promise.allSettled(left.splice(0, size).map(work));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }
}

function isSame(one: SessionWrite, other: SessionWrite): boolean {
  return one.owner === other.owner && Buffer.compare(one.value, other.value) === 0;
}
