// The queue of commits that each session has in this process.

import type { RecordBuilder, RecordVersion } from "../records/record-store.ts";
import type { InFlight } from "../util/in-flight.ts";

/** Puts what `builder` makes into the store, over `base` or whatever is newer. Undefined: the session is gone. */
export type Put = (base: RecordVersion, builder: RecordBuilder) => Promise<RecordVersion | undefined>;

interface Queue {
  /** The last commit of the queue. It gives what it left, or undefined if the next commit has to read. */
  tail: Promise<RecordVersion | undefined>;
  /** The last commit, if it has not begun and other changes may join it. */
  batch: Batch | undefined;
}

interface Batch {
  readonly changes: Set<QueuedChange>;
  readonly committed: Promise<RecordVersion | undefined>;
}

interface QueuedChange {
  readonly builder: RecordBuilder;
  fail(error: unknown): void;
}

const NOTHING = Promise.resolve(undefined);

/**
 * Lets the commits of one session follow each other inside this process. While one is under way the others gather into a
 * batch, and go together in one write over what that one left: N parallel writers cost at most N writes, and mostly a
 * few. Competing in the store would cost N squared.
 */
export class CommitQueue {
  readonly #queues = new Map<string, Queue>();
  readonly #inFlight: InFlight;

  constructor(inFlight: InFlight) {
    this.#inFlight = inFlight;
  }

  /** True if a commit of this session is under way. */
  isBusy(key: string): boolean {
    return this.#queues.has(key);
  }

  /** Makes a change in its turn, over `base` or what the commit before it left. */
  write(key: string, base: RecordVersion, builder: RecordBuilder, put: Put): Promise<RecordVersion | undefined> {
    const queue = this.#queues.get(key);
    if (queue === undefined) return this.#begin(key, put(base, builder));
    return new Promise((resolve, reject) => {
      queue.batch ??= this.#batch(key, queue, (latest, changes) => put(latest ?? base, combine(changes)));
      queue.batch.changes.add({ builder, fail: reject });
      queue.batch.committed.then(resolve, reject);
    });
  }

  /** Runs `commit` alone in its turn. It gets what the commit before it left, if there was one and it succeeded. */
  run(
    key: string,
    commit: (latest: RecordVersion | undefined) => Promise<RecordVersion | undefined>,
  ): Promise<RecordVersion | undefined> {
    const queue = this.#queues.get(key);
    if (queue === undefined) return this.#begin(key, commit(undefined));
    queue.batch = undefined;
    const committed = queue.tail.then(commit, () => commit(undefined));
    return this.#append(key, queue, committed);
  }

  #batch(
    key: string,
    queue: Queue,
    commit: (latest: RecordVersion | undefined, changes: Set<QueuedChange>) => Promise<RecordVersion | undefined>,
  ): Batch {
    const changes = new Set<QueuedChange>();
    const begin = (latest: RecordVersion | undefined) => {
      if (queue.batch === batch) queue.batch = undefined;
      return commit(latest, changes);
    };
    const committed = queue.tail.then(begin, () => begin(undefined));
    const batch = { changes, committed };
    this.#append(key, queue, committed);
    return batch;
  }

  #begin(key: string, committed: Promise<RecordVersion | undefined>): Promise<RecordVersion | undefined> {
    const queue = { tail: committed, batch: undefined };
    this.#queues.set(key, queue);
    this.#inFlight.begin();
    return this.#append(key, queue, committed);
  }

  #append(
    key: string,
    queue: Queue,
    committed: Promise<RecordVersion | undefined>,
  ): Promise<RecordVersion | undefined> {
    queue.tail = committed;
    const leave = () => {
      if (queue.tail !== committed) return;
      this.#queues.delete(key);
      queue.tail = NOTHING; // what was written must not live on in the Map's old tables (see LinkedQueue)
      this.#inFlight.end();
    };
    committed.then(leave, leave);
    return committed;
  }
}

/** Several changes as one, each over the one before. A change that can't be made, such as one too large, fails alone. */
function combine(changes: Set<QueuedChange>): RecordBuilder {
  return {
    record(base, lease) {
      let record = base;
      let failure: unknown;
      for (const change of changes) {
        try {
          record = change.builder.record(record, lease);
        } catch (error) {
          changes.delete(change);
          change.fail(error);
          failure = error;
        }
      }
      if (changes.size === 0) throw failure;
      return record!;
    },
    expiry: () => Math.max(...Array.from(changes, ({ builder }) => builder.expiry())),
  };
}
