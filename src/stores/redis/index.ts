import { handedOver } from "../../claims.ts";
import type { ClaimedSession, SessionChange, SessionStore, SessionWrite } from "../../store.ts";
import { adapt } from "./clients.ts";
import { commands } from "./commands.ts";
import { connect } from "./connect.ts";
import { decode, decodeOwnership, encode, names, newVersion, type Ownership } from "./layout.ts";
import { type RedisOptions, settings } from "./options.ts";
import { owners } from "./owners.ts";
import { watch } from "./watch.ts";

export type { RedisClientLike, RedisOptions, RedisTlsOptions } from "./options.ts";

/** How many keys a SCAN looks at in one step. */
const SCAN_COUNT = "500";

/** How many expiry indexes are asked at once. */
const INDEXES_AT_ONCE = 32;

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
  const command = commands(link, name, { prefix, keep, notify });
  const owned = owners(link, name);
  const watching = notify ? watch(link, name, command) : undefined;

  const store: SessionStore = {
    async read(key, touchUntil) {
      const found = await command.get(name.session(key), touchUntil);
      if (found === null) return undefined;
      const { expiresAt } = found;
      const { value, version, ownership } = decode(found.bytes);
      if (ownership === undefined) return { value, expiresAt, version };
      await owned.keep(key, version, ownership, expiresAt);
      return { value, expiresAt, version, owner: ownership.owner };
    },

    async create(key, session) {
      const version = newVersion();
      const ownership = session.owner === undefined ? undefined : await own(key, session.owner, session);
      const bytes = encode(version, session.value, ownership);
      // It is there with this version, too, if the client has sent it before and lost the answer.
      if ((await command.put(name.session(key), bytes, session.expiresAt, version)) !== version) return "exists";
      if (ownership) owned.note(key, version, ownership);
      return version;
    },

    async update(key, session, ifVersion) {
      const version = newVersion();
      const known = owned.known(key, ifVersion);
      const ownership = session.owner === undefined ? undefined : await own(key, session.owner, session, known);
      const bytes = encode(version, session.value, ownership);
      const argv = [String(ifVersion), bytes, String(session.expiresAt), known ? "" : "1"];
      const reply = await command.run("update", name.session(key), argv);
      if (reply === 0) return "gone";
      if (reply === 1) return "conflict";
      const former = known ?? (reply === 2 ? undefined : decodeOwnership(reply as Buffer));
      if (former && former.owner !== session.owner) owned.remove(key, former);
      if (former || ownership) owned.note(key, version, ownership);
      return version;
    },

    async delete(key, ifVersion) {
      const reply = await command.run("delete", name.session(key), [ifVersion === undefined ? "" : String(ifVersion)]);
      if (reply === 0) return false;
      if (reply !== 1) owned.remove(key, decodeOwnership(reply as Buffer));
      return true;
    },

    async touch(key, expiresAt) {
      const reply = await command.run("touch", name.session(key), [String(expiresAt)]);
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
      for await (const page of owner === undefined ? allSessions() : sessionsOf(owner)) {
        const entries = await Promise.all(page.map((at) => command.run("entry", at, [])));
        for (const [i, entry] of entries.entries()) {
          if (entry === null) continue;
          const [expiresAt, header] = entry as [number, Buffer?];
          const key = name.keyOf(page[i]!);
          const found = header && decodeOwnership(header).owner;
          if (owner !== undefined && owner !== found) continue;
          yield found === undefined ? { key, expiresAt } : { key, expiresAt, owner: found };
        }
      }
    },
  };

  if (keep > 0) {
    store.claimExpired = (now, limit) =>
      handedOver(async (claimed) => {
        // Each sweeper begins elsewhere, so that they do not queue for the same sessions.
        const start = Math.floor(Math.random() * name.due.length);
        const indexes = [...name.due.slice(start), ...name.due.slice(0, start)];
        while (indexes.length > 0 && claimed.length < limit) {
          await claimFrom(indexes.splice(0, INDEXES_AT_ONCE), now, limit, claimed);
        }
      });
  }

  if (watching) {
    store.watch = (listener: (change: SessionChange) => void, onListening?: (listening: boolean) => void) =>
      watching.add(listener, onListening);
  }

  return store;

  /** Puts the session on its owner's index, unless it is known to be there for long enough. */
  async function own(key: string, owner: string, { expiresAt }: SessionWrite, known?: Ownership): Promise<Ownership> {
    if (known?.owner === owner && known.until >= expiresAt) return known;
    return { owner, until: await owned.add(owner, key, expiresAt) };
  }

  /** Keys in Redis of all sessions, in pages. */
  async function* allSessions(): AsyncGenerator<string[]> {
    // SCAN gives a key twice at times, if Redis resizes its table meanwhile. Bounded, as there may be millions.
    const seen = new Set<string>();
    for (const send of await link.nodes()) {
      let cursor = "0";
      do {
        const reply = await send(["SCAN", cursor, "MATCH", name.sessions, "COUNT", SCAN_COUNT]);
        const [next, keys] = reply as [Buffer, Buffer[]];
        cursor = String(next);
        if (seen.size > 100_000) seen.clear();
        yield keys.map(String).filter((at) => !seen.has(at) && seen.add(at));
      } while (cursor !== "0");
    }
  }

  /** Keys in Redis of all sessions that are on an owner's index, in pages. */
  async function* sessionsOf(owner: string): AsyncGenerator<string[]> {
    const index = name.owner(owner);
    const seen = new Set<string>();
    let cursor = "0";
    do {
      const reply = await link.send(index, ["ZSCAN", index, cursor, "COUNT", SCAN_COUNT]);
      const [next, pairs] = reply as [Buffer, Buffer[]];
      cursor = String(next);
      const keys = pairs.filter((_, i) => i % 2 === 0).map(String);
      yield keys.filter((key) => !seen.has(key) && seen.add(key)).map(name.session);
    } while (cursor !== "0");
  }

  /** Adds to `claimed` until it has `limit`, or nothing is left. Each round takes its candidates off, or files them later. */
  async function claimFrom(indexes: string[], now: number, limit: number, claimed: ClaimedSession[]): Promise<void> {
    for (;;) {
      const room = String(limit - claimed.length);
      const found = await Promise.all(
        indexes.map((due) => link.send(due, ["ZRANGEBYSCORE", due, "-inf", String(now), "LIMIT", "0", room])),
      );
      const candidates = (found as Buffer[][]).flat().slice(0, Number(room)).map(String);
      if (candidates.length === 0) return;
      const answers = await Promise.allSettled(
        candidates.map(async (key) => {
          const reply = await command.run("claim", name.session(key), [], now);
          if (reply === null) return;
          const [bytes, expiresAt] = reply as [Buffer, number];
          const { value, ownership } = decode(bytes);
          if (ownership) owned.remove(key, ownership);
          claimed.push(ownership ? { key, value, expiresAt, owner: ownership.owner } : { key, value, expiresAt });
        }),
      );
      for (const answer of answers) if (answer.status === "rejected") throw answer.reason;
    }
  }
}
