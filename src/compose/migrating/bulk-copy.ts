// Bulk copy: moves every session of the old store to the new one.

import { setTimeout as sleep } from "node:timers/promises";
import { OptionError } from "../../errors.ts";
import { checkNames, type OptionNames } from "../../util/option-names.ts";
import { moveHome, type StorePair } from "./move.ts";

export interface CopyOptions {
  /** The most sessions to move in a second. A lower number leaves more of the stores to requests. Default: 500. */
  perSecond?: number;
  /** Called after each batch of up to 16 sessions. Default: no call. */
  onProgress?: (progress: CopyProgress) => void;
  /** Stops the copy. The call rejects with the signal's reason when the moves under way are done. Default: none. */
  signal?: AbortSignal;
}

export interface CopyProgress {
  /** Sessions that this call has moved. */
  moved: number;
  /** Sessions that could not be moved in this round. They stay in the old store, and go on working there. */
  failed: number;
  /** Sessions that are not moved yet, those that failed included. 0 when all are moved. */
  left: number;
  /** Why the last failed session could not be moved. */
  error?: unknown;
}

const NAMES: OptionNames<CopyOptions> = { perSecond: true, onProgress: true, signal: true };

const BATCH_SIZE = 16;
/** Each round but the first moves what began in the old store during the one before. A server that uses it alone has no end of it. */
const MAX_ROUNDS = 20;

/** Moves sessions home in rounds, until a round moves none. */
export async function copyAll(pair: StorePair, options: CopyOptions = {}): Promise<CopyProgress> {
  checkNames("copy()", options, NAMES);
  const { perSecond = 500, onProgress = () => {}, signal } = options;
  if (!(perSecond > 0)) throw new OptionError("perSecond", perSecond, "give a number above 0.");
  const progress: CopyProgress = { moved: 0, failed: 0, left: 0 };

  async function moveOne(key: string): Promise<void> {
    try {
      if (await moveHome(pair, key)) progress.moved++;
      if (progress.left > 0) progress.left--;
    } catch (error) {
      progress.error = error;
      progress.failed++;
    }
  }

  async function moveBatch(keys: string[]): Promise<void> {
    signal?.throwIfAborted();
    const until = performance.now() + (keys.length / perSecond) * 1_000;
    await Promise.all(keys.map(moveOne));
    onProgress({ ...progress });
    const pause = sleep(Math.max(until - performance.now(), 0), undefined, { signal });
    await pause.catch(() => signal!.throwIfAborted());
  }

  for (let round = 1; round <= MAX_ROUNDS; round++) {
    progress.left = await count(keysToMove(pair));
    progress.failed = 0;
    delete progress.error;
    const movedBefore = progress.moved;
    let batch: string[] = [];
    for await (const key of keysToMove(pair)) {
      if (batch.push(key) < BATCH_SIZE) continue;
      await moveBatch(batch);
      batch = [];
    }
    await moveBatch(batch);
    // The count is no longer exact: sessions have begun and ended during the round.
    progress.left = progress.failed;
    if (progress.moved === movedBefore) return progress;
  }
  progress.left = await count(keysToMove(pair));
  return progress;
}

async function* keysToMove({ other, isShared }: StorePair): AsyncGenerator<string> {
  for await (const { key } of other.list!({})) if (!isShared(key)) yield key;
}

async function count(keys: AsyncIterable<string>): Promise<number> {
  let count = 0;
  for await (const _ of keys) count++;
  return count;
}
