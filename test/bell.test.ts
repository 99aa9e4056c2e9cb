import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Bell } from "../src/bell.ts";
import type { SessionChange, SessionStore } from "../src/store.ts";
import { memory } from "../src/stores/memory.ts";
import { settledWithin } from "./support/farm.ts";

// Well below the pause of those who get word.
const SOON = 500;
const LONG = 60_000;

const change: SessionChange = { key: "a", type: "write" };

/** A store whose announcements the test makes. */
function announcing() {
  let listener: (change: SessionChange) => void = () => {};
  let onListening: ((listening: boolean) => void) | undefined;
  const told = { subscriptions: 0, stopped: 0, fails: false };
  const store: SessionStore = {
    ...memory(),
    async watch(...given) {
      told.subscriptions++;
      if (told.fails) throw new Error("the test refuses");
      [listener, onListening] = given;
      return async () => void told.stopped++;
    },
  };
  return {
    store,
    told,
    announce: (what: SessionChange) => listener(what),
    listen: (listening: boolean) => onListening!(listening),
  };
}

describe("who waits for a session to change", () => {
  test("is woken by the store's word, of this session only", async () => {
    const { store, announce } = announcing();
    const watcher = new Bell(store).watch("a");
    await turn();
    await watcher.wait(LONG); // it was told that there is word from now on
    const waiting = watcher.wait(LONG);
    announce({ ...change, key: "b" });
    assert.equal(await settledWithin(waiting, 50), false);
    announce(change);
    assert.equal(await settledWithin(waiting, SOON), true);
  });

  test("does not miss what happens between two waits, and hears it once", async () => {
    const { store, announce } = announcing();
    const watcher = new Bell(store).watch("a");
    await turn();
    await watcher.wait(LONG);
    announce(change);
    assert.equal(await settledWithin(watcher.wait(LONG), SOON), true);
    assert.equal(await settledWithin(watcher.wait(LONG), 50), false);
  });

  test("waits no longer than asked", async () => {
    const { store } = announcing();
    const watcher = new Bell(store).watch("a");
    await turn();
    await watcher.wait(LONG);
    assert.equal(await settledWithin(watcher.wait(10), SOON), true);
  });

  test("looks by itself, less and less often, where there is no word", async () => {
    const { watch: _, ...store } = memory();
    const watcher = new Bell(store).watch("a");
    const began = performance.now();
    for (let i = 0; i < 10; i++) await watcher.wait(LONG);
    // Half of 1 + 2 + 4 … 64 + 64 + 64 + 64 at least; with one pause of those who get word, a second and more.
    const took = performance.now() - began;
    assert.ok(took > 150, `${took} ms`);
    assert.equal(await settledWithin(watcher.wait(LONG), SOON), true);
  });

  test("looks at once when word does not come any more, and by itself from then on", async () => {
    const { store, listen } = announcing();
    const watcher = new Bell(store).watch("a");
    await turn();
    await watcher.wait(LONG);
    const waiting = watcher.wait(LONG);
    listen(false);
    for (const wait of [waiting, watcher.wait(LONG), watcher.wait(LONG)]) {
      assert.equal(await settledWithin(wait, SOON), true);
    }
  });

  test("subscribes if those before could not, and only one does", async () => {
    const { store, told } = announcing();
    const bell = new Bell(store);
    assert.equal(told.subscriptions, 0);
    told.fails = true;
    bell.watch("a").stop();
    await turn();
    told.fails = false;
    for (const key of ["a", "b", "c"]) bell.watch(key).stop();
    await turn();
    assert.equal(told.subscriptions, 2);
    await bell.close();
    assert.equal(told.stopped, 1);
  });
});
