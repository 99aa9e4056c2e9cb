// The Redis store.

import { type ClaimedSession, collectClaimed, type SessionStore, type SessionWrite, withOwner } from "../../store.ts";
import { adaptClient } from "./clients.ts";
import { createCommands } from "./commands.ts";
import { connect } from "./connect.ts";
import { createNames, decode, decodeOwnership, encode, newVersion, type Ownership } from "./format.ts";
import { type RedisOptions, settings } from "./options.ts";
import { createOwnerIndex } from "./owner-index.ts";
import { createSubscriber } from "./subscriber.ts";

export type { RedisClientLike, RedisOptions, RedisTlsOptions } from "./options.ts";

/** How many keys one step of a SCAN looks at. */
const SCAN_COUNT = "500";

/** `list` remembers at most this many keys, to leave out duplicates. */
const MAX_SEEN = 100_000;

/** How many sessions `list` looks at concurrently, so that other commands need not wait for long. */
const CONCURRENT_ENTRIES = 64;

/** How many commands of a sweep are under way, so that other commands need not wait for long. */
const CONCURRENT_CLAIMS = 16;

/** How many candidates a sweep takes from an expiry index at a time. */
const CLAIM_PAGE = 16;

/** How long a sweep goes on. What it leaves is for the next one. */
const MAX_SWEEP_MS = 1_000;

/**
 * Keeps sessions in Redis 6.0 or later, Valkey, Azure Cache for Redis or Azure Managed Redis: in one server, or in several
 * under Sentinel or as a Cluster. Needs the package `redis` (node-redis), unless a client is handed in.
 *
 * @throws OptionError if an option is wrong. If the server can't be reached, the first call fails.
 */
export function redis(options: RedisOptions): SessionStore {
  const { target, prefix, keepExpiredMs, notify } = settings(options);
  const connection = "client" in target ? adaptClient(target.client) : connect(target);
  const names = createNames(prefix);
  const commands = createCommands(connection, names, { prefix, keepExpiredMs, notify });
  const ownerIndex = createOwnerIndex(connection, names);
  const subscriber = notify ? createSubscriber(connection, names, commands) : undefined;

  const store: SessionStore = {
    name: "redis",

    async read(key, touchUntil) {
      const found = await commands.get(names.session(key), touchUntil);
      if (found === null) return undefined;
      const { expiresAt } = found;
      const { value, version, ownership } = decode(found.bytes);
      if (ownership === undefined) return { value, expiresAt, version };
      await ownerIndex.extend(key, version, ownership, expiresAt);
      return { value, expiresAt, version, owner: ownership.owner };
    },

    async create(key, session) {
      const version = newVersion();
      const ownership = await indexOwner(key, session);
      const bytes = encode(version, session.value, ownership);
      // The session is there with this very version if the client has sent the command twice, after a lost reply.
      const stored = await commands.setIfAbsent(names.session(key), bytes, session.expiresAt, version);
      if (stored !== version) return "exists";
      if (ownership) ownerIndex.remember(key, version, ownership);
      return version;
    },

    async update(key, session, ifVersion) {
      const version = newVersion();
      const known = ownerIndex.recall(key, ifVersion);
      const ownership = await indexOwner(key, session, known);
      const bytes = encode(version, session.value, ownership);
      const argv = [String(ifVersion), bytes, String(session.expiresAt), known ? "" : "1"];
      const reply = await commands.run("update", names.session(key), argv);
      if (reply === 0) return "gone";
      if (reply === 1) return "conflict";
      const former = known ?? (reply === 2 ? undefined : decodeOwnership(reply as Buffer));
      if (former && former.owner !== session.owner) ownerIndex.remove(key, former);
      if (former || ownership) ownerIndex.remember(key, version, ownership);
      return version;
    },

    async delete(key, ifVersion) {
      const argv = [ifVersion === undefined ? "" : String(ifVersion)];
      const reply = await commands.run("delete", names.session(key), argv);
      if (reply === 0) return false;
      if (reply !== 1) ownerIndex.remove(key, decodeOwnership(reply as Buffer));
      return true;
    },

    async touch(key, expiresAt) {
      const reply = await commands.run("touch", names.session(key), [String(expiresAt)]);
      if (reply === 0) return false;
      if (reply !== 1) {
        const header = reply as Buffer;
        await ownerIndex.extend(key, header.toString("latin1", 0, 9), decodeOwnership(header.subarray(9)), expiresAt);
      }
      return true;
    },

    time: () => commands.time(),

    async close() {
      await subscriber?.close();
      await connection.close();
    },

    async *list({ owner }) {
      for await (const page of owner === undefined ? allSessions() : sessionsOf(owner)) {
        for (let start = 0; start < page.length; start += CONCURRENT_ENTRIES) {
          const part = page.slice(start, start + CONCURRENT_ENTRIES);
          const entries = await Promise.all(part.map((name) => commands.run("entry", name, [])));
          for (const [i, entry] of entries.entries()) {
            if (entry === null) continue;
            const [expiresAt, header] = entry as [number, Buffer?];
            const key = names.keyOf(part[i]!);
            const found = header && decodeOwnership(header).owner;
            if (owner !== undefined && owner !== found) continue;
            yield withOwner({ key, expiresAt }, found);
          }
        }
      }
    },
  };

  if (keepExpiredMs > 0) {
    store.claimExpired = (until, limit) =>
      collectClaimed(async (claimed) => {
        // Whatever the caller's clock says, nothing that lives is claimed.
        const now = Math.min(until, await commands.time());
        // Each sweep begins with another index, so that concurrent ones do not compete for the same sessions.
        const start = Math.floor(Math.random() * names.expiryIndexes.length);
        const indexes = [...names.expiryIndexes.slice(start), ...names.expiryIndexes.slice(0, start)];
        const sweep = new Sweep(now, limit, claimed);
        const workers = Array.from({ length: CONCURRENT_CLAIMS }, async () => {
          for (let index = indexes.pop(); index !== undefined; index = indexes.pop()) await claimFrom(index, sweep);
        });
        // A claim that is under way may still remove a session.
        for (const worker of await Promise.allSettled(workers)) if (worker.status === "rejected") throw worker.reason;
      });
  }

  if (subscriber) store.watch = (listener, onListening) => subscriber.add(listener, onListening);

  return store;

  /** Adds a session to its owner's index, unless `known` shows that its entry there lasts long enough. */
  async function indexOwner(
    key: string,
    { owner, expiresAt }: SessionWrite,
    known?: Ownership,
  ): Promise<Ownership | undefined> {
    if (owner === undefined) return undefined;
    if (known?.owner === owner && known.indexedUntil >= expiresAt) return known;
    return { owner, indexedUntil: await ownerIndex.add(owner, key, expiresAt) };
  }

  /** The keys in Redis of all sessions, in pages. */
  async function* allSessions(): AsyncGenerator<string[]> {
    // SCAN may give a key twice while Redis resizes its hash table.
    const seen = new Set<string>();
    for (const send of await connection.nodes()) {
      let cursor = "0";
      do {
        const reply = await send(["SCAN", cursor, "MATCH", names.sessionPattern, "COUNT", SCAN_COUNT]);
        const [next, found] = reply as [Buffer, Buffer[]];
        cursor = String(next);
        if (seen.size > MAX_SEEN) seen.clear();
        yield found.map(String).filter((name) => !seen.has(name) && seen.add(name));
      } while (cursor !== "0");
    }
  }

  /** The keys in Redis of all sessions in an owner's index, in pages. */
  async function* sessionsOf(owner: string): AsyncGenerator<string[]> {
    const index = names.ownerIndex(owner);
    const seen = new Set<string>();
    let cursor = "0";
    do {
      const reply = await connection.send(index, ["ZSCAN", index, cursor, "COUNT", SCAN_COUNT]);
      const [next, pairs] = reply as [Buffer, Buffer[]];
      cursor = String(next);
      const keys = pairs.filter((_, i) => i % 2 === 0).map(String);
      yield keys.filter((key) => !seen.has(key) && seen.add(key)).map(names.session);
    } while (cursor !== "0");
  }

  /**
   * Claims what has expired in an index, one session after the other. It ends, because a claim removes its candidate from
   * the index, or moves it to a later time.
   */
  async function claimFrom(index: string, sweep: Sweep): Promise<void> {
    for (let isMore = true; isMore; ) {
      if (sweep.isOver) return;
      const range = ["ZRANGEBYSCORE", index, "-inf", String(sweep.now), "LIMIT", "0", String(CLAIM_PAGE)];
      const candidates = ((await connection.send(index, range)) as Buffer[]).map(String);
      isMore = candidates.length === CLAIM_PAGE;
      for (const key of candidates) {
        if (sweep.isOver) return;
        await sweep.claim(() => claim(key));
      }
    }
  }

  /** Removes a session that has expired. Undefined: it lives, or another sweep was first. */
  async function claim(key: string): Promise<ClaimedSession | undefined> {
    const reply = await commands.run("claim", names.session(key), []);
    if (reply === null) return undefined;
    const [bytes, expiresAt] = reply as [Buffer, number];
    const { value, ownership } = decode(bytes);
    if (ownership) ownerIndex.remove(key, ownership);
    return withOwner({ key, value, expiresAt }, ownership?.owner);
  }
}

/** A call of `claimExpired`. */
class Sweep {
  /** The server's time, or the caller's if that is earlier. */
  readonly now: number;
  readonly #claimed: ClaimedSession[];
  readonly #limit: number;
  readonly #endsAt = performance.now() + MAX_SWEEP_MS;
  #pending = 0;

  constructor(now: number, limit: number, claimed: ClaimedSession[]) {
    this.now = now;
    this.#limit = limit;
    this.#claimed = claimed;
  }

  get isOver(): boolean {
    return this.#claimed.length + this.#pending >= this.#limit || performance.now() > this.#endsAt;
  }

  /** Counts the claim while it is under way, so that all of them together stay within the limit. */
  async claim(run: () => Promise<ClaimedSession | undefined>): Promise<void> {
    this.#pending++;
    try {
      const session = await run();
      if (session !== undefined) this.#claimed.push(session);
    } finally {
      this.#pending--;
    }
  }
}
