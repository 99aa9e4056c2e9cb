import type { SessionRecord } from "./record.ts";
import type { Version } from "./store.ts";

/** What a commit left in the store. */
export interface Committed {
  record: SessionRecord;
  version: Version;
}

/**
 * Lets commits of one session follow each other inside this process. Each hands the next what it left in the store,
 * so N parallel writers cost N writes; fighting it out in the store would cost N squared.
 */
export class CommitQueue {
  readonly #tails = new Map<string, Promise<Committed | undefined>>();
  readonly #loose = new Set<Promise<unknown>>();

  /** Runs `commit` after those before it. It gets what the last one left, if one was under way and succeeded. */
  async run(
    key: string,
    commit: (latest: Committed | undefined) => Promise<Committed | undefined>,
  ): Promise<Committed | undefined> {
    const before = this.#tails.get(key);
    const mine = before === undefined ? commit(undefined) : before.then(commit, () => commit(undefined));
    this.#tails.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#tails.get(key) === mine) this.#tails.delete(key);
    }
  }

  /** For what need not queue: `idle` waits for it too. */
  async track<T>(work: Promise<T>): Promise<T> {
    this.#loose.add(work);
    try {
      return await work;
    } finally {
      this.#loose.delete(work);
    }
  }

  /** Resolves when no commit is under way. */
  async idle(): Promise<void> {
    while (this.#tails.size + this.#loose.size > 0) {
      await Promise.allSettled([...this.#tails.values(), ...this.#loose]);
    }
  }
}
