// What a request knows of its own failed write: what to resolve, and which keys could be applied twice.

import { type Changes, type KeyRules, repeatedKeys } from "../commit/merge.ts";
import { StoreError } from "../errors.ts";
import { IndeterminateWriteError, type SentWrite } from "../records/indeterminate-write.ts";

/** Made only when a write fails: a request whose writes succeed needs none. */
export class PendingWrite {
  /** The last write, while it can still be resolved. */
  #last: { readonly sent: SentWrite; readonly changes: Changes } | undefined;
  /** The keys of writes whose outcome stays unknown. */
  readonly #unknownKeys: Set<string>;

  private constructor(sent: SentWrite, changes: Changes, unknownKeys: Set<string>) {
    this.#last = { sent, changes };
    this.#unknownKeys = unknownKeys;
  }

  /** The pending write after a failed one. `earlier` stays if the failed one was certainly not applied. */
  static after(error: unknown, changes: Changes, earlier: PendingWrite | undefined): PendingWrite | undefined {
    const sent = IndeterminateWriteError.sentBy(error);
    if (sent === undefined) return earlier;
    return new PendingWrite(sent, changes, earlier === undefined ? new Set() : earlier.#unknownKeys);
  }

  /** The write to resolve before the next one. */
  get last(): { readonly sent: SentWrite; readonly changes: Changes } | undefined {
    return this.#last;
  }

  /** The last write can't be resolved any more. */
  leaveUnknown(): void {
    for (const { key } of this.#last!.changes.keys) this.#unknownKeys.add(key);
    this.#last = undefined;
  }

  /** The keys of `changes` that would be applied twice if the unknown writes were applied, too. */
  repeatedKeys(changes: Changes, rules: KeyRules): string[] {
    return repeatedKeys(changes, this.#unknownKeys, rules);
  }
}

export function pendingLostLease(): StoreError {
  return unknownOutcome("the session is no longer locked by this request. Try the request again");
}

export function pendingRepeats(keys: readonly string[]): StoreError {
  const names = keys.map((key) => `"${key}"`).join(", ");
  return unknownOutcome(
    `others may have written since, so that ${names} could be applied twice. Call discard(), or set the value`,
  );
}

export function pendingEnded(): StoreError {
  return unknownOutcome("the session has ended since. Try the request again");
}

function unknownOutcome(what: string): StoreError {
  return new StoreError(
    `coatcheck: an earlier write of this request may have been applied, and this one was not: ${what}.`,
  );
}
