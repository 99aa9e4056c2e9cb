// Combines concurrent writes into transactions.

import { setImmediate as endOfTurn, setTimeout as sleep } from "node:timers/promises";
import { retryWhileBusy } from "./busy.ts";
import type { SqliteStatement } from "./database.ts";
import { endsTransaction } from "./errors.ts";

/** The most writes in one transaction. They block the event loop for a few milliseconds. */
const MAX_TRANSACTION_WRITES = 128;

/** The most bytes in one transaction, unless a single write has more. */
const MAX_TRANSACTION_BYTES = 2 * 1024 * 1024;

/** A process that writes without a pause leaves the file unlocked for `YIELD_MS` after each `MAX_BURST_MS` of writing. */
const YIELD_MS = 2;
const MAX_BURST_MS = 25;

/** The statements that enclose a transaction. */
export interface TransactionStatements {
  begin: SqliteStatement;
  commit: SqliteStatement;
  rollback: SqliteStatement;
}

/** A write that waits for the next transaction. It settles when that is committed or rolled back. */
interface PendingWrite {
  work(): unknown;
  bytes: number;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

export class WriteQueue {
  readonly #statements: TransactionStatements;
  readonly #timeout: number;
  readonly #verify: () => void;
  #pending: PendingWrite[] = [];
  #running: Promise<void> | undefined;
  #burstBegan = 0;
  #lockReleased = 0;

  /**
   * @param timeout milliseconds to wait for the write lock.
   * @param verify called after each commit. If it throws, the writes of the transaction fail with that error.
   */
  constructor(statements: TransactionStatements, timeout: number, verify: () => void = () => {}) {
    this.#statements = statements;
    this.#timeout = timeout;
    this.#verify = verify;
  }

  /**
   * Runs `work` in the next transaction, and resolves with its result once that is committed.
   *
   * @param bytes how much it writes.
   */
  run<Result>(work: () => Result, bytes = 0): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ work, bytes, resolve: resolve as (result: unknown) => void, reject });
      this.#running ??= this.#runAll();
    });
  }

  /** Resolves when all writes have settled. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #runAll(): Promise<void> {
    const { begin, commit, rollback } = this.#statements;
    // Writes of the same turn of the event loop share the transaction.
    for (await endOfTurn(); this.#pending.length > 0; await endOfTurn()) {
      let batch = this.#pending;
      let hasBegun = false;
      try {
        await this.#yieldLock();
        // BEGIN IMMEDIATE: a transaction that begins as a reader may fail later, when it needs the write lock.
        await retryWhileBusy(this.#timeout, () => begin.run());
        hasBegun = true;
        batch = this.#nextBatch();
        const results = batch.map(({ work }) => attempt(work));
        commit.run();
        this.#lockReleased = performance.now();
        hasBegun = false;
        this.#verify();
        for (const [index, { resolve, reject }] of batch.entries()) {
          const { result, error } = results[index]!;
          if (error === undefined) resolve(result);
          else reject(error);
        }
      } catch (error) {
        if (hasBegun) tryTo(() => rollback.run());
        for (const { reject } of batch) reject(error);
      }
      this.#pending = this.#pending.slice(batch.length);
    }
    this.#running = undefined;
  }

  /** The writes that go into one transaction: at least one, and no more than block the event loop for a moment. */
  #nextBatch(): PendingWrite[] {
    const candidates = this.#pending.slice(0, MAX_TRANSACTION_WRITES);
    let total = 0;
    const tooMany = candidates.findIndex(({ bytes }) => {
      total += bytes;
      return total > MAX_TRANSACTION_BYTES;
    });
    return tooMany === -1 ? candidates : candidates.slice(0, Math.max(tooMany, 1));
  }

  /** After a long burst of writes, leaves the file unlocked for a moment. Other processes poll for the lock. */
  async #yieldLock(): Promise<void> {
    if (performance.now() - this.#lockReleased < YIELD_MS) {
      if (performance.now() - this.#burstBegan < MAX_BURST_MS) return;
      await sleep(YIELD_MS);
    }
    this.#burstBegan = performance.now();
  }
}

/** @throws an error after which the whole transaction may have been rolled back */
function attempt(work: () => unknown): { result?: unknown; error?: unknown } {
  try {
    return { result: work() };
  } catch (error) {
    if (endsTransaction(error)) throw error;
    return { error };
  }
}

function tryTo(work: () => unknown): void {
  try {
    work();
  } catch {
    // The transaction has ended by itself.
  }
}
