// Finds the new primary after a failover, while the connections still lead to the former one.

/** How often a new connection is tried while writes are refused. */
const PROBE_INTERVAL_MS = 1_000;

/**
 * After a failover, the former primary may still answer on the connections that lead to it, and refuse writes. Only a new
 * connection finds the new primary. So while writes are refused, one new connection is tried now and then. Once it takes
 * writes, all connections that are older are outdated.
 *
 * Where no server takes writes, the connections stay as they are, and reads go on.
 */
export class FailoverDetector {
  readonly #canWrite: () => Promise<boolean>;
  readonly #onFailover: () => void;
  /** When each connection was seen first, by `performance.now()`. */
  readonly #firstSeen = new WeakMap<object, number>();
  #outdatedBefore = -Infinity;
  #probedAt = -Infinity;

  /**
   * @param canWrite whether a new connection takes writes.
   * @param onFailover called when it does, although others refuse them.
   */
  constructor(canWrite: () => Promise<boolean>, onFailover: () => void = () => {}) {
    this.#canWrite = canWrite;
    this.#onFailover = onFailover;
  }

  /** True for a connection that has to be closed, and not used. To be asked whenever a connection is taken. */
  isOutdated(connection: object): boolean {
    const now = performance.now();
    const since = this.#firstSeen.get(connection) ?? now;
    this.#firstSeen.set(connection, since);
    return since < this.#outdatedBefore;
  }

  /** To be called when a connection refuses a write, because its server takes none. */
  onWriteRefused(): void {
    const now = performance.now();
    if (now - this.#probedAt < PROBE_INTERVAL_MS) return;
    this.#probedAt = now;
    this.#canWrite().then(
      (canWrite) => {
        if (!canWrite) return;
        this.#outdatedBefore = performance.now();
        this.#onFailover();
      },
      () => {}, // there is no server to connect to; the next refusal tries again
    );
  }
}
