// migrating: moves between stores, copy(), and its conformance.

import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { type CopyProgress, type MigratingStore, migrating, partitioned } from "../../../src/compose/index.ts";
import { conformance } from "../../../src/conformance/index.ts";
import { CapabilityError } from "../../../src/errors.ts";
import { createSessions } from "../../../src/index.ts";
import type { SessionStore } from "../../../src/store.ts";
import { file } from "../../../src/stores/file/index.ts";
import { memory } from "../../../src/stores/memory/index.ts";
import { tempDir } from "../../servers/process.ts";
import { startRedis } from "../../servers/redis.ts";
import { Browser } from "../../support/browser.ts";
import { SECRET, watched } from "../../support/stores.ts";
import { moduleOf, type Spec, storeOf } from "../spec.ts";

const redis = await startRedis();
after(() => redis.stop());
const folder = tempDir("migrating");
const expiresAt = Date.now() + 3_600_000;

describe("migrating: conformance", { concurrency: 3 }, () => {
  const file = (name: string): Spec => ({ file: join(folder, name) });
  const parts = (...names: string[]): Spec => ({
    partitioned: names.map((name) => ({ name, store: file(`part-${name}`) })),
  });
  const specs: Record<string, Spec> = {
    "from a directory to Redis, moving": {
      migrating: { from: file("moving"), to: { redis: redis.url, keepExpired: "1m" } },
    },
    "from a directory to another, preparing": {
      migrating: { from: file("before"), to: file("after"), phase: "prepare" },
    },
    "from two partitions to three": { migrating: { from: parts("a", "b"), to: parts("a", "b", "c") } },
  };
  for (const [name, spec] of Object.entries(specs)) {
    describe(name, { concurrency: 1 }, () => {
      const promised = { list: true, claimExpired: true, watch: true, processes: moduleOf(spec) };
      for (const { name, run } of conformance(() => storeOf(spec), promised)) test(name, run);
    });
  }
});

describe("migrating: a session in the old store", () => {
  test("moves when it is read, with value, owner and expiry", async () => {
    const { from, to, store } = pairOf("move");
    const session = { value: bytes("coat"), expiresAt, owner: "ann" };
    await from.create("k", session);
    const found = await store.read("k");
    assert.deepEqual(
      { ...found, version: undefined, value: text(found!.value) },
      { ...session, value: "coat", version: undefined },
    );
    assert.equal(await from.read("k"), undefined);
    assert.equal((await to.read("k"))!.owner, "ann");
    assert.equal(await keysOf(store, "ann"), "k");
  });

  test("stays during the phase prepare, and is found in either store", async () => {
    const { from, to, store } = pairOf("prepare");
    await from.create("old", { value: bytes("coat"), expiresAt });
    await to.create("new", { value: bytes("hat"), expiresAt });
    for (const key of ["old", "new"]) {
      const { version } = (await store.read(key))!;
      const next = await store.update(key, { value: bytes("scarf"), expiresAt }, version);
      assert.equal((await store.read(key))!.version, next);
    }
    await store.create("fresh", { value: bytes("cap"), expiresAt });
    assert.ok((await from.read("old")) && (await to.read("new")) && (await from.read("fresh")));
  });

  test("gets the expiry that the read gives", async () => {
    const { from, to, store } = pairOf("move");
    await from.create("k", { value: bytes("coat"), expiresAt });
    await store.read("k", expiresAt + 1_000);
    assert.equal((await to.read("k"))!.expiresAt, expiresAt + 1_000);
  });

  test("stays there and works if the new store refuses it", async () => {
    const { from, to, store } = pairOf("move");
    await from.create("k", { value: bytes("coat"), expiresAt });
    to.create = () => Promise.reject(new Error("too large"));
    const { version } = (await store.read("k"))!;
    const next = await store.update("k", { value: bytes("scarf"), expiresAt }, version);
    assert.equal((await store.read("k"))!.version, next);
    const { error, ...result } = await store.copy({ perSecond: 1e6 });
    assert.deepEqual(result, { moved: 0, failed: 1, left: 1 });
    assert.match(String(error), /could not be moved/);
  });

  test("makes no call to the old store once it has moved", async () => {
    const from = watched();
    const to = watched();
    const store = migrating({ from, to });
    await from.create("k", { value: bytes("coat"), expiresAt });
    await store.read("k");
    from.calls.length = to.calls.length = 0;
    const { version } = (await store.read("k"))!;
    await store.update("k", { value: bytes("scarf"), expiresAt }, version);
    assert.deepEqual([from.calls, to.calls], [[], ["read", "update"]]);
  });
});

test("migrating: watch reports a move as a write, and a logout as a delete", async () => {
  const { from, store } = pairOf("move");
  const changes: string[] = [];
  const stop = await store.watch!(({ key, type }) => changes.push(`${type} ${key}`));
  await from.create("moved", { value: bytes("coat"), expiresAt });
  await store.read("moved");
  await store.create("ended", { value: bytes("coat"), expiresAt });
  await store.delete("ended");
  await new Promise(setImmediate);
  assert.ok(changes.includes("write moved") && !changes.includes("delete moved"), String(changes));
  assert.ok(changes.includes("delete ended"), String(changes));
  await stop();
});

describe("migrating: partitions", () => {
  test("only sessions with another home move, and the rest cost no extra call", async () => {
    const [a, b, c] = [watched(), watched(), watched()];
    const named = (stores: SessionStore[]) => stores.map((store, i) => ({ name: `p${i}`, store }));
    const before = partitioned(named([a, b]));
    const now = partitioned(named([a, b, c]));
    const keys = Array.from({ length: 300 }, () => randomBytes(18).toString("base64url"));
    for (const key of keys) await before.create(key, { value: bytes(key), expiresAt });
    const store = migrating({ from: before, to: now });

    const stays = keys.find((key) => now.partOf(key) === a)!;
    for (const part of [a, b, c]) part.calls.length = 0;
    const { version } = (await store.read(stays))!;
    await store.update(stays, { value: bytes(stays), expiresAt }, version);
    await store.touch(stays, expiresAt);
    await store.delete(stays);
    await store.create(stays, { value: bytes(stays), expiresAt });
    assert.deepEqual([a.calls, b.calls, c.calls], [["read", "update", "touch", "delete", "create"], [], []]);

    const moving = keys.filter((key) => now.partOf(key) === c).length;
    assert.deepEqual(await store.copy({ perSecond: 1e6 }), { moved: moving, failed: 0, left: 0 });
    for (const key of keys) assert.equal(text((await now.read(key))!.value), key);
    assert.equal((await listed(store)).length, keys.length);
  });

  test("keep their homes behind the core's resilient stores", async () => {
    const [a, b, c] = [watched(), watched(), watched()];
    const store = migrating({ from: partitioned([a, b]), to: partitioned([a, b, c]) });
    const sessions = createSessions<{ n: number }>({ store, secret: SECRET });
    for (let i = 0; i < 30; i++) {
      const browser = new Browser(sessions);
      await browser.request((session) => session.set("n", i));
      assert.deepEqual(await browser.contents(), { n: i });
    }
    const reads = [a, b].map(({ calls }) => calls.filter((call) => call === "read").length);
    const created = [a, b].map(({ calls }) => calls.filter((call) => call === "create").length);
    const moved = c.calls.filter((call) => call === "create").length;
    // A session of `a` or `b` is read there once. A session of `c` is first looked for in its former home when it begins.
    assert.equal(reads[0]! + reads[1]!, created[0]! + created[1]! + moved);
    await sessions.close();
  });
});

describe("migrating: copy", () => {
  test("moves every session, and reports its progress", async () => {
    const { from, to, store } = pairOf("move");
    for (let i = 0; i < 100; i++)
      await from.create(`k${i}`, { value: bytes(`coat ${i}`), expiresAt: expiresAt + i, owner: "ann" });
    const seen: CopyProgress[] = [];
    const result = await store.copy({ perSecond: 1e6, onProgress: (progress) => seen.push(progress) });
    assert.deepEqual(result, { moved: 100, failed: 0, left: 0 });
    assert.deepEqual(seen[0], { moved: 16, failed: 0, left: 84 });
    assert.deepEqual(await listed(from), []);
    for (let i = 0; i < 100; i++) {
      const { version: _, value, ...rest } = (await to.read(`k${i}`))!;
      assert.deepEqual([...value], [...bytes(`coat ${i}`)]);
      assert.deepEqual(rest, { expiresAt: expiresAt + i, owner: "ann" });
    }
  });

  test("moves at most perSecond sessions in a second", async () => {
    const { from, store } = pairOf("move");
    for (let i = 0; i < 48; i++) await from.create(`k${i}`, { value: bytes("coat"), expiresAt });
    const started = performance.now();
    await store.copy({ perSecond: 100 });
    assert.ok(performance.now() - started >= 470);
  });

  test("stops at the signal, and a second call moves the rest", async () => {
    const { from, store } = pairOf("move");
    for (let i = 0; i < 100; i++) await from.create(`k${i}`, { value: bytes("coat"), expiresAt });
    const stopping = new AbortController();
    await assert.rejects(
      store.copy({
        signal: stopping.signal,
        onProgress: ({ moved }) => moved >= 32 && stopping.abort(new RangeError("enough")),
      }),
      { name: "RangeError", message: "enough" },
    );
    assert.equal((await listed(from)).length, 68);
    assert.deepEqual(await store.copy({ perSecond: 1e6 }), { moved: 68, failed: 0, left: 0 });
  });

  test("survives kill -9 in the middle, several times, on two servers concurrently", async () => {
    const spec: Spec = { migrating: { from: { file: join(folder, "killed") }, to: { redis: redis.url } } };
    const from = storeOf(spec.migrating.from);
    const to = storeOf(spec.migrating.to);
    const keys = Array.from({ length: 2_000 }, () => randomBytes(18).toString("base64url"));
    await Promise.all(keys.map((key) => from.create(key, { value: bytes(key), expiresAt, owner: "ann" })));
    for (let round = 0; round < 4; round++) {
      const copiers = [copier(spec), copier(spec)];
      // Both have begun to move sessions when they are killed.
      await Promise.all(copiers.map((child) => once(child, "message")));
      await Promise.all(copiers.map(kill));
    }
    const left = (await listed(from)).length;
    assert.ok(left > 0 && left < keys.length, `${left} are left after the kills`);
    const store = storeOf(spec) as MigratingStore;
    const result = await store.copy({ perSecond: 1e6 });
    assert.equal(result.left, 0);
    assert.deepEqual(await listed(from), []);
    for (const key of keys) {
      const found = await to.read(key);
      assert.deepEqual([text(found!.value), found!.owner, found!.expiresAt], [key, "ann", expiresAt]);
    }
    await Promise.all([from, to, store].map((one) => one.close()));
  });

  test("ends where both stores have a record under one key, and the new store's goes first", async () => {
    const { from, to, store } = pairOf("move");
    const key = randomBytes(18).toString("base64url");
    for (const one of [key, "a-note"]) {
      await from.create(one, { value: bytes("old"), expiresAt });
      await to.create(one, { value: bytes("new"), expiresAt });
    }
    assert.deepEqual(await store.copy({ perSecond: 1e6 }), { moved: 0, failed: 0, left: 0 });
    assert.equal(text((await to.read(key))!.value), "new");
    assert.equal(text((await to.read("a-note"))!.value), "new");
  });

  test("deletes nothing where both are one store", async () => {
    const path = join(folder, "same");
    const [from, to] = [file({ path }), file({ path })];
    const store = migrating({ from, to });
    const key = randomBytes(18).toString("base64url");
    await from.create(key, { value: bytes("coat"), expiresAt });
    assert.deepEqual(await store.copy({ perSecond: 1e6 }), { moved: 0, failed: 0, left: 0 });
    assert.equal(text((await to.read(key))!.value), "coat");
    await store.close();
  });

  test("ends although a server goes on to begin sessions in the old store, and counts them", async () => {
    const { from, store } = pairOf("move");
    let next = 0;
    const begin = () => from.create(`k${next++}`, { value: bytes("coat"), expiresAt });
    await begin();
    // For each one that moves, another one begins.
    const { update } = from;
    from.update = async (...args) => {
      await begin();
      return update.apply(from, args);
    };
    const { moved, failed, left } = await store.copy({ perSecond: 1e6 });
    assert.equal(failed, 0);
    assert.equal(moved + left, next);
    assert.equal(left, (await listed(from)).length);
    assert.ok(left > 0, String(left));
  });

  test("needs list, the phase move, and a rate above 0", async () => {
    const { list: _, ...listless } = memory();
    await assert.rejects(migrating({ from: listless, to: memory() }).copy(), CapabilityError);
    await assert.rejects(pairOf("prepare").store.copy(), /"phase" is "prepare"/);
    await assert.rejects(pairOf("move").store.copy({ perSecond: 0 }), /"perSecond" is 0/);
  });
});

test("migrating: wrong options name the option and the fix", () => {
  const [from, to] = [memory(), memory()];
  assert.throws(() => migrating(undefined as never), /options of migrating\(\) are missing: give an object/);
  assert.throws(() => migrating({ from, to: {} as never }), /"to" is an object/);
  assert.throws(() => migrating({ from, to: from }), /"to".*the same store as from/);
  assert.throws(() => migrating({ from, to, phase: "go" as never }), /"phase" is "go": use "prepare" or "move"/);
});

function pairOf(phase: "prepare" | "move") {
  const [from, to] = [memory(), memory()];
  return { from, to, store: migrating({ from, to, phase }) };
}

function copier(spec: Spec): ChildProcess {
  return fork(new URL("./copy-process.ts", import.meta.url), [JSON.stringify(spec)], {
    execArgv: [],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

async function listed(store: SessionStore, owner?: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list!(owner === undefined ? {} : { owner })) keys.push(key);
  return keys;
}

async function keysOf(store: SessionStore, owner: string): Promise<string> {
  return (await listed(store, owner)).join(" ");
}

function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

function text(value: Uint8Array): string {
  return Buffer.from(value).toString();
}
