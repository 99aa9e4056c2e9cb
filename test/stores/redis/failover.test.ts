// Redis after a failover: the store finds the new primary, also where the old one stays reachable.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, type TestContext, test } from "node:test";
import { StoreError } from "../../../src/errors.ts";
import { Events } from "../../../src/events.ts";
import { resilient } from "../../../src/resilience/resilient-store.ts";
import type { SessionChange, SessionStore, Version } from "../../../src/store.ts";
import { type RedisOptions, redis } from "../../../src/stores/redis/index.ts";
import { freePort, run, waitFor } from "../../servers/process.ts";
import { type RedisServer, startRedis, startRedisCluster, startSentinel } from "../../servers/redis.ts";
import { startTcpFaultProxy, type TcpFaultProxy } from "../../servers/tcp-fault-proxy.ts";

const newKey = () => randomBytes(18).toString("base64url");
const write = (text: string) => ({ value: Buffer.from(text), expiresAt: Date.now() + 1_200_000 });

/** The store as the core uses it. */
function open(t: TestContext, options: RedisOptions): SessionStore {
  const store = resilient(redis(options), { timeout: 5_000, uniqueValues: true }, new Events());
  t.after(() => store.close());
  return store;
}

/** A primary and its replica. */
async function startPair(t: TestContext, config: string[] = []): Promise<[RedisServer, RedisServer]> {
  const common = ["repl-diskless-sync-delay 0", ...config];
  const primary = await startRedis({ config: common });
  const replica = await startRedis({ config: [...common, `replicaof 127.0.0.1 ${primary.port}`] });
  t.after(() => Promise.all([primary.stop(), replica.stop()]));
  await waitFor("the replica", async () => /master_link_status:up/.test(await replica.cli("info", "replication")));
  return [primary, replica];
}

async function isReplicated([primary, replica]: [RedisServer, RedisServer]): Promise<void> {
  await waitFor("the replica", async () => (await replica.cli("dbsize")) === (await primary.cli("dbsize")));
}

/** Swaps the roles. Connections stay open. */
async function swapRoles([primary, replica]: [RedisServer, RedisServer]): Promise<void> {
  await isReplicated([primary, replica]);
  await replica.cli("replicaof", "no", "one");
  await primary.cli("replicaof", "127.0.0.1", String(replica.port));
}

/** Updates until it succeeds. No refusal may say that the write may have been applied. */
async function updateWhenPossible(store: SessionStore, key: string, version: Version): Promise<Version> {
  let written: Version | undefined;
  await waitFor("a write", async () => {
    try {
      const answer = await store.update(key, write("after"), version);
      assert.ok(answer !== "gone" && answer !== "conflict");
      written = answer;
      return true;
    } catch (error) {
      assert.ok(error instanceof StoreError);
      if (/READONLY/.test(error.message)) assert.doesNotMatch(error.message, /may still have been applied/);
      return false;
    }
  });
  return written!;
}

async function text(store: SessionStore, key: string): Promise<string> {
  return Buffer.from((await store.read(key))!.value).toString();
}

describe("redis: a failover behind one address", () => {
  async function environment(
    t: TestContext,
    config: string[] = [],
  ): Promise<{
    pair: [RedisServer, RedisServer];
    proxy: TcpFaultProxy;
    store: SessionStore;
  }> {
    const pair = await startPair(t, config);
    const proxy = await startTcpFaultProxy(pair[0].port);
    t.after(() => proxy.close());
    return { pair, proxy, store: open(t, { url: `redis://127.0.0.1:${proxy.port}` }) };
  }

  test("the old primary is read-only and the connection to it stays open: the store connects again", async (t) => {
    const { pair, proxy, store } = await environment(t);
    const key = newKey();
    const version = (await store.create(key, write("before"))) as Version;
    await swapRoles(pair);
    proxy.target = pair[1].port;
    await updateWhenPossible(store, key, version);
    assert.equal(await text(store, key), "after");
    assert.ok((await pair[1].cli("info", "clients")).includes("connected_clients:2"), "the store and redis-cli");
  });

  test("requests that only read learn of it, too", async (t) => {
    const { pair, proxy, store } = await environment(t);
    const key = newKey();
    await store.create(key, write("before"));
    await swapRoles(pair);
    proxy.target = pair[1].port;
    const until = Date.now() + 3_600_000;
    await waitFor("a read that extends the session", async () => (await store.read(key, until))?.expiresAt === until);
  });

  test("the old primary answers nothing (MASTERDOWN): the store connects again", async (t) => {
    const { pair, proxy, store } = await environment(t, ["replica-serve-stale-data no"]);
    const key = newKey();
    await store.create(key, write("before"));
    await isReplicated(pair);
    await pair[1].cli("replicaof", "no", "one");
    await pair[0].cli("replicaof", "127.0.0.1", String(await freePort()));
    proxy.target = pair[1].port;
    await waitFor("a read", async () => (await text(store, key)) === "before");
  });
});

describe("redis: several servers that are not said to be a Cluster", () => {
  const addressOf = ({ port }: RedisServer) => `127.0.0.1:${port}`;

  test("a primary and its replica: the primary is used, in whatever order they are named", async (t) => {
    const [primary, replica] = await startPair(t);
    for (const servers of [
      [primary, replica],
      [replica, primary],
    ]) {
      const store = open(t, { servers: servers.map(addressOf) });
      const key = newKey();
      const version = (await store.create(key, { ...write("one"), owner: "ann" })) as Version;
      await store.update(key, { ...write("two"), owner: "ann" }, version);
      assert.equal(await text(store, key), "two");
      const listed: string[] = [];
      for await (const entry of store.list!({ owner: "ann" })) listed.push(entry.key);
      assert.deepEqual(listed, [key]);
      await store.delete(key);
    }
  });

  test("the primary is killed and the replica promoted: the store follows, and so does watch", async (t) => {
    const [primary, replica] = await startPair(t);
    const store = open(t, { servers: [primary, replica].map(addressOf) });
    const changes: SessionChange[] = [];
    await store.watch!((change) => changes.push(change));
    const key = newKey();
    const version = (await store.create(key, write("before"))) as Version;
    await isReplicated([primary, replica]);
    await primary.kill();
    await replica.cli("replicaof", "no", "one");
    let last = await updateWhenPossible(store, key, version);
    await waitFor("watch to follow", async () => {
      last = (await store.update(key, write("again"), last)) as Version;
      return changes.some((change) => change.key === key);
    });
  });

  test("the roles are swapped and both servers stay reachable: the store follows", async (t) => {
    const pair = await startPair(t);
    const store = open(t, { servers: pair.map(addressOf) });
    const key = newKey();
    let version = (await store.create(key, write("before"))) as Version;
    for (const roles of [pair, [pair[1], pair[0]] as [RedisServer, RedisServer], pair]) {
      await swapRoles(roles);
      version = await updateWhenPossible(store, key, version);
      await waitFor("the replica", async () => /master_link_status:up/.test(await roles[0].cli("info", "replication")));
    }
  });

  test("two primaries would divide the sessions: nothing is stored until one is left", async (t) => {
    const [first, second] = await Promise.all([startRedis(), startRedis()]);
    t.after(() => Promise.all([first.stop(), second.stop()]));
    const store = open(t, { servers: [first, second].map(addressOf) });
    const key = newKey();
    await assert.rejects(store.create(key, write("one")), (error) => {
      assert.ok(error instanceof StoreError);
      assert.match(error.message, /are primaries of their own, and sessions would be divided between them/);
      assert.equal(error.applied, false);
      return true;
    });
    await second.cli("replicaof", "127.0.0.1", String(first.port));
    await waitFor("the store", () => store.create(key, write("one")).then(Boolean));
    assert.equal(await first.cli("dbsize"), "1");
  });

  test("only replicas: the error says so", async (t) => {
    const [, replica] = await startPair(t);
    const store = open(t, { servers: [addressOf(replica), `127.0.0.1:${await freePort()}`] });
    await assert.rejects(
      store.read(newKey()),
      /none of the servers that answer is the primary: 127\.0\.0\.1:\d+ .*replica/,
    );
  });

  test("one server under two addresses is one", async (t) => {
    const server = await startRedis();
    const proxy = await startTcpFaultProxy(server.port);
    t.after(async () => {
      await proxy.close();
      await server.stop();
    });
    const store = open(t, { servers: [addressOf(server), `127.0.0.1:${proxy.port}`] });
    assert.equal(await store.read(newKey()), undefined);
  });

  test("a Cluster is used as one", async (t) => {
    const cluster = await startRedisCluster(3);
    t.after(() => cluster.stop());
    const store = open(t, { servers: cluster.nodes.map(addressOf) });
    const changes: SessionChange[] = [];
    await store.watch!((change) => changes.push(change));
    const keys = Array.from({ length: 60 }, newKey);
    const versions = await Promise.all(keys.map((key) => store.create(key, write(key))));
    for (const node of cluster.nodes) assert.notEqual(await node.cli("dbsize"), "0");
    await Promise.all(keys.map((key, i) => store.update(key, write("changed"), versions[i]!)));
    await waitFor("the changes", () => new Set(changes.map(({ key }) => key)).size === keys.length);
    const sharded = await Promise.all(cluster.nodes.map((node) => node.cli("info", "commandstats")));
    assert.ok(
      sharded.every((stats) => /cmdstat_spublish/.test(stats)),
      "changes are published on shards",
    );
  });

  test("a user without the permission to ask for INFO finds out all the same", async (t) => {
    const [primary, replica] = await startPair(t);
    for (const server of [primary, replica]) {
      const rules = ["resetkeys", "~coatcheck:*", "resetchannels", "&coatcheck:*", "-@all", "+@read", "+@write"];
      await server.cli(
        "acl",
        "setuser",
        "web",
        "on",
        ">sekret",
        ...rules,
        "+@pubsub",
        "+@connection",
        "+@scripting",
        "+time",
      );
    }
    const store = open(t, { servers: [replica, primary].map(addressOf), user: "web", accessKey: "sekret" });
    assert.notEqual(await store.create(newKey(), write("one")), "exists");
  });
});

describe("redis: failovers of Sentinel and Cluster", () => {
  test("sentinels: the old master stays reachable", async (t) => {
    const farm = await startSentinel();
    t.after(() => farm.stop());
    const store = open(t, { sentinel: { name: farm.name, nodes: farm.sentinels } });
    const key = newKey();
    const version = (await store.create(key, write("before"))) as Version;
    await isReplicated([farm.nodes[0]!, farm.nodes[1]!]);
    const [host, port] = farm.sentinels[0]!.split(":") as [string, string];
    await run("redis-cli", ["-h", host, "-p", port, "sentinel", "failover", farm.name]);
    await waitFor("the failover", async () => (await farm.masterPort()) === farm.nodes[1]!.port);
    await updateWhenPossible(store, key, version);
    assert.equal(await text(store, key), "after");
  });

  test("a Cluster that was down is used again", async (t) => {
    const cluster = await startRedisCluster(2, ["cluster-require-full-coverage yes"]);
    t.after(() => cluster.stop());
    const store = open(t, { cluster: { nodes: cluster.urls } });
    const key = newKey();
    const version = (await store.create(key, write("before"))) as Version;
    await cluster.nodes[1]!.cli("cluster", "delslotsrange", "8192", "16383");
    await cluster.nodes[0]!.cli("cluster", "delslotsrange", "0", "8191");
    await assert.rejects(store.update(key, write("refused"), version), (error) => {
      assert.ok(error instanceof StoreError);
      assert.doesNotMatch(error.message, /may still have been applied/);
      return true;
    });
    await cluster.nodes[1]!.cli("cluster", "addslotsrange", "8192", "16383");
    await cluster.nodes[0]!.cli("cluster", "addslotsrange", "0", "8191");
    await waitFor("the Cluster", async () => (await store.read(key)) !== undefined);
    assert.equal(await text(store, key), "before");
    await updateWhenPossible(store, key, version);
  });
});
