// partitioned: homes, outages of one store, and its conformance.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { cached, partitioned } from "../../../src/compose/index.ts";
import { conformance } from "../../../src/conformance/index.ts";
import { createSessions, StoreError } from "../../../src/index.ts";
import type { SessionStore } from "../../../src/store.ts";
import { memory } from "../../../src/stores/memory/index.ts";
import { redis } from "../../../src/stores/redis/index.ts";
import { tempDir } from "../../servers/process.ts";
import { startRedis } from "../../servers/redis.ts";
import { Browser } from "../../support/browser.ts";
import { SECRET } from "../../support/stores.ts";
import { moduleOf, type Spec, storeOf } from "../spec.ts";

const servers = await Promise.all([startRedis(), startRedis(), startRedis()]);
after(() => Promise.all(servers.map((server) => server.stop())));
const [first, second, third] = servers as [(typeof servers)[0], (typeof servers)[0], (typeof servers)[0]];

describe("partitioned: conformance with directories", { concurrency: 1 }, () => {
  const folder = tempDir("partitions");
  const spec: Spec = {
    partitioned: ["a", "b", "c"].map((name) => ({ name, store: { file: join(folder, name) } })),
  };
  const promised = { list: true, claimExpired: true, watch: true, processes: moduleOf(spec) };
  for (const { name, run } of conformance(() => storeOf(spec), promised)) test(name, run);
});

describe("partitioned: conformance with Redis servers", { concurrency: 1 }, () => {
  const spec: Spec = {
    partitioned: servers.map(({ url }, index) => ({ name: `redis-${index}`, store: { redis: url } })),
  };
  const outage = {
    stop: async () => void (await Promise.all(servers.map((server) => server.stop()))),
    start: async () => void (await Promise.all(servers.map((server) => server.start()))),
    within: 5_000,
  };
  const promised = { list: true, claimExpired: false, watch: true, outage };
  for (const { name, run } of conformance(() => storeOf(spec), promised)) test(name, run);
});

test("partitioned: a fourth store takes an equal share from each of three, and nothing else moves", () => {
  const [a, b, c, d] = [memory(), memory(), memory(), memory()];
  const before = partitioned([a, b, c]);
  const now = partitioned([a, b, c, d]);
  const keys = Array.from({ length: 20_000 }, newKey);
  const moved = keys.filter((key) => before.partOf(key) !== now.partOf(key));
  assert.deepEqual(new Set(moved.map((key) => now.partOf(key))), new Set([d]));
  for (const store of [a, b, c, d]) {
    const share = keys.filter((key) => now.partOf(key) === store).length / keys.length;
    // Five standard deviations.
    assert.ok(Math.abs(share - 1 / 4) < 0.016, `a store has ${share} of the sessions`);
  }
});

test("partitioned: a session's home depends on the names, not on the order", () => {
  const [a, b, c] = [memory(), memory(), memory()];
  const one = partitioned([
    { name: "a", store: a },
    { name: "b", store: b },
    { name: "c", store: c },
  ]);
  const other = partitioned([
    { name: "c", store: c },
    { name: "a", store: a },
    { name: "b", store: b },
  ]);
  for (const key of Array.from({ length: 1_000 }, newKey)) assert.equal(one.partOf(key), other.partOf(key));
});

test("partitioned: homes are the same as in the first release", () => {
  const store = partitioned(["a", "b", "c"].map((name) => ({ name, store: Object.assign(memory(), { name }) })));
  const homes = Array.from({ length: 12 }, (_, index) => (store.partOf(`key-${index}`) as { name?: string }).name);
  assert.equal(homes.join(""), "baacabcccaab");
});

for (const isCached of [false, true]) {
  test(`partitioned: if a store is down, only its own sessions fail${isCached ? ", behind a cache" : ""}`, async () => {
    const stores = [redis({ url: first.url }), redis({ url: second.url })];
    const store = partitioned(stores);
    const sessions = createSessions<{ n: number }>({
      store: isCached ? cached(store, { onListening() {} }) : store,
      secret: SECRET,
    });
    const homes = new Map<SessionStore, Browser<{ n: number }>[]>(stores.map((one) => [one, []]));
    const inFirst = new Set<string>();
    for (let i = 0; i < 40; i++) {
      const browser = new Browser(sessions);
      let id = "";
      await browser.request((session) => {
        session.data.n = 0;
        id = session.id;
      });
      homes.get(store.partOf(id))!.push(browser);
      if (store.partOf(id) === stores[0]) inFirst.add(id);
    }
    const [up, down] = stores.map((one) => homes.get(one)!) as [Browser<{ n: number }>[], Browser<{ n: number }>[]];
    assert.ok(up.length > 0 && down.length > 0);
    const visit = (browser: Browser<{ n: number }>) => browser.request((session) => session.update("n", (n) => n! + 1));

    await second.stop();
    try {
      for (let round = 1; round <= 5; round++) {
        const failures = await Promise.allSettled(down.map(visit));
        assert.ok(failures.every(({ status }) => status === "rejected"));
        await Promise.all(up.map(visit));
        assert.deepEqual(await up[0]!.contents(), { n: round });
      }
      await assert.rejects(async () => {
        for await (const { id } of sessions.list()) inFirst.delete(id);
      }, StoreError);
      assert.equal(inFirst.size, 0, "the sessions of the other store are not all listed before the failure");
    } finally {
      await second.start();
    }
    await sessions.close();
  });
}

test("partitioned: a version from one store never matches a session in another", async () => {
  const [a, b] = [memory(), memory()];
  const before = partitioned([{ name: "a", store: a }]);
  const now = partitioned([{ name: "b", store: b }]);
  const key = newKey();
  const session = { value: Buffer.from("coat"), expiresAt: Date.now() + 60_000 };
  const version = await before.create(key, session);
  assert.equal(await now.update(key, session, version), "gone");
  await now.create(key, session);
  assert.equal(await now.update(key, session, version), "conflict");
  assert.equal(await now.delete(key, version), false);
  assert.ok(await now.read(key));
});

test("partitioned: has a method only if all of its stores have it", () => {
  const { list: _, ...listless } = memory();
  assert.ok(partitioned([memory(), memory()]).list);
  assert.equal(partitioned([memory(), listless]).list, undefined);
  assert.equal(partitioned([memory(), memory()]).inProcess, true);
  assert.equal(partitioned([memory(), redis({ url: third.url })]).inProcess, undefined);
  assert.equal(partitioned([memory(), { ...memory(), atomic: false as const }]).atomic, false);
});

test("partitioned: wrong options name the option and the fix", () => {
  const store = memory();
  for (const [parts, message] of [
    [[], /"partitioned" is an array: give an array of at least one/],
    [[{ name: "", store }], /"partitioned\[0\]\.name" is ""/],
    [[{ name: "a", store: {} }], /"partitioned\[0\]\.store"/],
    [[memory(), { name: "0", store }], /"partitioned\[1\]\.name" is "0": another store has this name/],
    [[store, store], /"partitioned\[1\]\.store".*already/],
  ] as const) {
    assert.throws(() => partitioned(parts as unknown as SessionStore[]), message);
  }
});

function newKey(): string {
  return randomBytes(18).toString("base64url");
}
