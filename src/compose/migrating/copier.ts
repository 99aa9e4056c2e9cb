import { setTimeout as sleep } from "node:timers/promises";
import { OptionError } from "../../errors.ts";
import { bring, type Pair } from "./pair.ts";

export interface CopyOptions {
  /** The most sessions to move in a second, so that requests go first. Default: 500. */
  perSecond?: number;
  /** Told after every few sessions. */
  onProgress?: (progress: CopyProgress) => void;
  /** Ends it: the call rejects with the signal's reason once the moves under way are done. */
  signal?: AbortSignal;
}

export interface CopyProgress {
  /** Sessions that this call has moved. */
  moved: number;
  /** Sessions that could not be moved in this round: they stay where they are, and go on working there. */
  failed: number;
  /** Sessions that are still to be moved, those that failed included. 0 when all is done. */
  left: number;
  /** Why the last one could not be moved. */
  error?: unknown;
}

const BATCH = 16;

/** Moves every session home, in rounds, until a round finds nothing that it can move. */
export async function copyAll(
  pair: Pair,
  { perSecond = 500, onProgress = () => {}, signal }: CopyOptions = {},
): Promise<CopyProgress> {
  if (!(perSecond > 0)) throw new OptionError("perSecond", perSecond, "give a number above 0.");
  const progress: CopyProgress = { moved: 0, failed: 0, left: 0 };

  async function moveOne(key: string): Promise<void> {
    try {
      if (await bring(pair, key)) progress.moved++;
      if (progress.left > 0) progress.left--;
    } catch (error) {
      progress.error = error;
      progress.failed++;
    }
  }

  async function moveAll(keys: string[]): Promise<void> {
    signal?.throwIfAborted();
    const until = performance.now() + (keys.length / perSecond) * 1_000;
    await Promise.all(keys.map(moveOne));
    onProgress({ ...progress });
    await sleep(Math.max(until - performance.now(), 0), undefined, { signal });
  }

  for (;;) {
    progress.left = await count(keysOf(pair));
    progress.failed = 0;
    delete progress.error;
    const movedBefore = progress.moved;
    let batch: string[] = [];
    for await (const key of keysOf(pair)) {
      if (batch.push(key) < BATCH) continue;
      await moveAll(batch);
      batch = [];
    }
    await moveAll(batch);
    // What began meanwhile was not counted; what ended meanwhile was.
    progress.left = progress.failed;
    if (progress.moved === movedBefore) return progress;
  }
}

async function* keysOf({ other, isShared }: Pair): AsyncGenerator<string> {
  for await (const { key } of other.list!({})) if (!isShared(key)) yield key;
}

async function count(keys: AsyncIterable<string>): Promise<number> {
  let count = 0;
  for await (const _ of keys) count++;
  return count;
}
