// failover: takeover, the way back, and every change on both stores.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { TAKEOVER_KEY } from "../../../src/compose/failover/markers.ts";
import { failover } from "../../../src/compose/index.ts";
import { conformance } from "../../../src/conformance/index.ts";
import { createSessions, StoreError } from "../../../src/index.ts";
import type { SessionStore } from "../../../src/store.ts";
import { memory } from "../../../src/stores/memory/index.ts";
import { redis } from "../../../src/stores/redis/index.ts";
import { tempDir, waitFor } from "../../servers/process.ts";
import { type RedisServer, startRedis } from "../../servers/redis.ts";
import { Browser } from "../../support/browser.ts";
import { runs } from "../../support/random.ts";
import { SECRET } from "../../support/stores.ts";
import { type Actor, interleave, randomFrom } from "../interleaved.ts";
import { reachable } from "../reachable.ts";
import { moduleOf, type Spec, storeOf } from "../spec.ts";

type Data = { n: number };

const servers: RedisServer[] = [];
after(() => Promise.all(servers.map((server) => server.stop())));

async function start(): Promise<RedisServer> {
  const server = await startRedis();
  servers.push(server);
  return server;
}

/** A server of the farm. With a primary that hangs, each call takes the store's whole time limit. */
function serverOf(primary: RedisServer, standby: RedisServer, onTakeover = () => {}) {
  const store = failover({
    primary: redis({ url: primary.url }),
    standby: redis({ url: standby.url }),
    after: "500ms",
    onTakeover,
  });
  return createSessions<Data>({ store, secret: SECRET, storeTimeout: "1s" });
}

const add = (session: { update(key: "n", fn: (n?: number) => number): unknown }) =>
  session.update("n", (n) => (n ?? 0) + 1);

/** Repeats a request until it succeeds, as a user does after an error page. */
async function retry(request: () => Promise<unknown>): Promise<void> {
  await waitFor("the request", () => request().then(() => true));
}

async function keysIn(server: RedisServer): Promise<string[]> {
  const keys = (await server.cli("keys", "*")).split("\n");
  return keys.filter((key) => key !== "" && !key.includes("failover")).sort();
}

describe("failover: conformance with two directories", { concurrency: 1 }, () => {
  const folder = tempDir("failover");
  const spec: Spec = { failover: { primary: { file: join(folder, "one") }, standby: { file: join(folder, "two") } } };
  const promised = { list: true, claimExpired: true, watch: false, processes: moduleOf(spec) };
  for (const { name, run } of conformance(() => storeOf(spec), promised)) test(name, run);
});

describe("failover: conformance with two Redis servers, both down", { concurrency: 1 }, async () => {
  const both = await Promise.all([start(), start()]);
  const spec: Spec = { failover: { primary: { redis: both[0].url }, standby: { redis: both[1].url } } };
  const outage = {
    stop: async () => void (await Promise.all(both.map((server) => server.stop()))),
    start: async () => void (await Promise.all(both.map((server) => server.start()))),
    within: 5_000,
  };
  for (const { name, needs, run } of conformance(() => storeOf(spec), {
    list: true,
    claimExpired: false,
    watch: false,
    outage,
  })) {
    if (needs.includes("outage")) test(name, run);
  }
});

test("failover: the standby gets every change, and a logout is on both stores before it is answered", async () => {
  const [primary, standby] = await Promise.all([start(), start()]);
  const sessions = serverOf(primary, standby);
  const browser = new Browser(sessions);
  await retry(() => browser.request(add));
  await waitFor("the copy", async () => (await keysIn(standby)).length === 1);
  await browser.request(add);
  const [one, two] = [redis({ url: primary.url }), redis({ url: standby.url })];
  const [id] = (await keysIn(standby)).map((key) => key.slice(-24));
  const value = async (store: SessionStore) => textIn(store, id!);
  await waitFor("the same value in both", async () => (await value(one)) === (await value(two)));
  await browser.request((session) => session.destroy());
  assert.deepEqual([await keysIn(primary), await keysIn(standby)], [[], []]);
  for (const each of [one, two, sessions]) await each.close();
});

test("failover: when the primary dies, every server uses the standby, and all sessions are there", async () => {
  const [primary, standby] = await Promise.all([start(), start()]);
  let takeovers = 0;
  const farm = [1, 2, 3].map(() => serverOf(primary, standby, () => takeovers++));
  const browsers = Array.from({ length: 20 }, () => new Browser(...farm));
  await Promise.all(farm.map((sessions) => retry(() => new Browser(sessions).request(add))));
  await Promise.all(browsers.map((browser) => browser.request(add)));
  await waitFor("a copy of each session", async () => (await keysIn(standby)).length === browsers.length + farm.length);
  await primary.kill();
  await Promise.all(browsers.map((browser) => retry(() => browser.request(add))));
  for (const browser of browsers) assert.deepEqual(await browser.contents(), { n: 2 });
  await waitFor("every server", () => takeovers === 3);
  await Promise.all(farm.map((sessions) => sessions.close()));
});

test("failover: a primary that comes back is not used, so ended sessions stay ended and changes stay", async () => {
  const [primary, standby] = await Promise.all([start(), start()]);
  // No call of the second server fails: it learns of the takeover from the standby's marker.
  const [first, second] = [serverOf(primary, standby), serverOf(primary, standby)];
  const [leaving, staying] = [new Browser(first), new Browser(first)];
  for (const browser of [leaving, staying]) await retry(() => browser.request(add));
  const ticket = leaving.cookie!;
  await waitFor("the copies", async () => (await keysIn(standby)).length === 2);

  primary.pause();
  await retry(() => staying.request(add));
  await retry(() => leaving.request((session) => session.destroy()));
  primary.resume();
  assert.equal((await keysIn(primary)).length, 2, "the primary still has the ended session");

  const late = serverOf(primary, standby);
  for (const sessions of [first, second, late]) {
    const again = new Browser(sessions);
    again.cookie = ticket;
    assert.deepEqual(await again.contents(), {}, "the session is read after its logout");
    again.cookie = staying.cookie;
    assert.deepEqual(await again.contents(), { n: 2 });
  }
  // The marker in the primary stops a server that does not reach the standby.
  await waitFor("the marker", async () => (await primary.cli("keys", "*failover*")) !== "");
  await standby.kill();
  const cutOff = serverOf(primary, standby);
  const again = new Browser(cutOff);
  again.cookie = ticket;
  await assert.rejects(again.contents(), StoreError);
  await Promise.all([first, second, late, cutOff].map((sessions) => sessions.close()));
});

test("failover: after a swap, resync() copies everything to the former primary, and only then may it take over", async () => {
  const [a, b] = [memory(), memory()];
  const down = { ...a, read: fail, create: fail, update: fail, delete: fail, touch: fail };
  const session = (text: string) => ({ value: Buffer.from(text), expiresAt: Date.now() + 60_000, owner: "ann" });
  const before = failover({ primary: a, standby: b });
  for (const key of ["ended", "changed", "same"]) await before.create(key, session("old"));
  await waitFor("the copies", async () => (await b.read("same")) !== undefined);

  const server = failover({ primary: down, standby: b, after: 1, onTakeover: () => {} });
  await retry(() => server.read("ended"));
  await server.delete("ended");
  const { version } = (await server.read("changed"))!;
  await server.update("changed", session("new"), version);
  await server.create("begun", session("new"));
  await assert.rejects(server.resync(), /Swap it with the primary/);
  // Each server does this every second: it writes a marker into the primary that is back.
  const back = failover({ primary: a, standby: b, onTakeover: () => {} });
  await back.read("same");
  await waitFor("the primary's marker", async () => (await textIn(a, TAKEOVER_KEY)) === "deposed");

  const stale = failover({ primary: { ...b, read: fail }, standby: a, after: 1 });
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    await assert.rejects(stale.read("ended"), /down/);
  }

  const swapped = failover({ primary: b, standby: a, after: 1 });
  await swapped.resync();
  const states = async (store: SessionStore) =>
    Promise.all(["ended", "changed", "same", "begun", TAKEOVER_KEY].map((key) => textIn(store, key)));
  assert.deepEqual(await states(a), [undefined, "new", "old", "new", undefined]);
  assert.deepEqual(await states(b), [undefined, "new", "old", "new", undefined]);
  const next = failover({ primary: { ...b, read: fail }, standby: a, after: 1, onTakeover: () => {} });
  await retry(() => next.read("begun"));
  assert.equal(Buffer.from((await next.read("changed"))!.value).toString(), "new");
  for (const store of [before, server, back, stale, swapped, next]) await store.close();
});

test("failover: while the standby is down the farm goes on, and replicates what it missed later, logouts too", async () => {
  const folder = tempDir("standby");
  const [primary, standby] = [storeOf({ file: join(folder, "one") }), storeOf({ file: join(folder, "two") })];
  let up = true;
  const store = failover({ primary, standby: reachable(standby, () => up) });
  const session = { value: Buffer.from("coat"), expiresAt: Date.now() + 60_000 };
  await store.create("ended", session);
  await waitFor("the copy", async () => (await standby.read("ended")) !== undefined);
  up = false;
  await store.create("begun", session);
  assert.equal(await store.delete("ended"), true);
  assert.ok(await standby.read("ended"), "the logout reached a standby that is down");
  up = true;
  await waitFor("the standby", async () => (await standby.read("begun")) !== undefined);
  assert.equal(await standby.read("ended"), undefined);
  await store.close();
});

describe("failover: a logout that is answered while the standby is away", () => {
  /** Two stores, and servers that can be cut off from each of them, or be killed. */
  function farm() {
    const stores = { primary: memory(), standby: memory() };
    const up = { primary: true, standby: true };
    function start() {
      let isDead = false;
      const part = (name: "primary" | "standby") => reachable(stores[name], () => up[name] && !isDead);
      const options = { after: 1, onTakeover: () => {} };
      return Object.assign(failover({ primary: part("primary"), standby: part("standby"), ...options }), {
        kill: () => {
          isDead = true;
        },
      });
    }
    return { ...stores, up, start };
  }

  const session = { value: Buffer.from("coat"), expiresAt: Date.now() + 3_600_000, owner: "ann" };

  /** A logout on a server that dies before it reaches the standby. Another server has run for longer, or starts then. */
  async function logOutAndDie(isOtherNew: boolean) {
    const there = farm();
    const [dying, running] = [there.start(), there.start()];
    await dying.create("k", session);
    await running.read("k");
    await waitFor("the copy", async () => (await there.standby.read("k")) !== undefined);
    there.up.standby = false;
    assert.equal(await dying.delete("k"), true);
    dying.kill();
    if (isOtherNew) running.kill();
    const other = isOtherNew ? there.start() : running;
    await other.read("k");
    await sleep(2_500); // every server looks for such logouts once a second
    return { ...there, other };
  }

  for (const isOtherNew of [false, true]) {
    const name = `is applied by ${isOtherNew ? "a server that starts later" : "another server"}`;
    test(`${name}, when the standby is back`, async () => {
      const { primary, standby, up, other } = await logOutAndDie(isOtherNew);
      assert.ok(await standby.read("k"));
      up.standby = true;
      await waitFor("the logout", async () => (await standby.read("k")) === undefined);
      await waitFor("the end of the marker", async () => (await keysOf(primary)).length === 0);
      up.primary = false;
      await retry(() => other.read("k"));
      assert.equal(await other.read("k"), undefined);
      await other.close();
    });

    test(`${name}, before the standby takes over`, async () => {
      const { standby, up, other } = await logOutAndDie(isOtherNew);
      up.primary = false;
      assert.ok(await standby.read("k"));
      up.standby = true;
      await retry(() => other.read("k"));
      assert.equal(await other.read("k"), undefined);
      assert.equal(await standby.read("k"), undefined);
      await other.close();
    });
  }

  test("shows in no list, and is kept by resync()", async () => {
    const { primary, standby, up, start } = farm();
    const server = start();
    await server.create("k", session);
    await waitFor("the copy", async () => (await standby.read("k")) !== undefined);
    up.standby = false;
    await server.delete("k");
    assert.equal((await keysOf(primary)).length, 1, "the logout is not kept");
    assert.deepEqual(await keysOf(server), []);
    up.standby = true;
    await server.resync();
    assert.deepEqual(await keysOf(standby), []);
    await server.close();
  });

  test("is an error if the primary can't keep it, and holds once it is repeated", async () => {
    const { primary, standby, up, start } = farm();
    const server = start();
    await server.create("k", session);
    await waitFor("the copy", async () => (await standby.read("k")) !== undefined);
    up.standby = false;
    const { create } = primary;
    primary.create = fail;
    await assert.rejects(
      server.delete("k"),
      (error) => error instanceof StoreError && /could not be noted for the standby/.test(error.message),
    );
    primary.create = create;
    assert.equal(await server.delete("k"), false);
    server.kill();
    up.standby = true;
    const other = start();
    await other.read("k");
    await waitFor("the logout", async () => (await standby.read("k")) === undefined);
    await other.close();
  });

  test("keeps the standby from taking over, as long as it can't be applied there", async () => {
    const { standby, up, other } = await logOutAndDie(false);
    const { delete: remove } = standby;
    standby.delete = fail;
    up.primary = false;
    up.standby = true;
    for (let i = 0; i < 5; i++) await assert.rejects(other.read("k"), /down/);
    standby.delete = remove;
    await retry(() => other.read("k"));
    assert.equal(await other.read("k"), undefined);
    await other.close();
  });
});

for (const takeover of [false, true]) {
  test(`failover: in any order of calls, the standby has the last state${takeover ? ", also while it takes over" : ""}`, async () => {
    for (let seed = 1; seed <= RUNS; seed++) {
      try {
        await run(seed, takeover);
      } catch (error) {
        throw new Error(`with seed ${seed}`, { cause: error });
      }
    }
  });
}

const RUNS = runs(300);

/** Two servers change a session, and a third changes or ends it. With a takeover, the third does not reach the primary. */
async function run(seed: number, takeover: boolean): Promise<void> {
  const random = randomFrom(seed);
  const [primary, standby] = [memory(), memory()];
  const expiresAt = Date.now() + 3_600_000;
  await primary.create("k", { value: Buffer.from("0"), expiresAt });
  if (random(4) > 0) await standby.create("k", { value: Buffer.from("0"), expiresAt });
  const unreachable = { ...primary, read: fail, create: fail, update: fail, delete: fail, touch: fail };
  const quiet = { after: 1, onTakeover: () => {} };
  const third = random(2) === 0 ? "ends" : "changes";
  let done = false;

  /** Adds a letter to the session. True if it is written. */
  async function add(letter: string, store: SessionStore): Promise<boolean> {
    const found = await store.read("k");
    if (found === undefined) return false;
    const value = Buffer.concat([found.value, Buffer.from(letter)]);
    const answer = await store.update("k", { value, expiresAt }, found.version);
    return answer !== "conflict" && answer !== "gone";
  }

  async function write(actor: Actor): Promise<void> {
    const store = failover({ primary: actor.through(primary), standby: actor.through(standby), ...quiet });
    await add("a", store);
    await add("b", store);
    await store.close();
  }

  async function changeOrEnd(actor: Actor): Promise<void> {
    const reached = takeover ? unreachable : actor.through(primary);
    const store = failover({ primary: reached, standby: actor.through(standby), ...quiet });
    await retry(async () => {
      done = await (third === "ends" ? store.delete("k") : add("c", store));
    });
    await store.close();
  }

  await interleave(random, 0, [write, write, changeOrEnd], async () => {});
  const [original, copy] = [await textIn(primary, "k"), await textIn(standby, "k")];
  if (done && third === "ends") assert.equal(copy, undefined, "the standby has an ended session");
  if (done && third === "changes") assert.match(String(copy), /c/, "an older state replaced a change");
  if (!takeover) assert.equal(copy, original, "the stores differ");
}

test("failover: wrong options name the option and the fix", () => {
  const [primary, standby] = [memory(), memory()];
  assert.throws(() => failover(undefined as never), /options of failover\(\) are missing: give an object/);
  assert.throws(() => failover({ primary, standby: primary }), /"standby".*the same store as the primary/);
  assert.throws(() => failover({ primary, standby, after: 0 }), /"after" is 0/);
});

async function textIn(store: SessionStore, key: string): Promise<string | undefined> {
  const found = await store.read(key);
  return found && Buffer.from(found.value).toString();
}

async function keysOf(store: SessionStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list!({})) keys.push(key);
  return keys;
}

function fail(): Promise<never> {
  return Promise.reject(new Error("down"));
}
