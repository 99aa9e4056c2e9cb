// A Redis that refuses commands: reads go on, a refused write was not applied, and no session is lost.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { StoreError } from "../../../src/errors.ts";
import { Events } from "../../../src/events.ts";
import { resilient } from "../../../src/resilience/resilient-store.ts";
import type { SessionStore } from "../../../src/store.ts";
import { type RedisOptions, redis } from "../../../src/stores/redis/index.ts";
import { waitFor } from "../../servers/process.ts";
import { type RedisServer, startRedis } from "../../servers/redis.ts";

const newKey = () => randomBytes(18).toString("base64url");
const inMinutes = (minutes: number) => Date.now() + minutes * 60_000;
const write = (text: string, minutes = 20) => ({ value: Buffer.from(text), expiresAt: inMinutes(minutes) });

/** How a server comes to refuse writes, and serves them again. */
interface Refusal {
  name: string;
  code: RegExp;
  /** What the server has may be old, so it is not read. */
  refusesReads?: true;
  begin(server: RedisServer, other: RedisServer): Promise<unknown>;
  end(server: RedisServer): Promise<unknown>;
}

const refusals: Refusal[] = [
  {
    name: "a replica",
    code: /READONLY/,
    refusesReads: true,
    async begin(server, other) {
      await other.cli("replicaof", "127.0.0.1", String(server.port));
      await waitFor("the replica", async () => /master_link_status:up/.test(await other.cli("info", "replication")));
      // Both have the sessions. Now the roles change.
      await other.cli("replicaof", "no", "one");
      await server.cli("replicaof", "127.0.0.1", String(other.port));
    },
    end: (server) => server.cli("replicaof", "no", "one"),
  },
  {
    name: "too few replicas (min-replicas-to-write)",
    code: /NOREPLICAS/,
    begin: (server) => server.cli("config", "set", "min-replicas-to-write", "1"),
    end: (server) => server.cli("config", "set", "min-replicas-to-write", "0"),
  },
  {
    name: "a full memory",
    code: /OOM/,
    begin: (server) => server.cli("config", "set", "maxmemory", "1"),
    end: (server) => server.cli("config", "set", "maxmemory", "0"),
  },
  {
    name: "a snapshot that can't be written (MISCONF)",
    code: /MISCONF/,
    async begin(server) {
      const dir = (await server.cli("config", "get", "dir")).split("\n")[1]!;
      mkdirSync(join(dir, "a-folder"), { recursive: true });
      await server.cli("config", "set", "dbfilename", "a-folder");
      await server.cli("config", "set", "save", "3600 1000000");
      await server.cli("bgsave");
      await waitFor("the failure", async () =>
        /rdb_last_bgsave_status:err/.test(await server.cli("info", "persistence")),
      );
    },
    end: (server) => server.cli("config", "set", "save", ""),
  },
  {
    name: "a user who may neither write nor run scripts",
    code: /NOPERM/,
    begin: (server) => server.cli("acl", "setuser", "default", "-@write", "-@scripting"),
    end: (server) => server.cli("acl", "setuser", "default", "+@all"),
  },
];

const clients: Record<string, (url: string) => Promise<{ options: RedisOptions; close(): unknown }>> = {
  "its own client": async (url) => ({ options: { url }, close: () => {} }),
  "its own client, with keepExpired": async (url) => ({ options: { url, keepExpired: "1m" }, close: () => {} }),
  "a client of node-redis that was handed in": async (url) => {
    const client = createClient({ url, disableOfflineQueue: true });
    client.on("error", () => {});
    await client.connect();
    return { options: { client }, close: () => client.destroy() };
  },
  "a client of ioredis that was handed in": async (url) => {
    const client = new Redis(url, { maxRetriesPerRequest: 1 });
    client.on("error", () => {});
    return { options: { client }, close: () => client.disconnect() };
  },
};

for (const { name, code, refusesReads = false, begin, end } of refusals) {
  describe(`redis refuses writes: ${name}`, () => {
    let server: RedisServer;
    let other: RedisServer;
    before(async () => {
      const config = ["repl-diskless-sync-delay 0", "enable-protected-configs yes"];
      [server, other] = await Promise.all([startRedis({ config }), startRedis({ config })]);
    });
    after(() => Promise.all([server.stop(), other.stop()]));

    for (const [client, open] of Object.entries(clients)) {
      // With `keepExpired` a read is a script.
      if (name.includes("scripts") && client.includes("keepExpired")) continue;
      test(client, async (t) => {
        const { options, close } = await open(server.url);
        const inner = redis({ ...options, prefix: `${newKey()}:` });
        const store = resilient(inner, { timeout: 5_000, uniqueValues: true }, new Events());
        t.after(async () => {
          await store.close();
          await close();
        });
        const key = newKey();
        const first = write("before");
        const version = await store.create(key, first);
        await store.update("none", first, version);

        await begin(server, other);
        t.after(() => end(server));
        if (refusesReads) {
          for (const id of [key, newKey()]) await assert.rejects(inner.read(id, inMinutes(60)), code);
        } else {
          const found = await store.read(key, inMinutes(60));
          assert.equal(Buffer.from(found!.value).toString(), "before");
          // A full memory does not stop an expiry from being moved.
          if (found!.expiresAt === first.expiresAt) assert.equal((await store.read(key))!.expiresAt, first.expiresAt);
          assert.equal((await inner.read(key))!.version, version);
          assert.equal(await store.read(newKey(), inMinutes(60)), undefined);
        }
        for (const call of writes(store, key, version)) {
          await assert.rejects(call, (error) => {
            assert.ok(error instanceof StoreError);
            assert.match(error.message, code);
            assert.doesNotMatch(error.message, /may still have been applied/);
            return true;
          });
        }

        await end(server);
        // A server that is not read from counts as down, and the circuit breaker closes a moment after its return.
        if (refusesReads) await waitFor("the store", async () => (await store.read(key)) !== undefined);
        const next = await store.update(key, write("after"), version);
        assert.ok(next !== "gone" && next !== "conflict");
        assert.equal(Buffer.from((await store.read(key))!.value).toString(), "after");
      });
    }
  });
}

function* writes(store: SessionStore, key: string, version: string | number): Iterable<Promise<unknown>> {
  yield store.create(newKey(), write("new"));
  yield store.create(newKey(), { ...write("new"), owner: "ann" });
  yield store.update(key, write("changed"), version);
}
