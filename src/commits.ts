import type { SessionRecord } from "./record.ts";
import type { Version } from "./store.ts";
import type { RecordWriter } from "./writes.ts";

/** What a commit left in the store. */
export interface Committed {
  readonly record: SessionRecord;
  readonly version: Version;
}

/** Puts what `writer` makes into the store, over `base` or whatever is newer. Undefined: the session is gone. */
export type Put = (base: Committed, writer: RecordWriter) => Promise<Committed | undefined>;

interface Line {
  /** The last commit in the line. It gives what it left, or undefined if whoever is next has to find out. */
  tail: Promise<Committed | undefined>;
  /** The last commit, if it has not begun and others may go with it. */
  gathering: Gathering | undefined;
}

interface Gathering {
  readonly changes: Set<Change>;
  readonly left: Promise<Committed | undefined>;
}

interface Change {
  readonly writer: RecordWriter;
  fail(error: unknown): void;
}

const NOTHING = Promise.resolve(undefined);

/**
 * Lets commits of one session follow each other inside this process. While one is under way the others gather, and go
 * together in one write over what that one left: N parallel writers cost at most N writes, and mostly a few. Fighting it
 * out in the store would cost N squared.
 */
export class CommitQueue {
  readonly #lines = new Map<string, Line>();
  /** How many works are under way that need not queue. */
  #loose = 0;
  #idlers: (() => void)[] = [];

  /** True if a commit of this session is under way. */
  isBusy(key: string): boolean {
    return this.#lines.has(key);
  }

  /** Makes a change in its turn, over `base` or what the commit before it left. */
  write(key: string, base: Committed, writer: RecordWriter, put: Put): Promise<Committed | undefined> {
    const line = this.#lines.get(key);
    if (line === undefined) return this.#begin(key, put(base, writer));
    return new Promise((resolve, reject) => {
      line.gathering ??= this.#gather(key, line, (latest, changes) => put(latest ?? base, together(changes)));
      line.gathering.changes.add({ writer, fail: reject });
      line.gathering.left.then(resolve, reject);
    });
  }

  /** Runs `commit` alone in its turn. It gets what the commit before it left, if there was one and it succeeded. */
  run(
    key: string,
    commit: (latest: Committed | undefined) => Promise<Committed | undefined>,
  ): Promise<Committed | undefined> {
    const line = this.#lines.get(key);
    if (line === undefined) return this.#begin(key, commit(undefined));
    line.gathering = undefined;
    const left = line.tail.then(commit, () => commit(undefined));
    return this.#follow(key, line, left);
  }

  /** For what need not queue: `idle` waits for it too. */
  track<T>(work: Promise<T>): Promise<T> {
    this.#loose++;
    work.then(this.#untrack, this.#untrack);
    return work;
  }

  readonly #untrack = () => {
    this.#loose--;
    this.#tellIdlers();
  };

  /** Resolves when no commit is under way. */
  async idle(): Promise<void> {
    if (this.#lines.size + this.#loose > 0) await new Promise<void>((resolve) => this.#idlers.push(resolve));
  }

  #tellIdlers(): void {
    if (this.#idlers.length === 0 || this.#lines.size + this.#loose > 0) return;
    for (const tell of this.#idlers.splice(0)) tell();
  }

  #gather(
    key: string,
    line: Line,
    commit: (latest: Committed | undefined, changes: Set<Change>) => Promise<Committed | undefined>,
  ): Gathering {
    const changes = new Set<Change>();
    const begin = (latest: Committed | undefined) => {
      if (line.gathering === gathering) line.gathering = undefined;
      return commit(latest, changes);
    };
    const left = line.tail.then(begin, () => begin(undefined));
    const gathering = { changes, left };
    this.#follow(key, line, left);
    return gathering;
  }

  #begin(key: string, left: Promise<Committed | undefined>): Promise<Committed | undefined> {
    const line = { tail: left, gathering: undefined };
    this.#lines.set(key, line);
    return this.#follow(key, line, left);
  }

  #follow(key: string, line: Line, left: Promise<Committed | undefined>): Promise<Committed | undefined> {
    line.tail = left;
    const leave = () => {
      if (line.tail !== left) return;
      this.#lines.delete(key);
      line.tail = NOTHING; // what was written must not live on in the Map's old tables (see LinkedQueue)
      this.#tellIdlers();
    };
    left.then(leave, leave);
    return left;
  }
}

/** Several changes as one, each over the one before. What can't be made, such as one that is too large, fails alone. */
function together(changes: Set<Change>): RecordWriter {
  return {
    record(base, lease) {
      let record = base;
      let failure: unknown;
      for (const change of changes) {
        try {
          record = change.writer.record(record, lease);
        } catch (error) {
          changes.delete(change);
          change.fail(error);
          failure = error;
        }
      }
      if (changes.size === 0) throw failure;
      return record!;
    },
    expiry: () => Math.max(...Array.from(changes, ({ writer }) => writer.expiry())),
  };
}
