// A cache of sessions in this process, limited by its bytes.

import { type OpenedSession, type SessionCopy, type StoredSession, type Version, withOwner } from "../../store.ts";
import { type Linked, LinkedQueue } from "../../util/linked-queue.ts";

/** Bytes that V8 takes for an entry beside its value (measured: 470 to 490). */
const ENTRY_OVERHEAD = 500;
/** Bytes that V8 takes for an opened session beside its bytes (measured: 350 to 400). */
const OPENED_OVERHEAD = 400;
/** Scans at most this many entries for an unused one, then evicts the oldest. No call blocks the process for long. */
const MAX_SCANS = 1_000;

/**
 * Entries in a queue, within a number of bytes. To make room, the entry at the head is evicted, unless it was used since it
 * was queued: then it goes to the end. That is close to the least recently used (the CLOCK algorithm), and a use costs no
 * more than setting a flag.
 */
export class SessionCache {
  readonly #maxBytes: number;
  readonly #entries = new Map<string, CacheEntry>();
  #queue = new LinkedQueue<CacheEntry>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The bytes that all entries take. */
  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): CacheEntry | undefined {
    const entry = this.#entries.get(key);
    if (entry !== undefined) entry.used = true;
    return entry;
  }

  /**
   * Caches a session, and gives it as the cache has it.
   *
   * @param since when the request was sent that confirmed this state, in milliseconds since 1970.
   * @param replaces the version that this one replaced, if that is known.
   */
  put(key: string, session: StoredSession, since: number, replaces?: Version): StoredSession {
    const { opened } = session;
    const former = this.#entries.get(key);
    if (former !== undefined) this.#dequeue(former);
    const entry = new CacheEntry(this, key, session, since, replaces);
    // Overwrites the former entry: had that been deleted, V8's Map would keep it alive until it rehashes.
    this.#entries.set(key, entry);
    this.#queue.append(entry);
    this.grow(entry, entry.session.value.length + ENTRY_OVERHEAD);
    if (opened !== undefined) entry.keep(opened);
    return entry.session;
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#dequeue(entry);
  }

  clear(): void {
    this.#entries.clear();
    this.#queue = new LinkedQueue();
    this.#bytes = 0;
  }

  /** Counts bytes that an entry takes in addition, and evicts others to make room for them. */
  grow(entry: CacheEntry, bytes: number): void {
    if (this.#entries.get(entry.key) !== entry) return;
    entry.bytes += bytes;
    this.#bytes += bytes;
    // Larger than the whole cache: it would evict all others, and then itself.
    if (entry.bytes > this.#maxBytes) this.delete(entry.key);
    for (let scans = 0; this.#bytes > this.#maxBytes; scans++) {
      const first = this.#queue.first!;
      if (first.used && scans < MAX_SCANS) this.#requeue(first);
      else this.delete(first.key);
    }
  }

  #requeue(entry: CacheEntry): void {
    entry.used = false;
    this.#queue.remove(entry);
    this.#queue.append(entry);
  }

  #dequeue(entry: CacheEntry): void {
    this.#queue.remove(entry);
    this.#bytes -= entry.bytes;
  }
}

class CacheEntry implements SessionCopy, Linked<CacheEntry> {
  readonly #cache: SessionCache;
  readonly key: string;
  readonly since: number;
  readonly replaces: Version | undefined;
  session: StoredSession;
  opened: OpenedSession | undefined;
  bytes = 0;
  used = false;
  before: CacheEntry | undefined;
  after: CacheEntry | undefined;

  constructor(
    cache: SessionCache,
    key: string,
    { value, expiresAt, owner, version }: StoredSession,
    since: number,
    replaces: Version | undefined,
  ) {
    this.#cache = cache;
    this.key = key;
    this.since = since;
    this.replaces = replaces;
    // Copies the bytes: a client's may be a slice of a larger buffer, which the entry would keep alive.
    this.session = withOwner({ value: new Uint8Array(value), expiresAt, version, copy: this }, owner);
  }

  extend(expiresAt: number): void {
    this.session = { ...this.session, expiresAt };
  }

  keep(opened: OpenedSession): void {
    if (this.opened !== undefined) return;
    this.opened = opened.detached();
    this.#cache.grow(this, opened.bytes.length + OPENED_OVERHEAD);
  }
}
