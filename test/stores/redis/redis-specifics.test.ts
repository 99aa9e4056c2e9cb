// The Redis store: options, outages, commands and several servers.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { createClient } from "redis";
import type { SessionChange, SessionEntry, SessionStore } from "../../../src/store.ts";
import { createNames } from "../../../src/stores/redis/format.ts";
import { type RedisOptions, redis } from "../../../src/stores/redis/index.ts";
import { startCountingProxy } from "../../servers/counting-proxy.ts";
import { freePort, run, waitFor } from "../../servers/process.ts";
import { type RedisServer, startRedis, startRedisCluster, startSentinel } from "../../servers/redis.ts";

const MINUTE = 60_000;
const value = new Uint8Array([1, 2, 3]);
const newKey = () => randomBytes(18).toString("base64url");
const inMinutes = (minutes: number) => Date.now() + minutes * MINUTE;

/** Opens a store that is closed after the test, so that a failed test does not keep the process running. */
function open(t: TestContext, options: RedisOptions): SessionStore {
  const store = redis(options);
  t.after(() => store.close());
  return store;
}

async function listed(store: SessionStore, query: { owner?: string }): Promise<SessionEntry[]> {
  const entries: SessionEntry[] = [];
  for await (const entry of store.list!(query)) entries.push(entry);
  return entries;
}

/** `watch` with its second parameter, `onListening`. */
type Watch = (
  listener: (change: SessionChange) => void,
  onListening: (listening: boolean) => void,
) => Promise<() => Promise<void>>;

describe("redis: options", () => {
  const wrong: [string, RedisOptions, RegExp][] = [
    ["no server", {}, /"url" is undefined: give exactly one of url, host, client, cluster, sentinel and servers/],
    ["two servers", { url: "redis://a", host: "a" }, /"url and host" is given together: give exactly one/],
    ["not a URL", { url: "redis//:secret@host" }, /"url" is \(not shown\): give redis:\/\/host:port/],
    ["another protocol", { url: "https://host" }, /"url" is \(not shown\)/],
    ["a database that is no number", { url: "redis://host/zero" }, /"url"/],
    ["a database beside a URL", { url: "redis://host", database: 2 }, /"database" is 2: .*write it in the url/],
    ["a key beside a URL", { url: "redis://host", accessKey: "secret" }, /"accessKey" is given: .*write it in/],
    ["a host with a port", { host: "host:6379" }, /"host" is "host:6379"/],
    ["a port out of range", { host: "host", port: 70_000 }, /"port" is 70000/],
    ["an empty key", { host: "host", accessKey: "" }, /"accessKey" is "": give a string/],
    ["a user without a key", { host: "host", user: "web" }, /"accessKey" is undefined: give the password/],
    ["a negative database", { host: "host", database: -1 }, /"database" is -1: give a whole number/],
    ["no nodes", { cluster: { nodes: [] } }, /"cluster.nodes" is an array: give at least one/],
    [
      "a database in a Cluster",
      { cluster: { nodes: ["a:1"] }, database: 1 },
      /"database" is 1: a Cluster has only database 0/,
    ],
    ["no name of the master", { sentinel: { name: "", nodes: ["a:1"] } }, /"sentinel.name" is ""/],
    ["an unknown client", { client: { sendCommand() {} } }, /"client" is an object of type Object: give a client/],
    ["a prefix with braces", { url: "redis://host", prefix: "{app}:" }, /"prefix" is "{app}:": give a string without/],
    ["a duration", { url: "redis://host", keepExpired: "1 minute" as "1m" }, /"keepExpired" is "1 minute"/],
  ];
  for (const [name, options, message] of wrong) {
    test(`refuses ${name}`, () => {
      assert.throws(() => redis(options), { name: "OptionError", message });
      assert.throws(
        () => redis(options),
        (error: Error) => !error.message.includes("secret"),
      );
    });
  }

  test("refuses options that belong to the client, and an ioredis client with keyPrefix or enableAutoPipelining", () => {
    const client = new Redis({ lazyConnect: true });
    assert.throws(() => redis({ client, ssl: true }), {
      message: /"ssl" is true: .*in the options of your client/,
    });
    const prefixed = new Redis({ lazyConnect: true, keyPrefix: "app:" });
    assert.throws(() => redis({ client: prefixed }), { message: /keyPrefix hides sessions from list\(\)/ });
    const pipelining = new Redis({ lazyConnect: true, enableAutoPipelining: true });
    assert.throws(() => redis({ client: pipelining }), { message: /enableAutoPipelining/ });
  });

  test("accepts host, accessKey and ssl as Azure gives them", async (t) => {
    const server = await startRedis({ tls: true, password: "access+key/=" });
    const store = open(t, {
      host: "localhost",
      port: server.port,
      accessKey: "access+key/=",
      tls: { ca: server.ca! },
    });
    const key = newKey();
    await store.create(key, { value, expiresAt: inMinutes(1) });
    assert.deepEqual(new Uint8Array((await store.read(key))!.value), value);
    await server.stop();
  });

  test("without notify there is no watch, and without keepExpired no claimExpired", () => {
    assert.equal(redis({ url: "redis://host", notify: false }).watch, undefined);
    assert.equal(redis({ url: "redis://host" }).claimExpired, undefined);
    assert.equal(typeof redis({ url: "redis://host", keepExpired: "1m" }).claimExpired, "function");
  });
});

test("redis: without its package, the first call fails with the install command", async () => {
  const hideRedis = `
    import { registerHooks } from "node:module";
    registerHooks({
      resolve(name, context, next) {
        if (name === "redis") throw Object.assign(new Error("not found"), { code: "ERR_MODULE_NOT_FOUND" });
        return next(name, context);
      },
    });
    const { redis } = await import(${JSON.stringify(new URL("../../../src/stores/redis/index.ts", import.meta.url))});
    for (const options of [{ url: "redis://host" }, { cluster: { nodes: ["host:1"] } }]) {
      await redis(options).read("key").catch((error) => console.log(error.code, error.message));
    }`;
  const printed = await run(process.execPath, ["--input-type=module", "--eval", hideRedis]);
  assert.equal(printed.match(/COATCHECK_PEER .*needs the package "redis": npm install redis/g)?.length, 2, printed);
});

test("redis: its package is loaded when the store is made, and not while the first call waits", async () => {
  const recordLoading = `
    import { registerHooks } from "node:module";
    let isLoaded = false;
    registerHooks({
      load(url, context, next) {
        if (/node_modules.redis./.test(url)) isLoaded = true;
        return next(url, context);
      },
    });
    const { redis } = await import(${JSON.stringify(new URL("../../../src/stores/redis/index.ts", import.meta.url))});
    console.log("before:", isLoaded);
    redis({ url: "redis://host" });
    await new Promise((resolve) => setTimeout(resolve, 500));
    console.log("after:", isLoaded);`;
  const printed = await run(process.execPath, ["--input-type=module", "--eval", recordLoading]);
  assert.match(printed, /before: false\nafter: true/);
});

test("redis: a package that can't be loaded fails the first call, and not the process", async () => {
  const hideRedis = `
    import { registerHooks } from "node:module";
    registerHooks({
      resolve(name, context, next) {
        if (name === "redis") throw Object.assign(new Error("not found"), { code: "ERR_MODULE_NOT_FOUND" });
        return next(name, context);
      },
    });
    const { redis } = await import(${JSON.stringify(new URL("../../../src/stores/redis/index.ts", import.meta.url))});
    redis({ url: "redis://host" });
    await new Promise((resolve) => setTimeout(resolve, 200));
    console.log("alive");`;
  assert.match(await run(process.execPath, ["--input-type=module", "--eval", hideRedis]), /alive/);
});

describe("redis: a server that is down", () => {
  test("the first call fails immediately, with the server's address", async (t) => {
    const port = await freePort();
    const store = open(t, { url: `redis://user:secret@127.0.0.1:${port}` });
    for (let round = 0; round < 2; round++) {
      await assert.rejects(store.read("key"), (error: Error) => {
        assert.match(error.message, new RegExp(`no connection to Redis at 127.0.0.1:${port}: .*ECONNREFUSED`));
        return !error.message.includes("secret");
      });
    }
    await store.close();
    await assert.rejects(store.read("key"), /closed/);
  });

  test("a wrong password is a WRONGPASS error", async (t) => {
    const server = await startRedis({ password: "right" });
    const store = open(t, { url: `redis://:wrong@127.0.0.1:${server.port}` });
    await assert.rejects(store.read("key"), /WRONGPASS/);
    await server.stop();
  });

  test("a client that was handed in unconnected is an error with the call to make", async () => {
    await assert.rejects(redis({ client: createClient() }).read("key"), /await client.connect\(\)/);
  });

  test("watch reports when the subscription is lost, and when it is back", async (t) => {
    const server = await startRedis();
    const store = open(t, { url: server.url });
    const states: boolean[] = [];
    const stop = await (store.watch as Watch)(
      () => {},
      (listening) => states.push(listening),
    );
    await server.kill();
    await waitFor("the loss of the subscription", () => states.length === 1);
    await server.start();
    await waitFor("the subscription to be back", () => states.length === 2);
    assert.deepEqual(states, [false, true]);
    await stop();
    await server.stop();
  });

  test("the connections to a server that hangs are replaced", async (t) => {
    const server = await startRedis();
    const store = open(t, { url: server.url });
    await store.create(newKey(), { value, expiresAt: inMinutes(1) });
    const states: boolean[] = [];
    await (store.watch as Watch)(
      () => {},
      (listening) => states.push(listening),
    );
    server.pause();
    await assert.rejects(store.read("key"));
    await waitFor("the loss of the subscription", () => states.length === 1);
    server.resume();
    await waitFor("the subscription to be back", () => states.length === 2);
    await waitFor("the store", async () => (await store.read("key")) === undefined);
    await server.stop();
  });
});

describe("redis: commands and leftovers", () => {
  let server: RedisServer;
  before(async () => {
    server = await startRedis();
  });
  after(() => server.stop());

  const calls = async (store: SessionStore, run: (store: SessionStore) => Promise<unknown>) => {
    await server.cli("config", "resetstat");
    await run(store);
    const stats = await server.cli("info", "commandstats");
    return Object.fromEntries(
      [...stats.matchAll(/cmdstat_([^:]+):calls=(\d+)/g)]
        .filter(([, command]) => !/^(config|info|client|ping)/.test(command!))
        .map(([, command, count]) => [command, Number(count)]),
    );
  };

  test("a read is two commands in one round trip, a create one command, and an update one script", async (t) => {
    const store = open(t, { url: server.url });
    const key = newKey();
    const version = await store.create(newKey(), { value, expiresAt: inMinutes(20) });
    await store.update("none", { value, expiresAt: inMinutes(20) }, version);
    let created: string | number = "";
    assert.deepEqual(
      await calls(store, async () => {
        created = await store.create(key, { value, expiresAt: inMinutes(20) });
      }),
      { set: 1 },
    );
    assert.deepEqual(await calls(store, () => store.read(key, inMinutes(20))), { get: 1, pexpireat: 1 });
    assert.deepEqual(await calls(store, () => store.update(key, { value, expiresAt: inMinutes(20) }, created)), {
      evalsha: 1,
      getrange: 1,
      publish: 1,
      set: 1,
      pexpireat: 1,
    });
  });

  test("a session with an owner writes the index only when it would outlive its entry", async (t) => {
    const store = open(t, { url: server.url, notify: false });
    const [key, owner] = [newKey(), newKey()];
    const created = await store.create(key, { value, expiresAt: inMinutes(20), owner });
    assert.deepEqual(await calls(store, () => store.read(key, inMinutes(20))), { get: 1, pexpireat: 1 });
    const stats = await calls(store, () => store.update(key, { value, expiresAt: inMinutes(20), owner }, created));
    assert.equal(stats.evalsha, 1);
    assert.equal((await calls(store, () => store.read(key, inMinutes(60)))).zadd, 1);
    assert.deepEqual(await calls(store, () => store.read(key, inMinutes(90))), { get: 1, pexpireat: 1 });
  });

  test("the index of an owner lasts as long as each of the owner's sessions, even one that is only read", async (t) => {
    const [writer, reader] = [open(t, { url: server.url }), open(t, { url: server.url })];
    const [key, owner] = [newKey(), newKey()];
    const { session, ownerIndex } = createNames("coatcheck:");
    await writer.create(key, { value, expiresAt: inMinutes(20), owner });
    // Extended by reads of a process that never wrote it, and once by a touch.
    for (const minutes of [25, 35, 60, 70, 200, 1_000, 10_000, 100_000]) {
      const until = inMinutes(minutes);
      if (minutes === 200) await reader.touch(key, until);
      else await reader.read(key, until);
      assert.equal(Number(await server.cli("pexpiretime", session(key))), until);
      const stays = Number(await server.cli("pexpiretime", ownerIndex(owner)));
      assert.ok(stays >= until, `the index expires ${until - stays} ms before the session`);
      assert.ok(stays <= inMinutes(2 * minutes), "the index lasts at most twice as long as the session");
      assert.equal(Number(await server.cli("zscore", ownerIndex(owner), key)), stays);
    }
    assert.deepEqual(
      (await listed(writer, { owner })).map((entry) => entry.key),
      [key],
    );
  });

  test("an index drops entries of sessions that expired unnoticed", async (t) => {
    const store = open(t, { url: server.url });
    const owner = newKey();
    const index = createNames("coatcheck:").ownerIndex(owner);
    await store.create(newKey(), { value, expiresAt: inMinutes(1), owner });
    // An entry as a crashed process leaves it, from two minutes ago.
    await server.cli("zadd", index, String(Date.now() - 2 * MINUTE), "forgotten");
    await store.create(newKey(), { value, expiresAt: inMinutes(1), owner });
    assert.equal(await server.cli("zcard", index), "2");
  });

  test("no key is left after the last session", async (t) => {
    await server.cli("flushall");
    const store = open(t, { url: server.url, keepExpired: "1s" });
    const owner = newKey();
    const [ended, deleted] = [newKey(), newKey()];
    await store.create(ended, { value, expiresAt: Date.now() + 50, owner });
    await store.create(deleted, { value, expiresAt: inMinutes(1), owner });
    await store.delete(deleted);
    await sleep(100);
    const claimed = await store.claimExpired!(Date.now(), 10);
    assert.deepEqual(
      claimed.map(({ key }) => key),
      [ended],
    );
    await waitFor("the index to disappear", async () => (await server.cli("dbsize")) === "0");
  });

  test("a sweep that fails returns the sessions that it has removed", async (t) => {
    const client = new Redis(server.url);
    t.after(() => client.quit());
    let passing = Infinity;
    const breaking = {
      status: "ready",
      options: {},
      sendCommand() {},
      async callBuffer(command: string, args: string[]) {
        if (command === "EVALSHA" && passing-- <= 0) throw new Error("the server is down");
        return client.callBuffer(command, args);
      },
    };
    const store = open(t, { client: breaking, notify: false, keepExpired: "1m", prefix: "breaking:" });
    const keys = Array.from({ length: 5 }, newKey);
    for (const key of keys) await store.create(key, { value, expiresAt: Date.now() + 100 });
    await sleep(120);
    const sweep = async () => (await store.claimExpired!(Date.now(), 100)).map(({ key }) => key);
    passing = 2;
    const first = await sweep();
    assert.equal(first.length, 2);
    await assert.rejects(sweep(), /the server is down/);
    passing = Infinity;
    const second = await sweep();
    assert.deepEqual([...first, ...second].sort(), keys.sort());
  });

  test("a command that the client sends twice, after a lost reply, is applied once and succeeds", async (t) => {
    const client = new Redis(server.url);
    const twice = {
      status: "ready",
      options: {},
      sendCommand() {},
      async callBuffer(command: string, args: string[]) {
        await client.callBuffer(command, args);
        return client.callBuffer(command, args);
      },
    };
    for (const options of [{}, { keepExpired: "1m" as const }]) {
      const store = open(t, { client: twice, notify: false, ...options });
      const key = newKey();
      const first = await store.create(key, { value, expiresAt: inMinutes(1) });
      assert.notEqual(first, "exists");
      const second = await store.update(key, { value, expiresAt: inMinutes(1) }, first);
      assert.ok(second !== "conflict" && second !== "gone");
      assert.equal((await store.read(key))!.version, second);
      assert.equal(await store.update(key, { value, expiresAt: inMinutes(1) }, first), "conflict");
    }
    client.disconnect();
  });

  test("reads never move an expiry back, however the clock of the reader is wrong", async (t) => {
    for (const options of [{}, { keepExpired: "1m" as const }]) {
      const store = open(t, { url: server.url, prefix: `${newKey()}:`, ...options });
      const [key, expiresAt] = [newKey(), inMinutes(20)];
      await store.create(key, { value, expiresAt });
      for (const until of [inMinutes(10), Date.now(), inMinutes(-60), 1, expiresAt]) {
        assert.equal((await store.read(key, until))!.expiresAt, expiresAt);
        assert.equal((await store.read(key))!.expiresAt, expiresAt);
      }
      assert.equal((await store.read(key, expiresAt + 1))!.expiresAt, expiresAt + 1);
    }
  });

  test("requests that read a session in the same millisecond take one round trip each", async (t) => {
    const store = open(t, { url: server.url });
    const [key, until] = [newKey(), inMinutes(30)];
    await store.create(key, { value, expiresAt: inMinutes(20) });
    const stats = await calls(store, async () => {
      const found = await Promise.all([1, 2, 3].map(() => store.read(key, until)));
      assert.deepEqual(found.map((session) => session!.expiresAt), [until, until, until]); // biome-ignore format: one line
    });
    assert.deepEqual(stats, { get: 3, pexpireat: 3 });
  });

  test("a server without the commands of Redis 7 is asked by scripts", async (t) => {
    const client = new Redis(server.url);
    t.after(() => client.disconnect());
    const refused = new Set<string>();
    const old = {
      status: "ready",
      options: {},
      sendCommand() {},
      async callBuffer(command: string, args: string[]) {
        const refusal =
          command === "PEXPIREAT" && args.length > 2
            ? "ERR wrong number of arguments for 'pexpireat' command"
            : command === "PEXPIRETIME"
              ? "ERR unknown command `PEXPIRETIME`"
              : command === "SET" && args.includes("PXAT")
                ? "ERR syntax error"
                : undefined;
        if (refusal === undefined) return client.callBuffer(command, args);
        refused.add(command);
        throw new Error(refusal);
      },
    };
    for (const touchUntil of [inMinutes(30), undefined]) {
      const store = open(t, { client: old, notify: false });
      const [key, expiresAt] = [newKey(), inMinutes(20)];
      await store.create(key, { value, expiresAt });
      for (let i = 0; i < 2; i++) {
        const found = await store.read(key, touchUntil);
        assert.equal(found!.expiresAt, touchUntil ?? expiresAt);
        assert.equal((await store.read(key, inMinutes(5)))!.expiresAt, touchUntil ?? expiresAt);
      }
    }
    assert.deepEqual([...refused].sort(), ["PEXPIREAT", "PEXPIRETIME", "SET"]);
  });

  test("a foreign value under a session's key is an error", async (t) => {
    const store = open(t, { url: server.url });
    const key = newKey();
    await server.cli("set", createNames("coatcheck:").session(key), "something else");
    await assert.rejects(store.read(key, inMinutes(1)), /not a session of coatcheck/);
    await assert.rejects(store.update(key, { value, expiresAt: inMinutes(1) }, "any"), /not a session of coatcheck/);
    await assert.rejects(store.delete(key), /not a session of coatcheck/);
    assert.equal(await server.cli("get", createNames("coatcheck:").session(key)), "something else");
  });

  test("deletes that run concurrently share their round trips", async (t) => {
    const proxy = await startCountingProxy(server.port);
    t.after(() => proxy.close());
    const store = open(t, { url: `redis://127.0.0.1:${proxy.port}` });
    const owner = newKey();
    const keys = Array.from({ length: 64 }, newKey);
    await Promise.all(keys.map((key) => store.create(key, { value, expiresAt: inMinutes(20), owner })));
    await store.delete("none");
    proxy.take();
    assert.deepEqual(await Promise.all(keys.map((key) => store.delete(key))), keys.map(() => true)); // biome-ignore format: one line
    const trips = proxy.take();
    assert.ok(trips <= 8, `${trips} round trips`);
    assert.deepEqual(await listed(store, { owner }), []);
  });

  test("a sweep of a server whose clock is ahead ends no session that lives", async (t) => {
    const store = open(t, { url: server.url, keepExpired: "1m", prefix: `${newKey()}:` });
    const [living, ended] = [newKey(), newKey()];
    await store.create(living, { value, expiresAt: inMinutes(20) });
    await store.create(ended, { value, expiresAt: Date.now() + 50 });
    await sleep(100);
    const claimed = await store.claimExpired!(inMinutes(60), 10);
    assert.deepEqual(claimed.map(({ key }) => key), [ended]); // biome-ignore format: one line
    assert.ok(await store.read(living));
  });

  test("a sweep leaves other commands room: few of its own are under way", async (t) => {
    const client = new Redis(server.url);
    t.after(() => client.disconnect());
    let pending = 0;
    let most = 0;
    const counting = {
      status: "ready",
      options: {},
      sendCommand() {},
      async callBuffer(command: string, args: string[]) {
        if (command === "PING") return client.callBuffer(command, args);
        most = Math.max(most, ++pending);
        try {
          return await client.callBuffer(command, args);
        } finally {
          pending--;
        }
      },
    };
    const store = open(t, { client: counting, notify: false, keepExpired: "1m", prefix: `${newKey()}:` });
    const expiresAt = Date.now() + 300;
    const keys = Array.from({ length: 1_000 }, newKey);
    await Promise.all(keys.map((key) => store.create(key, { value, expiresAt })));
    await sleep(expiresAt + 50 - Date.now());
    most = 0;
    const claimed: string[] = [];
    while (claimed.length < keys.length) {
      const some = await store.claimExpired!(Date.now(), 300);
      assert.ok(some.length > 0 && some.length <= 300);
      claimed.push(...some.map(({ key }) => key));
    }
    assert.deepEqual(claimed.sort(), keys.sort());
    assert.ok(most <= 16, `${most} commands were under way`);
  });

  test("two prefixes are two stores", async (t) => {
    const [one, other] = [open(t, { url: server.url, prefix: "one:" }), open(t, { url: server.url, prefix: "one" })];
    const [key, owner] = [newKey(), newKey()];
    await one.create(key, { value, expiresAt: inMinutes(1), owner });
    assert.equal(await other.read(key), undefined);
    assert.deepEqual(await listed(other, { owner }), []);
    assert.deepEqual(await listed(other, {}), []);
  });
});

describe("redis: several servers", () => {
  test("a Cluster spreads sessions evenly over its servers", () => {
    const { session, shardedChannels } = createNames("coatcheck:");
    const slots = new Map(shardedChannels.map(({ name, slot }) => [/{..}/.exec(name)![0], slot]));
    const shares = [0, 0, 0];
    for (let i = 0; i < 30_000; i++)
      shares[Math.floor((slots.get(/{..}/.exec(session(newKey()))![0])! * 3) / 16_384)]!++;
    for (const share of shares) assert.ok(share > 9_300 && share < 10_700, `${shares}`);
  });

  test("in a Cluster without sharded channels, the first change is written all the same", async (t) => {
    const old = ["SPUBLISH", "SSUBSCRIBE"].map((name) => `rename-command ${name} ""`);
    const cluster = await startRedisCluster(2, old);
    const store = open(t, { cluster: { nodes: [cluster.urls[0]!] } });
    const key = newKey();
    const version = await store.create(key, { value, expiresAt: inMinutes(1) });
    const next = await store.update(key, { value, expiresAt: inMinutes(1) }, version);
    assert.ok(next !== "gone" && next !== "conflict");
    await cluster.stop();
  });

  test("sessions move with their slot, and watch follows", async (t) => {
    const cluster = await startRedisCluster(2);
    const store = open(t, { cluster: { nodes: [cluster.urls[0]!] } });
    const key = newKey();
    const at = createNames("coatcheck:").session(key);
    const version = await store.create(key, { value, expiresAt: inMinutes(1) });
    const changes: SessionChange[] = [];
    const states: boolean[] = [];
    await (store.watch as Watch)(
      (change) => changes.push(change),
      (listening) => states.push(listening),
    );

    const slot = await cluster.nodes[0]!.cli("cluster", "keyslot", at);
    const ids = await Promise.all(cluster.nodes.map((node) => node.cli("cluster", "myid")));
    const from = Number(slot) < 8192 ? 0 : 1;
    const [source, target] = [cluster.nodes[from]!, cluster.nodes[1 - from]!];
    await target.cli("cluster", "setslot", slot, "importing", ids[from]!);
    await source.cli("cluster", "setslot", slot, "migrating", ids[1 - from]!);
    assert.ok(await store.read(key, inMinutes(1)), "before the key moves");
    await source.cli("migrate", target.host, String(target.port), at, "0", "5000");
    assert.ok(await store.read(key, inMinutes(1)), "after the key has moved, before the slot has");
    const next = await store.update(key, { value, expiresAt: inMinutes(1) }, version);
    assert.ok(next !== "gone" && next !== "conflict");
    await target.cli("cluster", "setslot", slot, "node", ids[1 - from]!);
    await source.cli("cluster", "setslot", slot, "node", ids[1 - from]!);
    await waitFor("watch to follow", async () => states.at(-1) === true);
    assert.equal(states[0], false, "watch reports that it may have missed changes");
    const last = await store.update(key, { value, expiresAt: inMinutes(1) }, next);
    await waitFor("the change", () => changes.some((change) => change.key === key && change.version === last));
    await cluster.stop();
  });

  test("sentinels: a session survives a failover", async (t) => {
    const farm = await startSentinel();
    const store = open(t, { sentinel: { name: farm.name, nodes: farm.sentinels } });
    const key = newKey();
    const version = await store.create(key, { value, expiresAt: inMinutes(5) });
    const states: boolean[] = [];
    const changes: SessionChange[] = [];
    await (store.watch as Watch)(
      (change) => changes.push(change),
      (listening) => states.push(listening),
    );
    await farm.nodes[1]!.cli("wait", "0", "0");
    await waitFor("the replica", async () => (await farm.nodes[1]!.cli("dbsize")) === "1");
    await farm.nodes[0]!.kill();
    await assert.rejects(async () => {
      for (;;) await store.read(key);
    });
    await waitFor("the failover", async () => (await store.read(key))?.version === version);
    const next = await store.update(key, { value, expiresAt: inMinutes(5) }, version);
    assert.ok(next !== "gone" && next !== "conflict");
    await waitFor("watch to follow", () => states.at(-1) === true);
    const last = await store.update(key, { value, expiresAt: inMinutes(5) }, next);
    await waitFor("the change", () => changes.some((change) => change.version === last));
    await farm.stop();
  });
});
