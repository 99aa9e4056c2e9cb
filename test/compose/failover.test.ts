import assert from "node:assert/strict";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { failover } from "../../src/compose/index.ts";
import { conformance } from "../../src/conformance/index.ts";
import { createSessions, StoreError } from "../../src/index.ts";
import type { SessionStore } from "../../src/store.ts";
import { memory } from "../../src/stores/memory.ts";
import { redis } from "../../src/stores/redis/index.ts";
import { tempDir, waitFor } from "../servers/process.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";
import { Browser } from "../support/browser.ts";
import { SECRET } from "../support/stores.ts";
import { type Actor, interleave, randomFrom } from "./interleaved.ts";
import { moduleOf, type Spec, storeOf } from "./spec.ts";

type Data = { n: number };

const servers: RedisServer[] = [];
after(() => Promise.all(servers.map((server) => server.stop())));

async function start(): Promise<RedisServer> {
  const server = await startRedis();
  servers.push(server);
  return server;
}

/** A server of the farm. A primary that hangs costs each call the store's time limit. */
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

/** As a user does it who gets an error page: again. */
async function insist(request: () => Promise<unknown>): Promise<void> {
  await waitFor("the request", () => request().then(() => true));
}

async function keysIn(server: RedisServer): Promise<string[]> {
  const keys = (await server.cli("keys", "*")).split("\n");
  return keys.filter((key) => key !== "" && !key.includes("failover")).sort();
}

describe("conformance: two directories", { concurrency: 1 }, () => {
  const folder = tempDir("failover");
  const spec: Spec = { failover: { primary: { file: join(folder, "one") }, standby: { file: join(folder, "two") } } };
  const promised = { list: true, claimExpired: true, watch: false, processes: moduleOf(spec) };
  for (const { name, run } of conformance(() => storeOf(spec), promised)) test(name, run);
});

describe("conformance: two Redis servers, both down", { concurrency: 1 }, async () => {
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

test("the standby gets every change, and a logout is on both before it is answered", async () => {
  const [primary, standby] = await Promise.all([start(), start()]);
  const sessions = serverOf(primary, standby);
  const browser = new Browser(sessions);
  await insist(() => browser.request(add));
  await waitFor("the copy", async () => (await keysIn(standby)).length === 1);
  await browser.request(add);
  const [one, two] = [redis({ url: primary.url }), redis({ url: standby.url })];
  const [id] = (await keysIn(standby)).map((key) => key.slice(-24));
  const value = async (store: SessionStore) => textIn(store, id!);
  await waitFor("the same in both", async () => (await value(one)) === (await value(two)));
  await browser.request((session) => session.destroy());
  assert.deepEqual([await keysIn(primary), await keysIn(standby)], [[], []]);
  for (const each of [one, two, sessions]) await each.close();
});

test("the primary dies: every server goes over, all sessions are there, and the farm works", async () => {
  const [primary, standby] = await Promise.all([start(), start()]);
  let takeovers = 0;
  const farm = [1, 2, 3].map(() => serverOf(primary, standby, () => takeovers++));
  const browsers = Array.from({ length: 20 }, () => new Browser(...farm));
  await Promise.all(farm.map((sessions) => insist(() => new Browser(sessions).request(add))));
  await Promise.all(browsers.map((browser) => browser.request(add)));
  await waitFor("all copies", async () => (await keysIn(standby)).length === browsers.length + farm.length);
  await primary.kill();
  await Promise.all(browsers.map((browser) => insist(() => browser.request(add))));
  for (const browser of browsers) assert.deepEqual(await browser.contents(), { n: 2 });
  await waitFor("every server", () => takeovers === 3);
  await Promise.all(farm.map((sessions) => sessions.close()));
});

test("a primary that comes back is not used: what ended meanwhile stays ended, what changed stays changed", async () => {
  const [primary, standby] = await Promise.all([start(), start()]);
  // The second server never fails a call: it learns from the standby's note.
  const [first, second] = [serverOf(primary, standby), serverOf(primary, standby)];
  const [leaver, stayer] = [new Browser(first), new Browser(first)];
  for (const browser of [leaver, stayer]) await insist(() => browser.request(add));
  const ticket = leaver.cookie!;
  await waitFor("the copies", async () => (await keysIn(standby)).length === 2);

  primary.pause();
  await insist(() => stayer.request(add));
  await insist(() => leaver.request((session) => session.destroy()));
  primary.resume();
  assert.equal((await keysIn(primary)).length, 2, "the primary still has what has ended");

  const late = serverOf(primary, standby);
  for (const sessions of [first, second, late]) {
    const again = new Browser(sessions);
    again.cookie = ticket;
    assert.deepEqual(await again.contents(), {}, "the session is not there after its logout");
    again.cookie = stayer.cookie;
    assert.deepEqual(await again.contents(), { n: 2 });
  }
  // Told of it, the primary itself keeps a server away that does not reach the standby.
  await waitFor("the note", async () => (await primary.cli("keys", "*failover*")) !== "");
  await standby.kill();
  const cutOff = serverOf(primary, standby);
  const again = new Browser(cutOff);
  again.cookie = ticket;
  await assert.rejects(again.contents(), StoreError);
  await Promise.all([first, second, late, cutOff].map((sessions) => sessions.close()));
});

test("the way back: swapped, the old primary gets all by sync(), and only then may take over", async () => {
  const [a, b] = [memory(), memory()];
  const down = { ...a, read: fail, create: fail, update: fail, delete: fail, touch: fail };
  const session = (text: string) => ({ value: Buffer.from(text), expiresAt: Date.now() + 60_000, owner: "ann" });
  const before = failover({ primary: a, standby: b });
  for (const key of ["ended", "changed", "same"]) await before.create(key, session("old"));
  await waitFor("the copies", async () => (await b.read("same")) !== undefined);

  const server = failover({ primary: down, standby: b, after: 1, onTakeover: () => {} });
  await insist(() => server.read("ended"));
  await server.delete("ended");
  const { version } = (await server.read("changed"))!;
  await server.update("changed", session("new"), version);
  await server.create("begun", session("new"));
  await assert.rejects(server.sync(), /swap it with the primary/);
  // As a server does each second, when the primary is back.
  const back = failover({ primary: a, standby: b, onTakeover: () => {} });
  await back.read("same");
  await waitFor("the primary's note", async () => (await textIn(a, "coatcheck-failover-note-")) === "deposed");

  const stale = failover({ primary: { ...b, read: fail }, standby: a, after: 1 });
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    await assert.rejects(stale.read("ended"), /down/);
  }

  const swapped = failover({ primary: b, standby: a, after: 1 });
  await swapped.sync();
  const states = async (store: SessionStore) =>
    Promise.all(["ended", "changed", "same", "begun", "coatcheck-failover-note-"].map((key) => textIn(store, key)));
  assert.deepEqual(await states(a), [undefined, "new", "old", "new", undefined]);
  assert.deepEqual(await states(b), [undefined, "new", "old", "new", undefined]);
  const next = failover({ primary: { ...b, read: fail }, standby: a, after: 1, onTakeover: () => {} });
  await insist(() => next.read("begun"));
  assert.equal(Buffer.from((await next.read("changed"))!.value).toString(), "new");
  for (const store of [before, server, back, stale, swapped, next]) await store.close();
});

test("the standby is down: the farm goes on, and tells it what it missed, logouts too", async () => {
  const folder = tempDir("standby");
  const [primary, standby] = [storeOf({ file: join(folder, "one") }), storeOf({ file: join(folder, "two") })];
  let up = true;
  const whenUp = <T>(call: () => Promise<T>) => (up ? call() : fail());
  const fragile: SessionStore = {
    ...standby,
    read: (key) => whenUp(() => standby.read(key)),
    create: (key, session) => whenUp(() => standby.create(key, session)),
    update: (key, session, version) => whenUp(() => standby.update(key, session, version)),
    delete: (key, version) => whenUp(() => standby.delete(key, version)),
    touch: (key, expiresAt) => whenUp(() => standby.touch(key, expiresAt)),
  };
  const store = failover({ primary, standby: fragile });
  const session = { value: Buffer.from("coat"), expiresAt: Date.now() + 60_000 };
  await store.create("ended", session);
  await waitFor("the copy", async () => (await standby.read("ended")) !== undefined);
  up = false;
  await store.create("begun", session);
  assert.equal(await store.delete("ended"), true);
  assert.ok(await standby.read("ended"), "the standby has not heard of the logout");
  up = true;
  await waitFor("the standby", async () => (await standby.read("begun")) !== undefined);
  assert.equal(await standby.read("ended"), undefined);
  await store.close();
});

for (const takeover of [false, true]) {
  test(`in any order of calls, the standby keeps what was done last${takeover ? ", also while it takes over" : ""}`, async () => {
    for (let seed = 1; seed <= RUNS; seed++) {
      try {
        await run(seed, takeover);
      } catch (error) {
        throw new Error(`with seed ${seed}`, { cause: error });
      }
    }
  });
}

const RUNS = Number(process.env.RUNS ?? 300);

/** Two servers change a session, a third changes or ends it; with a takeover, that one does not reach the primary. */
async function run(seed: number, takeover: boolean): Promise<void> {
  const random = randomFrom(seed);
  const [primary, standby] = [memory(), memory()];
  const expiresAt = Date.now() + 3_600_000;
  await primary.create("k", { value: Buffer.from("0"), expiresAt });
  if (random(4) > 0) await standby.create("k", { value: Buffer.from("0"), expiresAt });
  const unreachable = { ...primary, read: fail, create: fail, update: fail, delete: fail, touch: fail };
  const quiet = { after: 1, onTakeover: () => {} };
  const third = random(2) === 0 ? "ends it" : "changes it";
  let done = false;

  /** Adds a letter to what is there. True if it is written. */
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
    await insist(async () => {
      done = await (third === "ends it" ? store.delete("k") : add("c", store));
    });
    await store.close();
  }

  await interleave(random, 0, [write, write, changeOrEnd], async () => {});
  const [original, copy] = [await textIn(primary, "k"), await textIn(standby, "k")];
  if (done && third === "ends it") assert.equal(copy, undefined, "what has ended is in the standby");
  if (done && third === "changes it") assert.match(String(copy), /c/, "a change was covered by an older state");
  if (!takeover) assert.equal(copy, original, "both have the same");
}

test("wrong options name the option and the fix", () => {
  const [primary, standby] = [memory(), memory()];
  assert.throws(() => failover(undefined as never), /"primary" is undefined: give a store/);
  assert.throws(() => failover({ primary, standby: primary }), /"standby".*the same as the primary/);
  assert.throws(() => failover({ primary, standby, after: 0 }), /"after" is 0/);
});

async function textIn(store: SessionStore, key: string): Promise<string | undefined> {
  const found = await store.read(key);
  return found && Buffer.from(found.value).toString();
}

function fail(): Promise<never> {
  return Promise.reject(new Error("down"));
}
