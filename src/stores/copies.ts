import { type Linked, LinkedQueue } from "../linked-queue.ts";
import type { OpenedSession, SessionCopy, StoredSession, Version } from "../store.ts";

/** What V8 takes for a copy beside its bytes (measured: 470 to 490), and for what it was opened to (350 to 400). */
const COPY_OVERHEAD = 500;
const OPENED_OVERHEAD = 400;
/** So many copies are looked at for one that was not used lately; then any goes, so that no call stops the process. */
const MAX_LOOKS = 1_000;

/**
 * Copies of sessions, within a number of bytes. They stand in a queue; what comes to its head and was used meanwhile goes to
 * its end, else it goes. That is nearly the least recently used, and a use costs no more than setting a flag.
 */
export class Copies {
  readonly #maxBytes: number;
  readonly #copies = new Map<string, Copy>();
  #queue = new LinkedQueue<Copy>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The bytes that all of them take. */
  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): Copy | undefined {
    const copy = this.#copies.get(key);
    if (copy !== undefined) copy.used = true;
    return copy;
  }

  /** Keeps a copy of what was so at `since`, and replaced an earlier version, if that is known. */
  put(key: string, session: StoredSession, since: number, replaces?: Version): StoredSession {
    const { opened } = session;
    const former = this.#copies.get(key);
    if (former !== undefined) this.#leave(former);
    const copy = new Copy(this, key, session, since, replaces);
    // In the former one's entry: had that been removed, V8's Map would keep it alive for long.
    this.#copies.set(key, copy);
    this.#queue.append(copy);
    this.grow(copy, copy.session.value.length + COPY_OVERHEAD);
    if (opened !== undefined) copy.keep(opened);
    return copy.session;
  }

  delete(key: string): void {
    const copy = this.#copies.get(key);
    if (copy === undefined) return;
    this.#copies.delete(key);
    this.#leave(copy);
  }

  clear(): void {
    this.#copies.clear();
    this.#queue = new LinkedQueue();
    this.#bytes = 0;
  }

  /** Counts what a copy takes more, and makes room for it. */
  grow(copy: Copy, bytes: number): void {
    if (this.#copies.get(copy.key) !== copy) return;
    copy.bytes += bytes;
    this.#bytes += bytes;
    // It would drive all others out and not stay itself.
    if (copy.bytes > this.#maxBytes) this.delete(copy.key);
    for (let looks = 0; this.#bytes > this.#maxBytes; looks++) {
      const first = this.#queue.first!;
      if (first.used && looks < MAX_LOOKS) this.#requeue(first);
      else this.delete(first.key);
    }
  }

  #requeue(copy: Copy): void {
    copy.used = false;
    this.#queue.remove(copy);
    this.#queue.append(copy);
  }

  #leave(copy: Copy): void {
    this.#queue.remove(copy);
    this.#bytes -= copy.bytes;
  }
}

class Copy implements SessionCopy, Linked<Copy> {
  readonly #copies: Copies;
  readonly key: string;
  readonly since: number;
  readonly replaces: Version | undefined;
  session: StoredSession;
  opened: OpenedSession | undefined;
  bytes = 0;
  used = false;
  before: Copy | undefined;
  after: Copy | undefined;

  constructor(
    copies: Copies,
    key: string,
    { value, expiresAt, owner, version }: StoredSession,
    since: number,
    replaces: Version | undefined,
  ) {
    this.#copies = copies;
    this.key = key;
    this.since = since;
    this.replaces = replaces;
    this.session = {
      // Bytes of its own: a client's may be a slice of a larger piece that must not be kept alive.
      value: new Uint8Array(value),
      expiresAt,
      ...(owner !== undefined && { owner }),
      version,
      copy: this,
    };
  }

  extend(expiresAt: number): void {
    this.session = { ...this.session, expiresAt };
  }

  keep(opened: OpenedSession): void {
    if (this.opened !== undefined) return;
    this.opened = opened.detached();
    this.#copies.grow(this, opened.bytes.length + OPENED_OVERHEAD);
  }
}
