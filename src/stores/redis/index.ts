import type { ClaimedSession, SessionChange, SessionStore, SessionWrite } from "../../store.ts";
import { adapt } from "./clients.ts";
import { connect } from "./connect.ts";
import { decode, decodeOwnership, encode, names, newVersion, type Ownership } from "./layout.ts";
import { type Arg, type Reply, run } from "./link.ts";
import { type RedisOptions, settings } from "./options.ts";
import { owners } from "./owners.ts";
import { scripts } from "./scripts.ts";
import { watch } from "./watch.ts";

export type { RedisClientLike, RedisOptions, RedisTlsOptions } from "./options.ts";

/** How many keys a SCAN looks at in one step. */
const SCAN_COUNT = "500";

/** How many buckets' expiry indexes are asked at once. */
const BUCKETS_AT_ONCE = 32;

/**
 * Keeps sessions in Redis 6.0 or later, Valkey, Azure Cache for Redis or Azure Managed Redis: one server, or several
 * under Sentinel or as a Cluster. Needs the package `redis` (node-redis), unless a client is handed in.
 *
 * @throws OptionError if an option is wrong. A server that can't be reached shows at the first call.
 */
export function redis(options: RedisOptions): SessionStore {
  const { target, prefix, keep, notify } = settings(options);
  const link = "client" in target ? adapt(target.client) : connect(target);
  const name = names(prefix);
  const owned = owners(link, name);

  // Announcements go to the one shard of a Cluster that the session is in; before Redis 7.0, to all of it.
  let sharded = link.cluster;
  let script = prepare();
  // GETEX and SET with PXAT came with Redis 6.2; a script does the same before.
  let hasGetex = true;

  function prepare() {
    return scripts({ prefix, keep, announce: notify ? (sharded ? "SPUBLISH" : "PUBLISH") : undefined });
  }

  function dropSharding(): boolean {
    if (!sharded) return false;
    sharded = false;
    script = prepare();
    return true;
  }

  /** Runs a script on the session at `at`. */
  async function runAt(which: keyof typeof script, at: string, argv: Arg[], now?: number): Promise<Reply> {
    const keys = keep ? [at, name.dueOf(at)] : [at];
    if (keep) argv.push(String(now ?? Date.now()));
    try {
      return await run(link, script[which], keys, argv);
    } catch (error) {
      if (!/unknown redis command/i.test(String(error)) || !dropSharding()) throw error;
      return run(link, script[which], keys, argv);
    }
  }

  /** The session's bytes and its expiry, which is moved to `touchUntil` if that is given. */
  async function fetch(
    at: string,
    touchUntil: number | undefined,
  ): Promise<{ bytes: Buffer; expiresAt: number } | undefined> {
    if (touchUntil !== undefined && hasGetex && !keep) {
      try {
        const bytes = await link.send(at, ["GETEX", at, "PXAT", String(touchUntil)]);
        return bytes === null ? undefined : { bytes: bytes as Buffer, expiresAt: touchUntil };
      } catch (error) {
        if (!/unknown command/i.test(String(error))) throw error;
        hasGetex = false;
      }
    }
    const reply = await runAt("read", at, [touchUntil === undefined ? "" : String(touchUntil)]);
    if (reply === null) return undefined;
    const [bytes, expiresAt] = reply as [Buffer, number];
    return { bytes, expiresAt: touchUntil ?? expiresAt };
  }

  /** Writes the bytes where nothing is. Gives the version that is there then. */
  async function put(at: string, bytes: Buffer, expiresAt: number, version: string): Promise<string> {
    if (hasGetex && !keep && !notify) {
      try {
        if ((await link.send(at, ["SET", at, bytes, "PXAT", String(expiresAt), "NX"])) !== null) return version;
        return String(await link.send(at, ["GETRANGE", at, "1", "9"]));
      } catch (error) {
        if (!/syntax error/i.test(String(error))) throw error;
        hasGetex = false;
      }
    }
    return String(await runAt("create", at, [bytes, String(expiresAt)])) || version;
  }

  async function ownership(
    { owner, expiresAt }: SessionWrite,
    key: string,
    known?: Ownership,
  ): Promise<Ownership | undefined> {
    if (owner === undefined) return undefined;
    if (known?.owner === owner && known.until >= expiresAt) return known;
    return { owner, until: await owned.add(owner, key, expiresAt) };
  }

  const store: SessionStore = {
    async read(key, touchUntil) {
      const found = await fetch(name.session(key), touchUntil);
      if (found === undefined) return undefined;
      const { expiresAt } = found;
      const { value, version, ownership } = decode(found.bytes);
      if (ownership === undefined) return { value, expiresAt, version };
      await owned.keep(key, version, ownership, expiresAt);
      return { value, expiresAt, version, owner: ownership.owner };
    },

    async create(key, session) {
      const version = newVersion();
      const ownedBy = await ownership(session, key);
      const bytes = encode(version, session.value, ownedBy);
      // Also its own version if the client has sent it before and lost the answer.
      if ((await put(name.session(key), bytes, session.expiresAt, version)) !== version) return "exists";
      if (ownedBy) owned.note(key, version, ownedBy);
      return version;
    },

    async update(key, session, ifVersion) {
      const version = newVersion();
      const known = owned.known(key, String(ifVersion));
      const ownedBy = await ownership(session, key, known);
      const bytes = encode(version, session.value, ownedBy);
      const argv = [String(ifVersion), bytes, String(session.expiresAt), known ? "" : "1"];
      const reply = await runAt("update", name.session(key), argv);
      if (reply === 0) return "gone";
      if (reply === 1) return "conflict";
      const former = known ?? (reply === 2 ? undefined : decodeOwnership(reply as Buffer));
      if (former && former.owner !== session.owner) owned.remove(key, former);
      if (former || ownedBy) owned.note(key, version, ownedBy);
      return version;
    },

    async delete(key, ifVersion) {
      const reply = await runAt("delete", name.session(key), [ifVersion === undefined ? "" : String(ifVersion)]);
      if (reply === 0) return false;
      if (reply !== 1) owned.remove(key, decodeOwnership(reply as Buffer));
      return true;
    },

    async touch(key, expiresAt) {
      const reply = await runAt("touch", name.session(key), [String(expiresAt)]);
      if (reply === 0) return false;
      if (reply !== 1) {
        const header = reply as Buffer;
        await owned.keep(key, header.toString("latin1", 0, 9), decodeOwnership(header.subarray(9)), expiresAt);
      }
      return true;
    },

    async close() {
      await watching?.close();
      await link.close();
    },

    async *list({ owner }) {
      for await (const page of owner === undefined ? allKeys() : ownedKeys(owner)) {
        const entries = await Promise.all(page.map((at) => runAt("entry", at, [])));
        for (const [i, entry] of entries.entries()) {
          if (entry === null) continue;
          const [expiresAt, header] = entry as [number, Buffer?];
          const of = header ? decodeOwnership(header).owner : undefined;
          if (owner !== undefined && of !== owner) continue;
          const key = name.keyOf(page[i]!);
          yield of === undefined ? { key, expiresAt } : { key, expiresAt, owner: of };
        }
      }
    },
  };

  /** Keys in Redis of all sessions, in pages. */
  async function* allKeys(): AsyncGenerator<string[]> {
    // A SCAN gives some keys twice when Redis resizes its table meanwhile. Bounded, as there may be millions.
    const seen = new Set<string>();
    for (const send of await link.nodes()) {
      let cursor = "0";
      do {
        const reply = await send(["SCAN", cursor, "MATCH", name.sessions, "COUNT", SCAN_COUNT]);
        const [next, keys] = reply as [Buffer, Buffer[]];
        cursor = String(next);
        if (seen.size > 100_000) seen.clear();
        yield keys.map(String).filter((key) => !seen.has(key) && seen.add(key));
      } while (cursor !== "0");
    }
  }

  /** Keys in Redis of what an owner's index names, in pages. */
  async function* ownedKeys(owner: string): AsyncGenerator<string[]> {
    const seen = new Set<string>();
    const index = name.owner(owner);
    let cursor = "0";
    do {
      const [next, pairs] = (await link.send(index, ["ZSCAN", index, cursor, "COUNT", SCAN_COUNT])) as [
        Buffer,
        Buffer[],
      ];
      cursor = String(next);
      const keys = pairs.filter((_, i) => i % 2 === 0).map(String);
      yield keys.filter((key) => !seen.has(key) && seen.add(key)).map(name.session);
    } while (cursor !== "0");
  }

  if (keep) {
    store.claimExpired = async (now, limit) => {
      const claimed: ClaimedSession[] = [];
      const start = Math.floor(Math.random() * name.due.length);
      const buckets = [...name.due.slice(start), ...name.due.slice(0, start)];
      for (let i = 0; i < buckets.length; i += BUCKETS_AT_ONCE) {
        await claimFrom(buckets.slice(i, i + BUCKETS_AT_ONCE), now, limit, claimed);
        if (claimed.length >= limit) break;
      }
      return claimed;
    };
  }

  /** Adds to `claimed` until it has `limit` or nothing is left. Each round takes its candidates off, or files them later. */
  async function claimFrom(buckets: string[], now: number, limit: number, claimed: ClaimedSession[]): Promise<void> {
    for (;;) {
      const room = limit - claimed.length;
      const found = await Promise.all(
        buckets.map(async (due) => {
          const keys = await link.send(due, ["ZRANGEBYSCORE", due, "-inf", String(now), "LIMIT", "0", String(room)]);
          return (keys as Buffer[]).map(String);
        }),
      );
      const candidates = found.flat().slice(0, room);
      if (candidates.length === 0) return;
      await Promise.all(
        candidates.map(async (key) => {
          const reply = await runAt("claim", name.session(key), [], now);
          if (reply === null) return;
          const [bytes, expiresAt] = reply as [Buffer, number];
          const { value, ownership } = decode(bytes);
          if (ownership) owned.remove(key, ownership);
          claimed.push(ownership ? { key, value, expiresAt, owner: ownership.owner } : { key, value, expiresAt });
        }),
      );
    }
  }

  const watching = notify ? watch(link, name, () => (sharded ? name.channels : name.channel), dropSharding) : undefined;
  if (watching) {
    store.watch = (listener: (change: SessionChange) => void, onListening?: (listening: boolean) => void) =>
      watching.add(listener, onListening);
  }
  return store;
}
