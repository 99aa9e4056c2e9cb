/**
 * How a request uses its session.
 * - `merge`: with others in parallel; what they change at the same time is merged, key by key.
 * - `exclusive`: alone. Other exclusive requests wait until it has committed, first come, first served; so do the commits
 *   of those that merge. For code that reads several keys and writes what follows from all of them.
 * - `readonly`: without changing it. Waits for nobody.
 */
export type Mode = (typeof MODES)[number];

export const MODES = ["merge", "exclusive", "readonly"] as const;

/** One request's view of its user's session. */
export interface Session<Data extends object = Record<string, unknown>> {
  /** The session's keys as properties. A value that is changed in place is noticed and saved. */
  readonly data: Data;
  /** The value of a key, or its initial value, or undefined. */
  get<Key extends keyof Data & string>(key: Key): Data[Key] | undefined;
  /** Sets a key. What can't be kept (functions, class instances) is refused on commit. */
  set<Key extends keyof Data & string>(key: Key, value: Data[Key]): void;
  /** True if the key is in the session. */
  has(key: keyof Data & string): boolean;
  /** Removes a key. */
  delete(key: keyof Data & string): void;
  /** The keys in the session. */
  keys(): (keyof Data & string)[];
  /** Removes every key; owner and ticket stay. */
  clear(): void;
  /**
   * Sets a key to what `update` makes of its value, and returns that. If another request changes the key meanwhile,
   * `update` runs again on the newer value: no increment is lost. It may run several times, so it must do nothing else.
   */
  update<Key extends keyof Data & string>(key: Key, update: (value: Data[Key] | undefined) => Data[Key]): Data[Key];
  /** Leaves a message for the next request that asks for it. */
  flash(key: string, value: unknown): void;
  /** Takes the message: the next call gives undefined. */
  flash(key: string): unknown;

  /** The user's id, for `sessions.list` and `sessions.revokeAll`. Sealed like the data; the store sees a hash. */
  owner: string | undefined;
  /** The public id, safe to log: the ticket can't be computed from it. `regenerate` changes it. */
  readonly id: string;
  /** True until the session is in the store. */
  readonly isNew: boolean;
  /** When the session began, in milliseconds since 1970. */
  readonly createdAt: number;
  /** When it ends if no request comes, in milliseconds since 1970. */
  readonly expiresAt: number;

  /**
   * Writes the changes now, before the commit. False if the session has ended meanwhile: the changes are dropped.
   * @throws ConflictError, StoreError, SessionTooLargeError, UnstorableValueError
   */
  save(): Promise<boolean>;
  /** Drops this request's unsaved changes and reads the session anew. False if it has ended. */
  reload(): Promise<boolean>;
  /**
   * Saves the session under a new ticket and kills the old one at once. Call it when a user logs in or gains rights.
   * Of parallel calls one wins; the others get false, and their changes are dropped as for any ended session.
   */
  regenerate(): Promise<boolean>;
  /** Ends the session at once, for every request that still has it. What is written afterwards begins a new one. */
  destroy(): Promise<void>;
  /** Drops the changes that are not saved yet. */
  discard(): void;
  /**
   * Writes what has changed and closes the session for writing. Gives the `Set-Cookie` values to send before the
   * response starts: at once if there is nothing to write, else as a promise. Either way `await` it.
   * @throws ConflictError, StoreError, SessionTooLargeError, UnstorableValueError
   */
  commit(): string[] | Promise<string[]>;
}
